//! The cluster: what this node offers, and how patient it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByteSize, Span};

/// What this node offers the cluster, and how patient it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// Bytes for copies; none: what the disk has.
    pub(crate) capacity: Option<ByteSize>,
    /// Free disk space below which nothing new is taken.
    pub(crate) reserve: ByteSize,
    /// Copies of what is pinned without saying how many: fewer are repaired.
    pub(crate) min_copies: u16,
    /// And that many there should be.
    pub(crate) max_copies: u16,
    /// Between two heartbeats.
    pub(crate) heartbeat: Span,
    /// A member that is silent for so long is not counted on.
    pub(crate) deadline: Span,
    /// For how long after that its copies are not made anew.
    pub(crate) grace: Span,
    /// For how long a surplus copy is kept.
    pub(crate) trim_delay: Span,
    /// Between two challenges, and between two checks of own copies.
    pub(crate) audit_interval: Span,
    /// Roots fetched at a time.
    pub(crate) parallel: usize,
}

impl Default for Cluster {
    fn default() -> Self {
        let secs = |secs| Span::new(Duration::from_secs(secs));
        Self {
            capacity: None,
            reserve: ByteSize::gib(1),
            min_copies: 2,
            max_copies: 3,
            heartbeat: secs(5),
            deadline: secs(30),
            grace: secs(5 * 60),
            trim_delay: secs(10 * 60),
            audit_interval: secs(60),
            parallel: 4,
        }
    }
}
