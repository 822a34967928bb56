//! Which HTTP services are worth asking now.
//!
//! One that fails is left alone for a while, longer each time; one that sent wrong bytes for an
//! hour. Nothing is kept over a restart.

use std::collections::HashMap;
use std::time::Duration;

use cidcast_runtime::Backoff;
use tokio::time::Instant;

/// After a failure: soon at first, since one timeout says little; never longer than ten minutes,
/// since services come back.
const FAILED: Backoff = Backoff {
    first: Duration::from_secs(5),
    factor: 3,
    ceiling: Duration::from_secs(600),
    attempts: u32::MAX,
};
/// Wrong bytes are malice or a broken disk: neither is over in a minute.
const LIED: Duration = Duration::from_secs(3600);

/// How a service behaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It answered, if only to say that it has nothing.
    Answered,
    /// It did not answer, or with an error of its own.
    Failed,
    /// It sent bytes that are not what was asked for.
    Lied,
}

/// The standing of every service that has misbehaved.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    table: HashMap<String, Standing>,
}

#[derive(Debug)]
struct Standing {
    failures: u32,
    until: Instant,
}

impl Standings {
    /// Whether `service` may be asked at `now`.
    pub(crate) fn is_open(&self, service: &str, now: Instant) -> bool {
        self.table
            .get(service)
            .is_none_or(|standing| standing.until <= now)
    }

    /// Notes how `service` behaved at `now`.
    pub(crate) fn note(&mut self, service: &str, conduct: Conduct, now: Instant) {
        if conduct == Conduct::Answered {
            self.table.remove(service);
            return;
        }
        let standing = self
            .table
            .entry(service.to_owned())
            .or_insert_with(|| Standing {
                failures: 0,
                until: now,
            });
        standing.failures = standing.failures.saturating_add(1);
        let wait = match conduct {
            Conduct::Lied => LIED,
            Conduct::Failed | Conduct::Answered => {
                FAILED.delay(standing.failures).unwrap_or(FAILED.ceiling)
            }
        };
        standing.until = standing.until.max(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_close_a_service_for_longer_each_time_and_an_answer_opens_it() {
        let start = Instant::now();
        let mut standings = Standings::default();
        assert!(standings.is_open("a", start));
        standings.note("a", Conduct::Failed, start);
        assert!(!standings.is_open("a", start + Duration::from_secs(4)));
        assert!(standings.is_open("a", start + Duration::from_secs(5)));
        standings.note("a", Conduct::Failed, start + Duration::from_secs(5));
        assert!(!standings.is_open("a", start + Duration::from_secs(19)));
        assert!(standings.is_open("b", start));
        standings.note("a", Conduct::Answered, start + Duration::from_secs(20));
        assert!(standings.is_open("a", start + Duration::from_secs(20)));
    }

    #[test]
    fn a_liar_is_left_alone_for_an_hour_whatever_else_it_does() {
        let start = Instant::now();
        let mut standings = Standings::default();
        standings.note("a", Conduct::Lied, start);
        standings.note("a", Conduct::Failed, start);
        assert!(!standings.is_open("a", start + LIED - Duration::from_secs(1)));
        assert!(standings.is_open("a", start + LIED));
    }
}
