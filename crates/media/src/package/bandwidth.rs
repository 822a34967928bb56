//! Measured bit rates of a track (RFC 8216bis, "segment bit rate").

use super::{SegmentMeta, Track, TrackKind};

/// Segments in a row that are measured together, at most. Ours last seconds, so three reach
/// 1.5 target durations; the bound keeps a list of segments without duration from costing n².
const LONGEST_ROW: usize = 64;

/// Bit rates of a track, in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// The largest over any row of segments that lasts 0.5 to 1.5 target durations.
    pub peak: u64,
    /// All bytes over the whole duration.
    pub average: u64,
}

impl Bandwidth {
    /// Measures a track. Before its first segment is written, what was planned has to do.
    pub fn of(track: &Track) -> Self {
        let timescale = track.init.timescale;
        let bytes = track
            .segments
            .iter()
            .fold(0u64, |sum, s| sum.saturating_add(s.bytes));
        match bits_per_second(bytes, track.ticks(), timescale) {
            None => {
                let planned = match &track.kind {
                    TrackKind::Video(rendition) => rendition.max_bitrate,
                    TrackKind::Audio(rendition) => rendition.bitrate,
                };
                Self {
                    peak: planned,
                    average: planned,
                }
            }
            Some(average) => {
                let target = target_seconds(&track.segments, timescale);
                let peak = peak(&track.segments, timescale, target).unwrap_or(average);
                Self {
                    peak: peak.max(average),
                    average,
                }
            }
        }
    }
}

/// Rounded up; `None` if nothing lasts any time.
fn bits_per_second(bytes: u64, ticks: u64, timescale: u32) -> Option<u64> {
    let bits = u128::from(bytes) * 8 * u128::from(timescale);
    (ticks > 0).then(|| u64::try_from(bits.div_ceil(u128::from(ticks))).unwrap_or(u64::MAX))
}

/// The longest segment in seconds, rounded to the nearest, at least 1: `EXT-X-TARGETDURATION`.
pub(crate) fn target_seconds(segments: &[SegmentMeta], timescale: u32) -> u64 {
    let longest = segments
        .iter()
        .map(|segment| segment.duration)
        .max()
        .unwrap_or(0);
    let scale = u64::from(timescale.max(1));
    (longest.saturating_add(scale / 2) / scale).max(1)
}

fn peak(segments: &[SegmentMeta], timescale: u32, target: u64) -> Option<u64> {
    // In halves of a tick, so that nothing is rounded.
    let target = target.saturating_mul(u64::from(timescale));
    let (shortest, longest) = (target, target.saturating_mul(3));
    let mut peak = None;
    for first in 0..segments.len() {
        let (mut bytes, mut ticks) = (0u64, 0u64);
        for segment in segments.iter().skip(first).take(LONGEST_ROW) {
            bytes = bytes.saturating_add(segment.bytes);
            ticks = ticks.saturating_add(segment.duration);
            let halves = ticks.saturating_mul(2);
            if halves > longest {
                break;
            }
            if halves >= shortest {
                peak = peak.max(bits_per_second(bytes, ticks, timescale));
            }
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(list: &[(u64, u64)]) -> Vec<SegmentMeta> {
        list.iter()
            .map(|&(duration, bytes)| SegmentMeta { duration, bytes })
            .collect()
    }

    #[test]
    fn the_peak_is_that_of_the_worst_row_of_segments() {
        // 4 s each, then a last one that is too short to count alone.
        let list = segments(&[(4000, 1_000), (4000, 3_000), (4000, 2_000), (500, 4_000)]);
        let target = target_seconds(&list, 1000);
        assert_eq!(target, 4);
        // 2,000 and 4,000 bytes in 4.5 s beat 3,000 bytes in 4 s.
        assert_eq!(peak(&list, 1000, target), Some(6_000 * 8 * 10 / 45 + 1));
        assert_eq!(peak(&list[..3], 1000, target), Some(6_000));
    }

    #[test]
    fn the_target_duration_is_the_longest_segment_rounded() {
        assert_eq!(target_seconds(&segments(&[(4004, 1), (1000, 1)]), 1000), 4);
        assert_eq!(target_seconds(&segments(&[(4500, 1)]), 1000), 5);
        assert_eq!(target_seconds(&segments(&[(40, 1)]), 1000), 1);
        assert_eq!(target_seconds(&[], 1000), 1);
    }

    #[test]
    fn segments_without_duration_have_no_bit_rate() {
        let list = segments(&[(0, 5), (0, 5)]);
        assert_eq!(bits_per_second(10, 0, 1000), None);
        assert_eq!(peak(&list, 1000, 1), None);
    }
}
