//! The one order of all operations of all members.

use cidcast_announce::NodeId;
use cidcast_announce::cluster::Stamp;

/// Where an operation stands: later wins. No two operations have the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) at: Stamp,
    pub(crate) author: NodeId,
    pub(crate) seq: u64,
    /// Within the entry.
    pub(crate) index: u32,
}
