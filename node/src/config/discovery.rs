//! What publishers announce: told, heard, trusted.

use cidcast_discovery::feeds::FeedSettings;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Span, Switch};

/// Announcements: the own ones and those of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Discovery {
    /// Whose announcements are indexed here.
    pub(crate) mode: Mode,
    /// What becomes of those who follow this node's publisher.
    pub(crate) followers: Followers,
    /// What becomes of what a blocked or revoked publisher had here.
    pub(crate) refused: Refused,
    /// Disk space that the announcements of one publisher may take.
    pub(crate) publisher_space: ByteSize,
    /// Disk space that all announcements may take.
    pub(crate) space: ByteSize,
    /// Disk space that the announcements of one publisher from before its newest snapshot may take,
    /// once that snapshot is here.
    pub(crate) history_space: ByteSize,
    /// Publishers that may be known.
    pub(crate) max_publishers: u64,
    /// Copies of own assets that others are asked to hold.
    pub(crate) min_copies: u32,
    /// More of them are not wished for.
    pub(crate) max_copies: u32,
    /// Ask nodes that hold copies to tell how often they were watched.
    pub(crate) collect_views: Switch,
    /// How often a peer is asked what it has.
    pub(crate) ask_every: Span,
}

/// Whose announcements are indexed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Nobody's: nothing is announced, heard or answered.
    Off,
    /// Those of publishers that are followed.
    Follows,
    /// Whatever the network announces.
    Open,
}

/// What becomes of followers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Followers {
    /// They are listed.
    List,
    /// They are listed, and followed in turn.
    FollowBack,
    /// They are refused.
    Refuse,
}

/// What becomes of what a refused publisher had here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Refused {
    /// It stays; nothing new comes.
    Keep,
    /// It is not listed or found any more; copies stay.
    Unindex,
    /// Copies go too.
    Delete,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            mode: Mode::Follows,
            followers: Followers::List,
            refused: Refused::Unindex,
            publisher_space: ByteSize::mib(64),
            space: ByteSize::gib(4),
            history_space: ByteSize::mib(16),
            max_publishers: 20_000,
            min_copies: 2,
            max_copies: 5,
            collect_views: Switch::On,
            ask_every: Span::new(FeedSettings::default().round),
        }
    }
}
