//! A hybrid logical clock: order that follows causes, and time where clocks agree.

use cidcast_types::Timestamp;

/// When an entry was made, for the order of entries of all members: by `wall`, then by `count`.
///
/// A member's next stamp is later than every stamp that it has seen, so that what it says after it
/// has seen something wins, whatever the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The largest clock reading that had been seen.
    pub wall: Timestamp,
    /// Tells apart what has the same reading.
    pub count: u32,
}

impl Stamp {
    /// Before every other.
    pub const ZERO: Self = Self {
        wall: Timestamp::from_millis(0),
        count: 0,
    };

    /// The next stamp of somebody whose clock says `now` and who has seen `self`.
    pub fn next(self, now: Timestamp) -> Self {
        if now > self.wall {
            return Self {
                wall: now,
                count: 0,
            };
        }
        match self.count.checked_add(1) {
            Some(count) => Self { count, ..self },
            None => Self {
                wall: Timestamp::from_millis(self.wall.as_millis().saturating_add(1)),
                count: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_next_stamp_is_later_whatever_the_clock_says() {
        let seen = Stamp {
            wall: at(1000),
            count: 7,
        };
        for now in [0, 999, 1000, 1001, 5000] {
            assert!(seen.next(at(now)) > seen, "{now}");
        }
        assert_eq!(seen.next(at(1001)).count, 0);
        let last = Stamp {
            count: u32::MAX,
            ..seen
        };
        assert!(last.next(at(5)) > last);
    }
}
