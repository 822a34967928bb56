//! What the operator decides about feeds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cidcast_announce::{Replication, ViewSharing};
use cidcast_catalog::FeedLimits;

/// Whose announcements are indexed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nobody's: nothing is announced, heard or answered.
    Off,
    /// Those of publishers that are followed.
    #[default]
    Follows,
    /// Whatever the network announces, within the quotas.
    Open,
}

impl Mode {
    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Follows => "follows",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mode of discovery: write off, follows or open")]
pub struct ParseModeError(String);

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Off, Self::Follows, Self::Open]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ParseModeError(text.chars().take(64).collect()))
    }
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    /// Whose announcements are indexed.
    pub mode: Mode,
    /// How much they may take. Strangers (mode `open`) get half of it at the most.
    pub quota: FeedLimits,
    /// Own assets: how many copies are wished for.
    pub copies: Replication,
    /// Own assets: whether nodes shall send their view counts.
    pub views: ViewSharing,
    /// A peer is asked what it has this often.
    pub round: Duration,
    /// The own feed is compared with the assets this often, without being told to.
    pub reconcile_every: Duration,
    /// A snapshot of the own feed is made after so many announcements, if it saves a newcomer at
    /// least half of what it has to fetch.
    pub snapshot_every: u64,
    /// Bytes of announcements from before a snapshot that are kept of one publisher. What is more
    /// goes when the snapshot is here.
    pub history: u64,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Follows,
            quota: FeedLimits {
                publisher_bytes: 64 << 20,
                total_bytes: 4 << 30,
                publishers: 20_000,
            },
            copies: Replication { min: 2, max: 5 },
            views: ViewSharing::Share,
            round: Duration::from_secs(20),
            reconcile_every: Duration::from_secs(300),
            // Far below a megabyte, newcomers need one request for all of it anyway.
            snapshot_every: 1_000,
            history: 16 << 20,
        }
    }
}
