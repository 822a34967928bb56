//! Where segments begin, and which of them are encoded together.

use cidcast_types::Micros;

use super::{ChunkSpan, LadderSettings, PlanError, SegmentRule};
use crate::layout::MAX_SEGMENTS;
use crate::source::{Rational, VideoTrack};

const MICROS: u128 = 1_000_000;

/// A stated rate outside of 1/100 to 1000 frames per second is a container's guess, not a rate.
fn is_plausible(rate: Rational) -> bool {
    let (num, den) = (u64::from(rate.num), u64::from(rate.den));
    num <= den * 1_000 && num * 100 >= den
}

pub(super) fn segment_rule(track: &VideoTrack, settings: &LadderSettings) -> SegmentRule {
    let rate = track.frame_rate;
    if track.variable_frame_rate || !is_plausible(rate) {
        return SegmentRule::of_time(settings.segment);
    }
    let frames = frames_in(settings.segment, rate).max(1);
    SegmentRule {
        duration: time_of(2 * u128::from(frames), rate),
        frames: Some(u32::try_from(frames).unwrap_or(u32::MAX)),
    }
}

/// How many frames `span` holds, to the nearest.
fn frames_in(span: Micros, rate: Rational) -> u64 {
    let unit = u128::from(rate.den.max(1)) * MICROS;
    let frames = (u128::from(span.0) * u128::from(rate.num) + unit / 2) / unit;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// How long `half_frames` halves of a frame last, rounded down.
fn time_of(half_frames: u128, rate: Rational) -> Micros {
    let time = half_frames * u128::from(rate.den) * MICROS / (2 * u128::from(rate.num.max(1)));
    Micros(u64::try_from(time).unwrap_or(u64::MAX))
}

/// Threads of one encoder. With more than one, x264 under a bit rate ceiling does not always give
/// the same bytes again (6 of 60 runs differed on a busy machine, with frame or slice threads);
/// chunks run side by side instead.
const ENCODER_THREADS: u32 = 1;

/// Cuts the picture track into units of work.
///
/// The first one is short, so that something plays soon. The others are as long as they may be, and
/// get shorter towards the end, so that workers end together however unequal the pictures are.
pub(super) fn spans(
    track: &VideoTrack,
    whole: Micros,
    rule: &SegmentRule,
    settings: &LadderSettings,
) -> Result<Vec<ChunkSpan>, PlanError> {
    let total = segment_count(track, whole, rule)?;
    let lengths = chunk_lengths(total, rule, settings);
    let mut spans = Vec::new();
    let mut first_segment = 0;
    for (index, segments) in (0u32..).zip(lengths) {
        let next = first_segment + segments;
        spans.push(ChunkSpan {
            index,
            first_segment,
            segments,
            start: if index == 0 {
                Micros::ZERO
            } else {
                cut_before(first_segment, track, rule)
            },
            end: (next < total).then(|| cut_before(next, track, rule)),
            threads: ENCODER_THREADS,
        });
        first_segment = next;
    }
    Ok(spans)
}

fn segment_count(track: &VideoTrack, whole: Micros, rule: &SegmentRule) -> Result<u32, PlanError> {
    let length = track.duration.unwrap_or_else(|| whole.since(track.start));
    let count = match rule.frames {
        Some(frames) => frames_in(length, track.frame_rate).div_ceil(u64::from(frames.max(1))),
        None => length.0.div_ceil(rule.duration.0.max(1)),
    };
    u32::try_from(count.max(1))
        .ok()
        .filter(|&count| count <= MAX_SEGMENTS)
        .ok_or(PlanError::TooLong {
            max_segments: MAX_SEGMENTS,
        })
}

/// A chunk takes at most one part of so many of what is left. What one worker does alone at the
/// end is then short, whether there are two or four.
const PARTS: u32 = 3;
/// A chunk of fewer segments costs a process and a seek for little work; the last one may.
const FEWEST: u32 = 2;

/// Segments per chunk.
fn chunk_lengths(total: u32, rule: &SegmentRule, settings: &LadderSettings) -> Vec<u32> {
    let segment = rule.duration.0.max(1);
    let longest = u32::try_from((settings.chunk.0 + segment / 2) / segment).unwrap_or(u32::MAX);
    let mut lengths = vec![settings.first_chunk_segments.min(total)];
    let mut rest = total - settings.first_chunk_segments.min(total);
    while rest > 0 {
        let length = rest
            .div_ceil(PARTS)
            .max(FEWEST)
            .min(longest.max(1))
            .min(rest);
        lengths.push(length);
        rest -= length;
    }
    lengths
}

/// The cut point that lies before the first frame of segment `segment`.
fn cut_before(segment: u32, track: &VideoTrack, rule: &SegmentRule) -> Micros {
    let offset = match rule.frames {
        Some(frames) => {
            let frame = u128::from(segment) * u128::from(frames);
            time_of((2 * frame).saturating_sub(1), track.frame_rate)
        }
        None => Micros(rule.duration.0.saturating_mul(u64::from(segment))),
    };
    Micros(track.start.0.saturating_add(offset.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(num: u32, den: u32) -> VideoTrack {
        VideoTrack {
            stream: 0,
            codec: "h264".to_owned(),
            width: 1280,
            height: 720,
            frame_rate: Rational { num, den },
            variable_frame_rate: false,
            pixel_format: "yuv420p".to_owned(),
            bitrate: None,
            start: Micros::ZERO,
            duration: None,
        }
    }

    fn plan(track: &VideoTrack, seconds: u64) -> (SegmentRule, Vec<ChunkSpan>) {
        let settings = LadderSettings::default();
        let rule = segment_rule(track, &settings);
        let spans = spans(track, Micros::from_secs(seconds), &rule, &settings).unwrap();
        (rule, spans)
    }

    #[test]
    fn a_segment_is_a_whole_number_of_frames() {
        let cases = [
            (30_000, 1_001, 120, 4_004_000),
            (24_000, 1_001, 96, 4_004_000),
            (25, 1, 100, 4_000_000),
            (60, 1, 240, 4_000_000),
            (25, 2, 50, 4_000_000),
            (1, 10, 1, 10_000_000),
        ];
        for (num, den, frames, micros) in cases {
            let rule = segment_rule(&track(num, den), &LadderSettings::default());
            assert_eq!(
                rule,
                SegmentRule {
                    frames: Some(frames),
                    duration: Micros(micros)
                }
            );
        }
    }

    #[test]
    fn an_implausible_or_variable_rate_is_cut_by_time() {
        let by_time = SegmentRule {
            frames: None,
            duration: Micros::from_secs(4),
        };
        let settings = LadderSettings::default();
        assert_eq!(segment_rule(&track(90_000, 1), &settings), by_time);
        let variable = VideoTrack {
            variable_frame_rate: true,
            ..track(30, 1)
        };
        assert_eq!(segment_rule(&variable, &settings), by_time);
        let (_, spans) = plan(&variable, 20);
        assert_eq!(spans[1].start, Micros::from_secs(4));
    }

    #[test]
    fn cut_points_lie_half_a_frame_before_the_boundary() {
        let (_, spans) = plan(&track(25, 1), 55);
        assert_eq!(spans[0].start, Micros::ZERO);
        assert_eq!(spans[0].end, Some(Micros(3_980_000)));
        assert_eq!(spans[1].start, Micros(3_980_000));
        assert_eq!(spans.last().unwrap().end, None);
        let late = VideoTrack {
            start: Micros(21_000),
            ..track(25, 1)
        };
        assert_eq!(plan(&late, 55).1[1].start, Micros(4_001_000));
    }

    #[test]
    fn after_a_short_first_chunk_they_are_long_and_get_shorter_towards_the_end() {
        let lengths = |seconds| -> Vec<u32> {
            plan(&track(25, 1), seconds)
                .1
                .iter()
                .map(|span| span.segments)
                .collect()
        };
        assert_eq!(lengths(3), [1]);
        assert_eq!(lengths(8), [1, 1]);
        assert_eq!(lengths(20), [1, 2, 2]);
        assert_eq!(lengths(55), [1, 5, 3, 2, 2, 1]);
        let long = lengths(600);
        assert_eq!(long.iter().sum::<u32>(), 150);
        assert!(long[1..14].iter().all(|&n| n == 8));
        assert!(long[1..].is_sorted_by(|a, b| a >= b));
        assert!(*long.last().unwrap() <= 2);
    }

    #[test]
    fn the_length_of_the_picture_track_counts_not_that_of_the_sound() {
        let short = VideoTrack {
            duration: Some(Micros::from_secs(10)),
            ..track(25, 1)
        };
        let (_, spans) = plan(&short, 600);
        assert_eq!(spans.iter().map(|span| span.segments).sum::<u32>(), 3);
    }

    #[test]
    fn a_track_beyond_the_largest_package_is_refused() {
        let settings = LadderSettings::default();
        let track = track(25, 1);
        let rule = segment_rule(&track, &settings);
        assert_eq!(
            spans(&track, Micros::from_secs(4 * 200_000), &rule, &settings),
            Err(PlanError::TooLong {
                max_segments: MAX_SEGMENTS
            })
        );
    }
}
