//! Copies of what others publish.

use serde::{Deserialize, Serialize};

use super::{ByteSize, Refused, Switch};

/// Copies of what others publish; each follow says what is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Replication {
    /// Disk space that all copies together may take.
    pub(crate) space: ByteSize,
    /// Transfers at a time.
    pub(crate) parallel: usize,
    /// Bytes a second of all transfers together; none: no limit.
    pub(crate) rate: Option<ByteSize>,
    /// Parts of the day with a rate of their own.
    pub(crate) schedule: Vec<Window>,
    /// Do not fetch before `cidcast replica resume`.
    pub(crate) paused: Switch,
    /// What becomes of a copy whose publisher retracts it.
    pub(crate) retracted: Refused,
}

/// A part of the day, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// `HH:MM`
    pub(crate) from: String,
    /// `HH:MM`
    pub(crate) to: String,
    /// Bytes a second; none: no limit; 0: nothing is fetched.
    pub(crate) rate: Option<ByteSize>,
}

impl Default for Replication {
    fn default() -> Self {
        Self {
            space: ByteSize::gib(50),
            parallel: 3,
            rate: None,
            schedule: Vec::new(),
            paused: Switch::Off,
            retracted: Refused::Delete,
        }
    }
}
