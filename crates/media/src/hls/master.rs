//! Writing the multivariant playlist.

use std::fmt::Write;

use super::VERSION;
use crate::layout;
use crate::package::{Bandwidth, Presentation, Track};
use crate::plan::{AudioRendition, VideoRendition};
use crate::source::Rational;

/// The one group that holds all sound.
const GROUP: &str = "audio";

/// Writes `master.m3u8` with URIs relative to the package's root.
///
/// Every number is measured: `BANDWIDTH` is the sum of the peaks of the pictures and of the
/// costliest sound that can go with them.
pub fn master(presentation: &Presentation) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let audio: Vec<_> = presentation.audio().collect();
    if presentation.video().next().is_none() {
        audio_only(&mut text, &audio);
        return text;
    }
    for (position, (track, rendition)) in audio.iter().enumerate() {
        let uri = layout::playlist(track.branch(), track.name());
        let tag = media_tag(position, rendition, &audio);
        line(&mut text, format_args!("{tag},URI=\"{uri}\""));
    }
    let sound = Sound::of(&audio);
    for (track, rendition) in presentation.video() {
        variant(&mut text, track, rendition, &sound);
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = writeln!(text, "{content}");
}

/// What the sound adds to every variant.
struct Sound {
    codecs: Vec<String>,
    bandwidth: Bandwidth,
}

impl Sound {
    fn of(audio: &[(&Track, &AudioRendition)]) -> Self {
        let mut sound = Self {
            codecs: Vec::new(),
            bandwidth: Bandwidth {
                peak: 0,
                average: 0,
            },
        };
        for (track, _) in audio {
            if !sound.codecs.contains(&track.init.codec) {
                sound.codecs.push(track.init.codec.clone());
            }
            let bandwidth = Bandwidth::of(track);
            sound.bandwidth.peak = sound.bandwidth.peak.max(bandwidth.peak);
            sound.bandwidth.average = sound.bandwidth.average.max(bandwidth.average);
        }
        sound
    }
}

fn variant(text: &mut String, track: &Track, rendition: &VideoRendition, sound: &Sound) {
    let own = Bandwidth::of(track);
    let peak = own.peak.saturating_add(sound.bandwidth.peak);
    let average = own.average.saturating_add(sound.bandwidth.average);
    let codecs: Vec<&str> = std::iter::once(&track.init.codec)
        .chain(&sound.codecs)
        .map(String::as_str)
        .collect();
    let codecs = codecs.join(",");
    let (width, height) = (rendition.width, rendition.height);
    let rate = frame_rate(rendition.frame_rate);
    let group = if sound.codecs.is_empty() {
        String::new()
    } else {
        format!(",AUDIO=\"{GROUP}\"")
    };
    line(
        text,
        format_args!(
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",\
             RESOLUTION={width}x{height},FRAME-RATE={rate}{group}"
        ),
    );
    line(
        text,
        format_args!("{}", layout::playlist(track.branch(), track.name())),
    );
}

/// One variant that is the default sound; further sound goes into a group beside it.
fn audio_only(text: &mut String, audio: &[(&Track, &AudioRendition)]) {
    let Some((first, _)) = audio.first() else {
        return;
    };
    let mut group = String::new();
    if audio.len() > 1 {
        group = format!(",AUDIO=\"{GROUP}\"");
        for (position, (track, rendition)) in audio.iter().enumerate() {
            let tag = media_tag(position, rendition, audio);
            // The default is the variant itself, which RFC 8216bis says by leaving out the URI.
            if position == 0 {
                line(text, format_args!("{tag}"));
            } else {
                let uri = layout::playlist(track.branch(), track.name());
                line(text, format_args!("{tag},URI=\"{uri}\""));
            }
        }
    }
    let sound = Sound::of(audio);
    let Bandwidth { peak, average } = sound.bandwidth;
    let codecs = sound.codecs.join(",");
    line(
        text,
        format_args!(
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},\
             CODECS=\"{codecs}\"{group}"
        ),
    );
    line(
        text,
        format_args!("{}", layout::playlist(first.branch(), first.name())),
    );
}

fn media_tag(
    position: usize,
    rendition: &AudioRendition,
    audio: &[(&Track, &AudioRendition)],
) -> String {
    let default = if position == 0 { "YES" } else { "NO" };
    let language = match &rendition.language {
        Some(language) => format!("LANGUAGE=\"{language}\","),
        None => String::new(),
    };
    let name = display_name(rendition, audio);
    let channels = rendition.channels;
    format!(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{GROUP}\",NAME=\"{name}\",{language}\
         DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"{channels}\""
    )
}

/// What a player's menu shows: the language if it tells the tracks apart.
fn display_name(rendition: &AudioRendition, audio: &[(&Track, &AudioRendition)]) -> String {
    let same = |other: &&(&Track, &AudioRendition)| other.1.language == rendition.language;
    match &rendition.language {
        Some(language) if audio.iter().filter(same).count() == 1 => language.clone(),
        Some(language) => format!("{language} ({})", rendition.name),
        None => rendition.name.to_string(),
    }
}

/// Frames per second with three decimals, rounded to the nearest.
fn frame_rate(rate: Rational) -> String {
    let den = u64::from(rate.den.max(1));
    let milli = (u64::from(rate.num) * 1_000 + den / 2) / den;
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_rate_has_three_decimals() {
        assert_eq!(
            frame_rate(Rational {
                num: 30_000,
                den: 1_001
            }),
            "29.970"
        );
        assert_eq!(
            frame_rate(Rational {
                num: 24_000,
                den: 1_001
            }),
            "23.976"
        );
        assert_eq!(frame_rate(Rational { num: 25, den: 1 }), "25.000");
    }
}
