//! The two impure things that ids and schedules need: what time it is, and chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cidcast_types::Timestamp;

/// Where the time of day comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The operating system's clock.
    #[default]
    System,
    /// A clock that a test moves.
    Manual(ManualClock),
}

impl Clock {
    /// Now, in milliseconds since the Unix epoch (0 if the system clock lies before it).
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Manual(clock) => Timestamp::from_millis(clock.millis.load(Ordering::SeqCst)),
        }
    }
}

/// A clock that stands still until it is told to move. Clones share one time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    millis: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self {
            millis: Arc::new(AtomicU64::new(start.as_millis())),
        }
    }

    /// Moves the time on by `span`.
    pub fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

/// 128 random bits from the operating system, for ids and temporary names.
///
/// If the system has no randomness to give, the bits come from the clock: ids stay unique enough
/// to work with, and nothing secret is ever made from them.
pub fn random_u128() -> u128 {
    let mut bytes = [0u8; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_le_bytes(bytes),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|d| d.as_nanos())
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_share_one_time() {
        let hand = ManualClock::at(Timestamp::from_millis(1_000));
        let clock = Clock::Manual(hand.clone());
        hand.advance(Duration::from_millis(500));
        assert_eq!(clock.now(), Timestamp::from_millis(1_500));
    }

    #[test]
    fn chance_does_not_repeat() {
        assert_ne!(random_u128(), random_u128());
    }
}
