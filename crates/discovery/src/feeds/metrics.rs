//! What feeds count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of an announcement that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It moved its feed.
    Applied,
    /// It is the newest that is here.
    Duplicate,
    /// It is here, others after it too, and it is minutes old: it was late.
    Delayed,
    /// The same, and it is old: somebody plays it again.
    Replayed,
    /// Others have to come first.
    Reordered,
    /// Something else is here in its place, or before it.
    Conflicting,
    /// Its signature is not its publisher's.
    Forged,
    /// Larger than announcements are.
    Oversized,
    /// No announcement, or of a later version.
    Unreadable,
    /// It claims to be from the future.
    FutureDated,
    /// There is no room.
    OverQuota,
    /// Nothing of its publisher is wanted here.
    Unwanted,
    /// Its peer or publisher sends too many in too short a time.
    TooFast,
}

impl Outcome {
    /// The value of the label `outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Delayed => "delayed",
            Self::Replayed => "replayed",
            Self::Reordered => "reordered",
            Self::Conflicting => "conflicting",
            Self::Forged => "forged",
            Self::Oversized => "oversized",
            Self::Unreadable => "unreadable",
            Self::FutureDated => "future_dated",
            Self::OverQuota => "over_quota",
            Self::Unwanted => "unwanted",
            Self::TooFast => "too_fast",
        }
    }
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotFate {
    /// Of the own feed: it was announced.
    Made,
    /// A feed began with it.
    Loaded,
    /// Its segments are kept here for others.
    Held,
    /// It could not be had, was wrong, or there is no room.
    Refused,
    /// What came before it was dropped.
    Pruned,
}

impl SnapshotFate {
    /// The value of the label `fate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Loaded => "loaded",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Pruned => "pruned",
        }
    }
}

type Label = [(&'static str, &'static str); 1];

/// Counters and gauges of the feeds of one node. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Announcements that arrived, by what became of them.
    announcements: Family<Label, Counter>,
    /// Requests of peers, by whether they were answered.
    requests: Family<Label, Counter>,
    /// Snapshots, by what became of them.
    snapshots: Family<Label, Counter>,
    /// Announcements of this node that were signed.
    pub(crate) signed: Counter,
    /// Feeds of which some peer claims to have more.
    pub(crate) behind: Gauge,
}

impl Metrics {
    /// Makes the metrics and names them in `registry` as `cidcast_feeds_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("cidcast_feeds");
        registry.register(
            "announcements",
            "Announcements that arrived, by what became of them",
            metrics.announcements.clone(),
        );
        registry.register(
            "requests",
            "Requests of peers, by what became of them",
            metrics.requests.clone(),
        );
        registry.register(
            "snapshots",
            "Snapshots of feeds, by what became of them",
            metrics.snapshots.clone(),
        );
        registry.register(
            "signed",
            "Announcements that this node signed",
            metrics.signed.clone(),
        );
        registry.register(
            "behind",
            "Feeds of which some peer claims to have more",
            metrics.behind.clone(),
        );
        metrics
    }

    /// How many announcements had this outcome.
    pub fn announcements(&self, outcome: Outcome) -> u64 {
        self.announcements
            .get_or_create(&[("outcome", outcome.as_str())])
            .get()
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.announcements
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// How many snapshots had this fate.
    pub fn snapshots(&self, fate: SnapshotFate) -> u64 {
        self.snapshots
            .get_or_create(&[("fate", fate.as_str())])
            .get()
    }

    pub(crate) fn snapshot(&self, fate: SnapshotFate) {
        self.snapshots
            .get_or_create(&[("fate", fate.as_str())])
            .inc();
    }

    pub(crate) fn asked(&self, outcome: &'static str) {
        self.requests.get_or_create(&[("outcome", outcome)]).inc();
    }
}
