//! What other nodes say of their copies, as values.

use cidcast_announce::{NodeId, Outcome, Publisher};
use cidcast_types::{AssetId, RootCid, Timestamp};

use crate::replica::{AssetOf, Renditions};
use crate::spelled::spelled;

spelled! {
    /// Whether a node has a copy.
    pub enum CopyState as "held or withdrawn" {
        /// It said so.
        Held = "held",
        /// It has given it up.
        Withdrawn = "withdrawn",
    }
}

/// A copy on another node, as a verified notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Of what.
    pub of: AssetOf,
    /// Where.
    pub node: NodeId,
    /// Of which package.
    pub root: RootCid,
    /// What of it.
    pub renditions: Renditions,
    /// Whether it is still there.
    pub state: CopyState,
    /// Until when the node promises to have it, if it does not say so again.
    pub until: Timestamp,
    /// When it was said, by the node's own clock.
    pub at: Timestamp,
    /// When it was first heard here.
    pub first_seen: Timestamp,
    /// As it was signed.
    pub notice: Vec<u8>,
}

/// A node's acknowledgement of a retraction, as a verified notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Of what.
    pub of: AssetOf,
    /// Who.
    pub node: NodeId,
    /// The number of the announcement that retracted it.
    pub seq: u64,
    /// What the node did.
    pub outcome: Outcome,
    /// When it was said, by the node's own clock.
    pub at: Timestamp,
    /// As it was signed.
    pub notice: Vec<u8>,
}

/// What became of something that another node said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is saved.
    Saved,
    /// The node has said the same or something newer before; nothing is changed.
    Old,
    /// There is no room for it; nothing is changed.
    Full,
}

/// What others may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeLimits {
    /// Nodes that are kept for one asset.
    pub per_asset: u32,
    /// Rows of one node.
    pub per_node: u32,
    /// Rows of all nodes.
    pub total: u32,
}

impl Default for NoticeLimits {
    /// About 200 MB at the very most, in each of three tables.
    fn default() -> Self {
        Self {
            // As many copies as a publisher can wish for.
            per_asset: 1_000,
            per_node: 20_000,
            total: 400_000,
        }
    }
}

/// Which copies to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyQuery {
    /// Only those of this publisher's assets.
    pub publisher: Option<Publisher>,
    /// Only those of this asset, whoever published it.
    pub asset: Option<AssetId>,
    /// Those after this one.
    pub after: Option<(AssetOf, NodeId)>,
    /// How many at most.
    pub limit: u32,
}
