//! Copies of other publishers' assets on this node, as values.

use std::fmt;

use cidcast_announce::Publisher;
use cidcast_types::{AssetId, PinState, RenditionName, RootCid, Timestamp};

use crate::spelled::spelled;

/// An asset of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetOf {
    /// Who announced it.
    pub publisher: Publisher,
    /// Its id there.
    pub asset: AssetId,
}

impl fmt::Display for AssetOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.asset)
    }
}

/// Which renditions of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Renditions {
    /// All there are.
    #[default]
    All,
    /// Those of these names; everything in the package that belongs to no rendition as well.
    Only(Vec<RenditionName>),
}

impl Renditions {
    /// Those of these names, each once and in order; of none: all.
    pub fn of(names: &[RenditionName]) -> Self {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        match names.is_empty() {
            true => Self::All,
            false => Self::Only(names),
        }
    }
}

spelled! {
    /// Why something is copied.
    pub enum KeepReason as "lifetime, frozen, wish, newest, watched or rare" {
        /// Its minimum lifetime is not over.
        Lifetime = "lifetime",
        /// Its publisher is refused, and the operator keeps what came before.
        Frozen = "frozen",
        /// It has fewer copies than its publisher wishes.
        Wish = "wish",
        /// It is among the newest of its publisher.
        Newest = "newest",
        /// It is watched most here.
        Watched = "watched",
        /// The fewest nodes hold it.
        Rare = "rare",
    }
}

/// A copy that should be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedReplica {
    /// Of what.
    pub of: AssetOf,
    /// Its package.
    pub root: RootCid,
    /// What of it.
    pub renditions: Renditions,
    /// Bytes of that, as announced.
    pub bytes: u64,
    /// Why.
    pub reason: KeepReason,
    /// Smaller ones are fetched first.
    pub place: u32,
}

/// A copy that is here or on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Never used twice.
    pub id: i64,
    /// What is wanted.
    pub wanted: WantedReplica,
    /// Where it stands.
    pub state: PinState,
    /// How far the transfer is.
    pub progress: ReplicaProgress,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How many attempts have failed in a row.
    pub failures: u32,
    /// When the next attempt is made, if one is waited for.
    pub next_at: Option<Timestamp>,
    /// When it was first wanted.
    pub queued_at: Timestamp,
    /// What is pinned here now.
    pub held: Option<HeldPackage>,
    /// Until when the publisher has been told that it is here.
    pub told_until: Option<Timestamp>,
    /// The retraction that the publisher was told is obeyed, if the copy stays nevertheless.
    pub acknowledged: Option<u64>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplicaProgress {
    /// Bytes that came over the network in this attempt.
    pub bytes: u64,
    /// Blocks that are here.
    pub blocks: u64,
    /// Blocks that are known to belong to it.
    pub blocks_known: u64,
}

/// A package that is pinned here, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPackage {
    /// The package.
    pub root: RootCid,
    /// What of it.
    pub renditions: Renditions,
    /// Bytes of the blocks.
    pub bytes: u64,
    /// Since when.
    pub at: Timestamp,
}

/// What becomes of an attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Why.
    pub error: String,
    /// When it is tried again; `None`: not before the package or what is wanted of it changes.
    pub next_at: Option<Timestamp>,
}

/// What all copies take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplicaTotals {
    /// Copies that are complete.
    pub pinned: u64,
    /// Copies that are wanted and not complete.
    pub waiting: u64,
    /// Copies whose last attempt failed, among those that wait.
    pub failed: u64,
    /// Bytes of what is pinned.
    pub held_bytes: u64,
    /// Bytes of what is wanted, as announced.
    pub wanted_bytes: u64,
}
