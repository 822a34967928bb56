//! What an operator chooses.

use std::time::Duration;

/// Times and bounds of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats. Default 5 s.
    pub heartbeat: Duration,
    /// A member that is silent for so long is no longer counted on. Default 30 s.
    pub deadline: Duration,
    /// For how long after that its copies are not made anew: a restart is no loss. Default 5 min.
    pub grace: Duration,
    /// For how long a surplus copy is kept after the others have theirs. Default 10 min.
    pub trim_delay: Duration,
    /// Between two challenges that this member sends. Default 1 min.
    pub audit_interval: Duration,
    /// Roots that are fetched at a time. Default 4.
    pub parallel_pins: usize,
    /// Bytes that stay free: below, nothing new is taken. Default 1 GiB.
    pub reserve: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
            grace: Duration::from_secs(5 * 60),
            trim_delay: Duration::from_secs(10 * 60),
            audit_interval: Duration::from_secs(60),
            parallel_pins: 4,
            reserve: 1 << 30,
        }
    }
}
