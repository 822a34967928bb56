//! How fast somebody may go: a bucket for each, which fills slowly and empties by one each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use cidcast_types::Timestamp;

/// How fast is too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// So many at once.
    pub(crate) burst: u32,
    /// And one more after each such span.
    pub(crate) every: Duration,
}

/// Buckets by who they are for. Whoever was not heard of for long enough to have a full one has
/// none; when there are too many, all are forgotten: a flood of strangers costs a burst each.
#[derive(Debug)]
pub(crate) struct Pace<K> {
    rate: Rate,
    most: usize,
    /// When each would be full again.
    full_at: HashMap<K, u64>,
}

impl<K: Eq + Hash> Pace<K> {
    pub(crate) fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            most,
            full_at: HashMap::new(),
        }
    }

    /// Whether `who` may go on now.
    pub(crate) fn has_room(&self, who: &K, now: Timestamp) -> bool {
        self.full_after(who, now.as_millis()).is_some()
    }

    /// The same; if so, it has.
    pub(crate) fn allows(&mut self, who: K, now: Timestamp) -> bool {
        let now = now.as_millis();
        if self.full_at.len() >= self.most && !self.full_at.contains_key(&who) {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= self.most {
                self.full_at.clear();
            }
        }
        let Some(next) = self.full_after(&who, now) else {
            return false;
        };
        self.full_at.insert(who, next);
        true
    }

    /// When the bucket would be full again after one more; none: there is no room for one.
    fn full_after(&self, who: &K, now: u64) -> Option<u64> {
        let every = u64::try_from(self.rate.every.as_millis()).unwrap_or(u64::MAX);
        let most = every.saturating_mul(u64::from(self.rate.burst));
        let full_at = self.full_at.get(who).copied().unwrap_or(0).max(now);
        let next = full_at.saturating_add(every);
        (next.saturating_sub(now) <= most).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let rate = Rate {
            burst: 3,
            every: Duration::from_millis(10),
        };
        let mut pace = Pace::new(rate, 10);
        let went = (0..9).filter(|_| pace.allows('a', at(100))).count();
        assert_eq!(went, 3);
        assert!(!pace.has_room(&'a', at(100)) && pace.has_room(&'b', at(100)));
        assert!(pace.allows('b', at(100)), "another one has its own");
        assert!(pace.allows('a', at(110)) && !pace.allows('a', at(110)));
        let went = (0..9).filter(|_| pace.allows('a', at(9_000))).count();
        assert_eq!(went, 3);
    }

    #[test]
    fn strangers_take_no_memory() {
        let rate = Rate {
            burst: 1,
            every: Duration::from_secs(9),
        };
        let mut pace = Pace::new(rate, 100);
        for n in 0..10_000 {
            pace.allows(n, at(n));
            assert!(pace.full_at.len() <= 100);
        }
    }
}
