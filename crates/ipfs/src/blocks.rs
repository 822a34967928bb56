//! Block access for everything above the store.
//!
//! [`Blocks`] has two views. The plain one reads what is here. [`Blocks::visit`] also gets what is
//! not here from the network, as it is needed, for somebody who is reading; its blocks are held as
//! long as the visit and not pinned.
//!
//! A visit for a stranger gives away nothing private (invariant 8 of the architecture): a block
//! that is here is given only if a pin opens it to anyone or if strangers brought it, and one that
//! is refused reads like one that nobody has, in words and in time.

use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use cidcast_exchange::{Class, WantError};
use cidcast_store::{Audience, DatabaseError, GetError, Store};

use crate::Network;
use crate::visit::Visit;

/// Blocks that a file's reader asks for ahead: two hide a disk behind a connection.
const READ_AHEAD_HERE: usize = 2;
/// Over the network the delay is longer: 8 MiB on the way are 160 MB/s at 50 ms.
const READ_AHEAD_FAR: usize = 8;

/// A node's blocks. Clones are cheap and share one store.
#[derive(Clone)]
pub struct Blocks {
    store: Store,
    network: Option<Network>,
    visit: Option<View>,
}

/// Who reads during a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Somebody who may see what is private here.
    Trusted,
    /// Anyone.
    Stranger,
}

#[derive(Clone)]
struct View {
    visit: Arc<Visit>,
    network: Network,
    trust: Trust,
}

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// No block with this CID is on this node, and there is nobody to ask for it.
    #[error("block {cid} is not on this node; pin or import the DAG that contains it")]
    NotFound {
        /// The block that was asked for.
        cid: Box<Cid>,
    },
    /// Nobody who was asked gave the block in time.
    #[error("block {cid} is not here and nobody gave it in time; connect to a peer that has it")]
    Unreachable {
        /// The block that was asked for.
        cid: Box<Cid>,
    },
    /// The block came and could not be kept, or the network could not be asked.
    #[error("block {cid} could not be fetched")]
    Fetch {
        /// The block that was asked for.
        cid: Box<Cid>,
        /// What the exchange says.
        source: WantError,
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
    /// The store could not say who may have the block.
    #[error("who may have block {cid} could not be told; run `store verify`")]
    Audience {
        /// The block that was asked for.
        cid: Box<Cid>,
        /// What the store says.
        source: DatabaseError,
    },
    /// The runtime is shutting down and takes no more disk reads.
    #[error("block {cid} was not read because the node is stopping; ask again after it restarts")]
    Stopping {
        /// The block that was asked for.
        cid: Box<Cid>,
    },
}

impl Blocks {
    /// What is in `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            network: None,
            visit: None,
        }
    }

    /// What is in `store`, and visits through `network`.
    pub fn with_network(store: Store, network: Network) -> Self {
        Self {
            store,
            network: Some(network),
            visit: None,
        }
    }

    /// The store behind this.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is here, whatever view this is.
    pub fn local(&self) -> Self {
        Self {
            visit: None,
            ..self.clone()
        }
    }

    /// A view for somebody who reads what is below `root`, over the network where it is missing;
    /// none without a network.
    pub fn visit(&self, root: &Cid, trust: Trust) -> Option<Self> {
        let network = self.network.clone()?;
        let begin = || network.fed(Class::Playback, *root);
        let visit = network.visits().of(*root, begin);
        Some(Self {
            store: self.store.clone(),
            visit: Some(View {
                visit,
                network: network.clone(),
                trust,
            }),
            network: Some(network),
        })
    }

    /// Whether this is the view of a visit.
    pub fn is_visit(&self) -> bool {
        self.visit.is_some()
    }

    /// Whether strangers gave this block to a visit, so that anyone may have it.
    pub fn is_strangers(&self, cid: &Cid) -> bool {
        let network = self.network.as_ref();
        network.is_some_and(|network| network.visits().is_strangers(cid, None))
    }

    /// The bytes of a block. Not re-hashed: blocks are checked when they arrive.
    ///
    /// # Errors
    ///
    /// [`BlockError::NotFound`] if the block is not here, [`BlockError::Store`] if it cannot be
    /// read; during a visit also the others.
    pub async fn get(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        match &self.visit {
            None => self.ask(cid, Store::get).await,
            Some(view) => self.visiting(view, cid).await,
        }
    }

    /// The length of a block in bytes, without reading it if it is here.
    ///
    /// # Errors
    ///
    /// As [`Blocks::get`].
    pub async fn size(&self, cid: &Cid) -> Result<u64, BlockError> {
        match &self.visit {
            None => self.ask(cid, Store::size).await,
            Some(view) => Ok(self.visiting(view, cid).await?.len() as u64),
        }
    }

    /// How many blocks a reader should ask for ahead of the one that it waits for.
    pub(crate) fn read_ahead(&self) -> usize {
        match &self.visit {
            None => READ_AHEAD_HERE,
            Some(_) => READ_AHEAD_FAR,
        }
    }

    async fn visiting(&self, view: &View, cid: &Cid) -> Result<Bytes, BlockError> {
        // Held before it is looked for, so that it stays if it is found.
        view.visit.fed().session().guard().hold(cid);
        let block = match self.ask(cid, Store::get).await {
            Err(BlockError::NotFound { .. }) => view.fetch(cid).await?,
            other => other?,
        };
        let is_allowed = match view.trust {
            Trust::Trusted => true,
            Trust::Stranger => match self.audience(cid).await? {
                Some(audience) => audience == Audience::Anyone,
                None => view.network.visits().is_strangers(cid, Some(&view.visit)),
            },
        };
        if is_allowed {
            Ok(block)
        } else {
            Err(view.as_if_absent(cid).await)
        }
    }

    async fn audience(&self, cid: &Cid) -> Result<Option<Audience>, BlockError> {
        let (store, wanted) = (self.store.clone(), *cid);
        let answer = tokio::task::spawn_blocking(move || store.audience(&wanted)).await;
        let cid = || Box::new(*cid);
        match answer {
            Ok(Ok(audience)) => Ok(audience),
            Ok(Err(source)) => Err(BlockError::Audience { cid: cid(), source }),
            Err(_) => Err(BlockError::Stopping { cid: cid() }),
        }
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

impl View {
    /// A block that is not here.
    async fn fetch(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        if self.network.is_alone().await {
            return Err(BlockError::NotFound {
                cid: Box::new(*cid),
            });
        }
        let session = self.visit.fed().session();
        let patience = self.network.fetch_timeout();
        match session.get(cid, self.visit.next_order(), patience).await {
            Ok(block) => {
                self.visit.note_brought(cid);
                Ok(block)
            }
            Err(error) => Err(failed(cid, error)),
        }
    }

    /// What a stranger is told of a block that is not for strangers, when somebody who asks for a
    /// block that is nowhere would be told the same. The network is not asked: that would tell it
    /// of the block.
    async fn as_if_absent(&self, cid: &Cid) -> BlockError {
        let cid = Box::new(*cid);
        if self.network.is_alone().await {
            return BlockError::NotFound { cid };
        }
        tokio::time::sleep(self.network.fetch_timeout()).await;
        BlockError::Unreachable { cid }
    }
}

fn failed(cid: &Cid, source: WantError) -> BlockError {
    let cid = Box::new(*cid);
    match source {
        WantError::Deadline { .. } => BlockError::Unreachable { cid },
        WantError::Stopping => BlockError::Stopping { cid },
        source => BlockError::Fetch { cid, source },
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").finish_non_exhaustive()
    }
}
