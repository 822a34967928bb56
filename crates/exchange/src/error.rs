//! One error per operation. Each text says what its reader can do.

use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use cidcast_store::{GetError, PutError};

/// A block could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WantError {
    /// Nobody gave it, and nothing moved for too long.
    #[error(
        "block {cid}: no peer gave it and nothing moved for {} s; connect to a peer that has it, \
         then retry",
        waited.as_secs()
    )]
    Deadline {
        /// The block.
        cid: Cid,
        /// Since it was asked for.
        waited: Duration,
    },
    /// It arrived and could not be written.
    #[error("block {cid} arrived but cannot be stored: {source}")]
    Store {
        /// The block.
        cid: Cid,
        /// Why not.
        source: Arc<PutError>,
    },
    /// The store could not be asked whether it has the block.
    #[error("block {cid} cannot be looked up: {source}")]
    Read {
        /// The block.
        cid: Cid,
        /// Why not.
        source: Arc<GetError>,
    },
    /// The exchange is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
    /// More blocks are wanted than one node may want at a time.
    #[error("more than {limit} blocks are wanted at a time: wait for some of them first")]
    TooManyWants {
        /// The bound.
        limit: usize,
    },
}

impl WantError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.is_no_space(),
            Self::Read { source, .. } => {
                matches!(&**source, GetError::Folder(error) if error.is_no_space())
            }
            Self::Deadline { .. } | Self::Stopping | Self::TooManyWants { .. } => false,
        }
    }
}

/// A block from elsewhere could not be taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SupplyError {
    /// The bytes are not the block's, or could not be written.
    #[error(transparent)]
    Store(Arc<PutError>),
    /// The exchange is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
}

impl SupplyError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_no_space())
    }
}
