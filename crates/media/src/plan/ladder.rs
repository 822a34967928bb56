//! Which picture sizes a source gets.

use cidcast_types::RenditionName;

use super::bitrates::max_bitrate;
use super::{LadderSettings, PlanError, VideoCodec, VideoRendition};
use crate::source::VideoTrack;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    width: u32,
    height: u32,
}

impl Size {
    fn short(self) -> u32 {
        self.width.min(self.height)
    }

    fn long(self) -> u32 {
        self.width.max(self.height)
    }

    /// The same orientation with other sides.
    fn with_sides(self, short: u32, long: u32) -> Self {
        if self.width < self.height {
            Self {
                width: short,
                height: long,
            }
        } else {
            Self {
                width: long,
                height: short,
            }
        }
    }
}

/// Best first.
pub(super) fn renditions(
    track: &VideoTrack,
    settings: &LadderSettings,
) -> Result<Vec<VideoRendition>, PlanError> {
    let (num, den) = (track.frame_rate.num, track.frame_rate.den);
    if num == 0 || den == 0 {
        return Err(PlanError::FrameRate { num, den });
    }
    let source = Size {
        width: track.width & !1,
        height: track.height & !1,
    };
    if source.short() < 2 {
        return Err(PlanError::PictureTooSmall {
            width: track.width,
            height: track.height,
        });
    }
    let too_narrow = || PlanError::PictureTooNarrow {
        width: track.width,
        height: track.height,
    };
    let top = top_size(source, settings).ok_or_else(too_narrow)?;
    let lower = lower_rungs(top.short(), settings)
        .into_iter()
        .map(|rung| top.with_sides(rung, even_share(top.long(), rung, top.short())));
    std::iter::once(top)
        .chain(lower)
        .map(|size| rendition(size, track, settings).ok_or_else(too_narrow))
        .collect()
}

/// `None` if the size makes no name, which none from 2 to 8192 does.
fn rendition(size: Size, track: &VideoTrack, settings: &LadderSettings) -> Option<VideoRendition> {
    let name: RenditionName = format!("{}p", size.short()).parse().ok()?;
    let max_bitrate = max_bitrate(size.width, size.height, track.frame_rate);
    Some(VideoRendition {
        name,
        codec: VideoCodec::H264,
        width: size.width,
        height: size.height,
        crf: settings.crf,
        max_bitrate,
        // Two seconds at the ceiling: room for a hard scene, little enough that no segment of
        // four seconds strays far above the ceiling.
        buffer_size: max_bitrate * 2,
        preset: settings.preset.clone(),
        frame_rate: track.frame_rate,
    })
}

/// The source's size, scaled down if a side is longer than allowed.
fn top_size(source: Size, settings: &LadderSettings) -> Option<Size> {
    let mut top = source;
    if top.short() > settings.max_short_side {
        let short = settings.max_short_side;
        top = top.with_sides(short, even_share(source.long(), short, source.short()));
    }
    if top.long() > settings.max_long_side {
        let long = settings.max_long_side;
        top = top.with_sides(even_share(source.short(), long, source.long()), long);
    }
    (top.short() >= 2).then_some(top)
}

/// `side * numerator / denominator`, rounded to the nearest even number. At most `side` if the
/// fraction is at most 1 and `side` is even.
fn even_share(side: u32, numerator: u32, denominator: u32) -> u32 {
    let doubled = 2 * u64::from(denominator.max(1));
    let halves = (u64::from(side) * u64::from(numerator) + doubled / 2) / doubled;
    u32::try_from(halves * 2).unwrap_or(side)
}

/// Rungs below the top, longest first, as many as the settings allow.
fn lower_rungs(top: u32, settings: &LadderSettings) -> Vec<u32> {
    let mut rungs: Vec<u32> = settings
        .rungs
        .iter()
        .copied()
        // A rung closer to the top than 5/6 would cost an encode and save hardly any bits.
        .filter(|&rung| {
            rung >= settings.min_short_side && u64::from(rung) * 6 <= u64::from(top) * 5
        })
        .collect();
    rungs.sort_unstable_by(|a, b| b.cmp(a));
    rungs.dedup();
    let wanted = usize::try_from(settings.max_renditions.saturating_sub(1)).unwrap_or(usize::MAX);
    spread(&rungs, wanted)
}

