//! Block access for everything above the store.
//!
//! Today a block is here or it is not found. A later issue puts the network behind
//! [`Blocks::get`]; callers stay as they are.

use bytes::Bytes;
use cid::Cid;
use cidcast_store::{GetError, Store};

/// A node's blocks. Clones are cheap and share one store.
#[derive(Clone)]
pub struct Blocks {
    store: Store,
}

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// No block with this CID is on this node.
    #[error("block {cid} is not on this node; pin or import the DAG that contains it")]
    NotFound {
        /// The block that was asked for.
        cid: Box<Cid>,
    },
    /// The store could not read the block.
    #[error(
        "block {cid} could not be read from the store; check the disk, then run `store verify`"
    )]
    Store {
        /// The block that was asked for.
        cid: Box<Cid>,
        /// What the store says.
        source: GetError,
    },
    /// The runtime is shutting down and takes no more disk reads.
    #[error("block {cid} was not read because the node is stopping; ask again after it restarts")]
    Stopping {
        /// The block that was asked for.
        cid: Box<Cid>,
    },
}

impl Blocks {
    /// Block access over `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The store behind this.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The bytes of a block. Not re-hashed: blocks are checked when they arrive.
    ///
    /// # Errors
    ///
    /// [`BlockError::NotFound`] if the block is not here, [`BlockError::Store`] if it cannot be
    /// read.
    pub async fn get(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        self.ask(cid, Store::get).await
    }

    /// The length of a block in bytes, without reading it.
    ///
    /// # Errors
    ///
    /// As [`Blocks::get`].
    pub async fn size(&self, cid: &Cid) -> Result<u64, BlockError> {
        self.ask(cid, Store::size).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        cid: &Cid,
        question: fn(&Store, &Cid) -> Result<T, GetError>,
    ) -> Result<T, BlockError> {
        let (store, wanted) = (self.store.clone(), *cid);
        let answer = tokio::task::spawn_blocking(move || question(&store, &wanted)).await;
        let cid = || Box::new(*cid);
        match answer {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(GetError::NotFound { .. })) => Err(BlockError::NotFound { cid: cid() }),
            Ok(Err(source)) => Err(BlockError::Store { cid: cid(), source }),
            Err(_) => Err(BlockError::Stopping { cid: cid() }),
        }
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").finish_non_exhaustive()
    }
}
