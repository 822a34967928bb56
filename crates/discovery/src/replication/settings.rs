//! What the operator decided about copies.

use std::time::Duration;

use cidcast_catalog::Fate;
use cidcast_runtime::Backoff;

use super::schedule::Schedule;
use crate::takedown::Obey;

/// What the operator decided about copies.
#[derive(Debug, Clone)]
pub struct ReplicationSettings {
    /// Bytes that all copies together may take.
    pub budget: u64,
    /// Transfers at a time.
    pub parallel: usize,
    /// How fast, by the time of day.
    pub schedule: Schedule,
    /// Whether transfers run from the start.
    pub start: Start,
    /// What becomes of copies of a refused publisher, unless a block says otherwise.
    pub fate: Fate,
    /// What becomes of a copy when its publisher retracts it.
    pub obey: Obey,
    /// When a transfer that failed is tried again.
    pub retry: Backoff,
    /// New bytes after which what has arrived of a copy is pinned, so that a kill does not lose it.
    pub checkpoint: u64,
    /// How long a publisher is promised that a copy stays; it is told again when half of it is
    /// over.
    pub promise: Duration,
}

/// Whether transfers run from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At once.
    Running,
    /// When the operator says so.
    Paused,
}

impl Default for ReplicationSettings {
    fn default() -> Self {
        Self {
            budget: 50 << 30,
            // One slow origin does not stop the others.
            parallel: 3,
            schedule: Schedule::default(),
            start: Start::Running,
            fate: Fate::Unindex,
            obey: Obey::Delete,
            // Ten times, over three weeks: an origin may be away for long.
            retry: Backoff {
                first: Duration::from_secs(60),
                factor: 3,
                ceiling: Duration::from_secs(5 * 24 * 3600),
                attempts: 10,
            },
            // A sync of the disk each: seldom enough not to matter, and seconds of a fast line.
            checkpoint: 32 << 20,
            promise: Duration::from_secs(14 * 24 * 3600),
        }
    }
}
