//! When to try again, and when to stop trying.

use std::time::Duration;

/// A retry schedule: the first wait, multiplied after every failure, up to a ceiling, a fixed
/// number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub first: Duration,
    /// Each wait is this many times the one before.
    pub factor: u32,
    /// No wait is longer than this.
    pub ceiling: Duration,
    /// How many retries there are.
    pub attempts: u32,
}

impl Backoff {
    /// How long to wait after failure number `failures` (1 = the first); `None`: give up.
    pub fn delay(&self, failures: u32) -> Option<Duration> {
        let retry = failures.checked_sub(1)?;
        (retry < self.attempts).then(|| {
            let times = self.factor.checked_pow(retry).unwrap_or(u32::MAX);
            self.first
                .checked_mul(times)
                .unwrap_or(self.ceiling)
                .min(self.ceiling)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_to_the_ceiling_and_then_end() {
        let backoff = Backoff {
            first: Duration::from_secs(2),
            factor: 3,
            ceiling: Duration::from_secs(60),
            attempts: 5,
        };
        let waits: Vec<_> = (1..=6)
            .map(|n| backoff.delay(n).map(|d| d.as_secs()))
            .collect();
        assert_eq!(
            waits,
            [Some(2), Some(6), Some(18), Some(54), Some(60), None]
        );
    }

    proptest! {
        #[test]
        fn no_schedule_overflows(first: u32, factor: u32, attempts in 0u32..200, n: u32) {
            let backoff = Backoff {
                first: Duration::from_millis(first.into()),
                factor,
                ceiling: Duration::from_secs(3600),
                attempts,
            };
            if let Some(wait) = backoff.delay(n) {
                prop_assert!(wait <= backoff.ceiling && n <= attempts);
            }
        }
    }
}
