//! What the operator decides about feeds of publishers.

use std::time::Duration;

use cidcast_discovery::feeds::{self, FeedSettings};
use serde::{Deserialize, Serialize};

use super::check::Findings;
use super::units::{ByteSize, Span, Switch};

/// Whose announcements are indexed here, and how much of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Discovery {
    /// Whose.
    pub(crate) mode: Mode,
    /// How much.
    pub(crate) quota: Quota,
    /// Of the own assets: how many copies are wished for.
    pub(crate) copies: Copies,
    /// Of the own assets: whether nodes may send their view counts.
    pub(crate) share_views: Switch,
    /// How often a peer is asked what it has.
    pub(crate) ask_every: Span,
}

/// Whose announcements are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Nobody's, and nothing is announced.
    Off,
    /// Those of publishers that are followed.
    Follows,
    /// Whatever the network announces.
    Open,
}

/// How much of the disk announcements may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Quota {
    /// Of one publisher.
    pub(crate) publisher: ByteSize,
    /// Of all.
    pub(crate) total: ByteSize,
    /// How many publishers.
    pub(crate) publishers: u64,
}

/// How many copies are wished for, the own one among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Copies {
    /// Fewer are too few.
    pub(crate) min: u32,
    /// More are not needed.
    pub(crate) max: u32,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            mode: Mode::Follows,
            quota: Quota::default(),
            copies: Copies::default(),
            share_views: Switch::On,
            ask_every: Span::new(FeedSettings::default().round),
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        let quota = FeedSettings::default().quota;
        Self {
            publisher: ByteSize::new(quota.publisher_bytes),
            total: ByteSize::new(quota.total_bytes),
            publishers: quota.publishers,
        }
    }
}

impl Default for Copies {
    fn default() -> Self {
        let copies = FeedSettings::default().copies;
        Self {
            min: copies.min,
            max: copies.max,
        }
    }
}

impl Mode {
    /// The same, as the part has it.
    pub(crate) fn of_feeds(self) -> feeds::Mode {
        match self {
            Self::Off => feeds::Mode::Off,
            Self::Follows => feeds::Mode::Follows,
            Self::Open => feeds::Mode::Open,
        }
    }
}

/// Most copies that an announcement can ask for.
const MOST_COPIES: u32 = 1000;

pub(super) fn check(discovery: &Discovery, findings: &mut Findings) {
    let quota = &discovery.quota;
    findings.unless(
        quota.publisher.bytes() >= 1 << 20,
        "discovery.quota.publisher",
        "must be at least 1 MiB: an announcement alone has up to 64 KiB",
    );
    findings.unless(
        quota.total.bytes() >= quota.publisher.bytes(),
        "discovery.quota.total",
        "must be at least discovery.quota.publisher",
    );
    findings.unless(
        quota.publishers >= 2,
        "discovery.quota.publishers",
        "must be at least 2: this node is one itself",
    );
    findings.unless(
        discovery.copies.min <= discovery.copies.max && discovery.copies.max <= MOST_COPIES,
        "discovery.copies",
        "min must be at most max, and max at most 1000",
    );
    findings.unless(
        discovery.ask_every.duration() >= Duration::from_secs(1),
        "discovery.ask_every",
        "must be at least 1s, or peers refuse to answer",
    );
}
