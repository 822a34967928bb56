//! What an operator may change about the ladder and the units of work.

use std::fmt::Display;
use std::ops::RangeInclusive;

use cidcast_types::Micros;

/// How a ladder is built. Every field changes output bytes, so a change gives new plan keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderSettings {
    /// Shorter sides of renditions, in pixels. The source's own size joins them on top.
    pub rungs: Vec<u32>,
    /// A source whose shorter side is longer is scaled down to this. Default 1080.
    pub max_short_side: u32,
    /// No side is longer, in pixels: many hardware decoders end at 4096. Default 4096.
    pub max_long_side: u32,
    /// Below this, only a source that is itself smaller gets a rendition. Default 360.
    pub min_short_side: u32,
    /// At most this many picture renditions, at least 1. Default 4.
    pub max_renditions: u32,
    /// x264 constant quality, 0 to 51. Default 23.
    pub crf: u32,
    /// x264 preset. Default `veryfast`.
    pub preset: String,
    /// What a segment should last, 1 to 10 s. Default 4 s.
    pub segment: Micros,
    /// Segments in the first chunk: few, so that playback starts early. Default 1.
    pub first_chunk_segments: u32,
    /// What the other chunks should last at most, give or take a segment. Default 30 s.
    pub chunk: Micros,
    /// Bits per second of mono sound. Default 96,000.
    pub mono_bitrate: u64,
    /// Bits per second of stereo sound. Default 128,000.
    pub stereo_bitrate: u64,
    /// At most this many sound renditions; further tracks are left out. Default 8.
    pub max_audio_tracks: u32,
}

impl Default for LadderSettings {
    fn default() -> Self {
        Self {
            rungs: vec![2160, 1440, 1080, 720, 480, 360, 240],
            max_short_side: 1080,
            max_long_side: 4096,
            min_short_side: 360,
            max_renditions: 4,
            crf: 23,
            preset: "veryfast".to_owned(),
            segment: Micros::from_secs(4),
            first_chunk_segments: 1,
            chunk: Micros::from_secs(30),
            mono_bitrate: 96_000,
            stereo_bitrate: 128_000,
            max_audio_tracks: 8,
        }
    }
}

/// A setting is outside of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is `{value}`: use {allowed}")]
pub struct SettingsError {
    /// Name of the field.
    pub setting: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl LadderSettings {
    /// Whether every value is in its range; `Plan::new` checks it too.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Every value that is out of its range.
    pub fn problems(&self) -> Vec<SettingsError> {
        let seconds = |most| Micros::from_secs(1)..=Micros::from_secs(most);
        let bits = 16_000..=512_000;
        let allowed = "16000 to 512000 bits per second";
        let checks = [
            side("max_short_side", self.max_short_side),
            side("max_long_side", self.max_long_side),
            within("max_renditions", self.max_renditions, 1..=16, "1 to 16"),
            preset(&self.preset),
            within("crf", self.crf, 0..=51, "0 to 51"),
            within("segment", self.segment, seconds(10), "1 to 10 s"),
            within("chunk", self.chunk, seconds(600), "1 to 600 s"),
            within(
                "first_chunk_segments",
                self.first_chunk_segments,
                1..=16,
                "1 to 16",
            ),
            within("mono_bitrate", self.mono_bitrate, bits.clone(), allowed),
            within("stereo_bitrate", self.stereo_bitrate, bits, allowed),
            within("max_audio_tracks", self.max_audio_tracks, 1..=32, "1 to 32"),
        ];
        let rungs = self.rungs.iter().map(|&rung| side("rungs", rung));
        rungs.chain(checks).filter_map(Result::err).collect()
    }
}

/// `-preset` of x264, fastest first.
const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

impl SettingsError {
    fn of(setting: &'static str, value: &impl ToString, allowed: &'static str) -> Self {
        Self {
            setting,
            value: value.to_string(),
            allowed,
        }
    }
}

fn preset(value: &str) -> Result<(), SettingsError> {
    if PRESETS.contains(&value) {
        Ok(())
    } else {
        let allowed = "a preset of x264, such as veryfast or medium";
        Err(SettingsError::of("preset", &value, allowed))
    }
}

fn side(setting: &'static str, value: u32) -> Result<(), SettingsError> {
    let allowed = "an even number of pixels from 16 to 8192";
    within(setting, value, 16..=8192, allowed)?;
    // 4:2:0 pictures have half as many colour samples in each direction.
    if value.is_multiple_of(2) {
        Ok(())
    } else {
        Err(SettingsError::of(setting, &value, allowed))
    }
}

fn within<T: PartialOrd + Display + Copy>(
    setting: &'static str,
    value: T,
    range: RangeInclusive<T>,
    allowed: &'static str,
) -> Result<(), SettingsError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(SettingsError::of(setting, &value, allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(LadderSettings::default().check(), Ok(()));
    }

    #[test]
    fn a_preset_that_x264_does_not_know_is_refused() {
        let settings = LadderSettings {
            preset: "quick -y /".to_owned(),
            ..LadderSettings::default()
        };
        assert_eq!(settings.check().unwrap_err().setting, "preset");
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let settings = LadderSettings {
            segment: Micros(0),
            ..LadderSettings::default()
        };
        assert_eq!(settings.check().unwrap_err().setting, "segment");
        let settings = LadderSettings {
            rungs: vec![720, 481],
            ..LadderSettings::default()
        };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "`rungs` is `481`: use an even number of pixels from 16 to 8192"
        );
    }
}
