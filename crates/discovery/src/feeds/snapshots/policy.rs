//! When a snapshot pays. Pure.

use cidcast_catalog::SnapshotGain;

/// A snapshot must save a newcomer at least half of what it has to fetch.
const LEAST_RATIO: u64 = 2;
/// How much longer a feed must have become before it is looked at again: this part of `every`.
const AGAIN: u64 = 4;

/// Whether it is time to see how large a snapshot of the own feed would be: `every` announcements
/// since the last one. `looked_at`: how many there were when one did not pay.
pub(super) fn is_due(gain: &SnapshotGain, every: u64, looked_at: Option<u64>) -> bool {
    let every = every.max(1);
    let next = looked_at.map_or(0, |count| count.saturating_add(every.div_ceil(AGAIN)));
    gain.announcements >= every.max(next)
}

/// Whether a snapshot of so many bytes is worth being announced.
pub(super) fn pays(gain: &SnapshotGain, bytes: u64) -> bool {
    gain.bytes >= bytes.saturating_mul(LEAST_RATIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(announcements: u64, bytes: u64) -> SnapshotGain {
        SnapshotGain {
            announcements,
            bytes,
        }
    }

    #[test]
    fn a_snapshot_is_made_when_enough_was_announced_and_half_of_it_is_past() {
        assert!(!is_due(&gain(999, 1 << 20), 1_000, None));
        assert!(is_due(&gain(1_000, 1 << 20), 1_000, None));
        assert!(pays(&gain(1_000, 200), 100));
        assert!(!pays(&gain(1_000, 199), 100));
    }

    #[test]
    fn what_does_not_pay_is_not_looked_at_with_every_announcement() {
        assert!(!is_due(&gain(1_001, 0), 1_000, Some(1_000)));
        assert!(!is_due(&gain(1_249, 0), 1_000, Some(1_000)));
        assert!(is_due(&gain(1_250, 0), 1_000, Some(1_000)));
        // After the next snapshot counting begins anew.
        assert!(is_due(&gain(1_000, 0), 1_000, None));
        assert!(!is_due(&gain(0, 0), 0, None), "nothing is no snapshot");
    }
}
