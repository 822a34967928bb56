//! Which sound renditions a source gets.

use cidcast_types::RenditionName;

use super::{AudioCodec, AudioRendition, LadderSettings, PlanError};
use crate::source::AudioTrack;

pub(super) fn renditions(
    tracks: &[AudioTrack],
    settings: &LadderSettings,
) -> Result<Vec<AudioRendition>, PlanError> {
    (1u32..=settings.max_audio_tracks)
        .zip(tracks)
        .map(|(number, track)| rendition(number, track, settings))
        .collect()
}

fn rendition(
    number: u32,
    track: &AudioTrack,
    settings: &LadderSettings,
) -> Result<AudioRendition, PlanError> {
    let refused = || PlanError::EmptyAudio {
        stream: track.stream,
    };
    if track.channels == 0 || track.sample_rate == 0 {
        return Err(refused());
    }
    let name = if number == 1 {
        "audio".to_owned()
    } else {
        format!("audio-{number}")
    };
    let name: RenditionName = name.parse().map_err(|_| refused())?;
    let (channels, bitrate) = match track.channels {
        1 => (1, settings.mono_bitrate),
        _ => (2, settings.stereo_bitrate),
    };
    // AAC knows others, but every decoder and every browser plays these two.
    let sample_rate = if track.sample_rate == 44_100 {
        44_100
    } else {
        48_000
    };
    Ok(AudioRendition {
        name,
        codec: AudioCodec::Aac,
        stream: track.stream,
        channels,
        sample_rate,
        bitrate,
        language: track
            .language
            .as_deref()
            .filter(|tag| is_language(tag))
            .map(str::to_owned),
    })
}

/// Shaped like a BCP 47 tag. `und` says nothing, so it is none. The tag goes into playlists.
fn is_language(tag: &str) -> bool {
    (2..=35).contains(&tag.len())
        && tag != "und"
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(channels: u32, sample_rate: u32, language: &str) -> AudioTrack {
        AudioTrack {
            stream: 1,
            codec: "mp3".to_owned(),
            channels,
            sample_rate,
            language: Some(language.to_owned()),
        }
    }

    #[test]
    fn surround_becomes_stereo_and_mono_stays_mono() {
        let tracks = [
            track(6, 48_000, "eng"),
            track(1, 22_050, "de"),
            track(2, 44_100, "und"),
        ];
        let made = renditions(&tracks, &LadderSettings::default()).unwrap();
        let shape: Vec<_> = made
            .iter()
            .map(|r| {
                (
                    r.name.as_str(),
                    r.channels,
                    r.sample_rate,
                    r.bitrate,
                    r.language.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            shape,
            [
                ("audio", 2, 48_000, 128_000, Some("eng")),
                ("audio-2", 1, 48_000, 96_000, Some("de")),
                ("audio-3", 2, 44_100, 128_000, None),
            ]
        );
    }

    #[test]
    fn a_language_tag_cannot_break_out_of_a_playlist() {
        let made = renditions(
            &[track(2, 48_000, "en\",URI=\"x")],
            &LadderSettings::default(),
        )
        .unwrap();
        assert_eq!(made[0].language, None);
    }

    #[test]
    fn a_track_without_channels_is_refused() {
        assert_eq!(
            renditions(&[track(0, 48_000, "en")], &LadderSettings::default()),
            Err(PlanError::EmptyAudio { stream: 1 })
        );
    }
}