/// `wanted` of `rungs` at even distances, the first and the last among them.
fn spread(rungs: &[u32], wanted: usize) -> Vec<u32> {
    if rungs.len() <= wanted {
        return rungs.to_vec();
    }
    match wanted {
        0 => Vec::new(),
        1 => rungs.get(rungs.len() / 2).copied().into_iter().collect(),
        _ => (0..wanted)
            .filter_map(|n| rungs.get(n * (rungs.len() - 1) / (wanted - 1)).copied())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use cidcast_types::Micros;
    use proptest::prelude::*;

    use super::*;
    use crate::source::Rational;

    fn track(width: u32, height: u32) -> VideoTrack {
        VideoTrack {
            stream: 0,
            codec: "h264".to_owned(),
            width,
            height,
            frame_rate: Rational { num: 25, den: 1 },
            variable_frame_rate: false,
            pixel_format: "yuv420p".to_owned(),
            bitrate: None,
            start: Micros::ZERO,
            duration: None,
        }
    }

    fn ladder(width: u32, height: u32, settings: &LadderSettings) -> Vec<String> {
        renditions(&track(width, height), settings)
            .unwrap()
            .iter()
            .map(|r| format!("{} {}x{}", r.name, r.width, r.height))
            .collect()
    }

    #[test]
    fn the_source_size_is_the_top_rung_and_smaller_ones_follow() {
        let settings = LadderSettings::default();
        let cases: [(u32, u32, &[&str]); 9] = [
            (
                1920,
                1080,
                &[
                    "1080p 1920x1080",
                    "720p 1280x720",
                    "480p 854x480",
                    "360p 640x360",
                ],
            ),
            (
                1280,
                720,
                &["720p 1280x720", "480p 854x480", "360p 640x360"],
            ),
            (
                720,
                1280,
                &["720p 720x1280", "480p 480x854", "360p 360x640"],
            ),
            (
                3840,
                2160,
                &[
                    "1080p 1920x1080",
                    "720p 1280x720",
                    "480p 854x480",
                    "360p 640x360",
                ],
            ),
            (853, 481, &["480p 852x480", "360p 640x360"]),
            (720, 576, &["576p 720x576", "480p 600x480", "360p 450x360"]),
            (426, 240, &["240p 426x240"]),
            (10_000, 1_000, &["410p 4096x410"]),
            (2, 2, &["2p 2x2"]),
        ];
        for (width, height, expected) in cases {
            assert_eq!(
                ladder(width, height, &settings),
                expected,
                "{width}x{height}"
            );
        }
    }

    #[test]
    fn fewer_renditions_are_spread_over_the_ladder() {
        let settings = LadderSettings {
            max_short_side: 2160,
            ..LadderSettings::default()
        };
        assert_eq!(
            ladder(3840, 2160, &settings),
            [
                "2160p 3840x2160",
                "1440p 2560x1440",
                "720p 1280x720",
                "360p 640x360"
            ]
        );
        let one = LadderSettings {
            max_renditions: 1,
            ..LadderSettings::default()
        };
        assert_eq!(ladder(1920, 1080, &one), ["1080p 1920x1080"]);
        let two = LadderSettings {
            max_renditions: 2,
            ..LadderSettings::default()
        };
        assert_eq!(
            ladder(1920, 1080, &two),
            ["1080p 1920x1080", "480p 854x480"]
        );
    }

    #[test]
    fn a_picture_that_cannot_be_scaled_is_refused() {
        let settings = LadderSettings::default();
        assert_eq!(
            renditions(&track(1, 100), &settings),
            Err(PlanError::PictureTooSmall {
                width: 1,
                height: 100
            })
        );
        assert_eq!(
            renditions(&track(60_000, 2), &settings),
            Err(PlanError::PictureTooNarrow {
                width: 60_000,
                height: 2
            })
        );
    }

    proptest! {
        #[test]
        fn no_rendition_is_larger_than_the_source_or_odd(
            width in 2u32..16_000, height in 2u32..16_000, max in 1u32..=16,
        ) {
            let settings = LadderSettings { max_renditions: max, ..LadderSettings::default() };
            let made = match renditions(&track(width, height), &settings) {
                Ok(made) => made,
                Err(PlanError::PictureTooNarrow { .. }) => return Ok(()),
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            prop_assert!(!made.is_empty() && made.len() <= max as usize);
            for r in &made {
                prop_assert!(r.width % 2 == 0 && r.height % 2 == 0, "{r:?}");
                prop_assert!((2..=width).contains(&r.width) && (2..=height).contains(&r.height));
                prop_assert!(r.width.min(r.height) <= 1080 && r.width.max(r.height) <= 4096);
                prop_assert!(r.max_bitrate > 0 && r.buffer_size >= r.max_bitrate);
            }
            for pair in made.windows(2) {
                let short = |r: &VideoRendition| r.width.min(r.height);
                prop_assert!(short(&pair[0]) > short(&pair[1]));
                prop_assert!(pair[0].max_bitrate >= pair[1].max_bitrate);
            }
        }
    }
}
