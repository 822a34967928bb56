//! From bytes that arrived to blocks in the store.
//!
//! A thread takes several small blocks or one large one: hashes them, looks whether they are
//! wanted, and writes those that are.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cid::Cid;
use cidcast_store::{GetError, PutError, Store};
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::Worker;
use super::wanted::Wanted;
use crate::block_id::BlockId;
use crate::client::Surplus;
use crate::error::{SupplyError, WantError};
use crate::message::Block;
use crate::session::Shared;

/// A thread gets about as many bytes, so that it is worth starting and others get some too.
const LOAD_BYTES: usize = 1 << 20;
/// And at most as many blocks: creating a file takes about as long as writing 100 KiB.
const LOAD_BLOCKS: usize = 32;

/// Bytes that wait for a thread.
pub(super) enum Parcel {
    Received {
        from: PeerId,
        block: Block,
    },
    Supplied {
        session: Arc<Shared>,
        cid: Cid,
        bytes: Bytes,
        reply: oneshot::Sender<Result<(), SupplyError>>,
    },
    /// A block that came into the store by another way.
    Local {
        id: BlockId,
        cid: Cid,
    },
}

impl Parcel {
    fn bytes(&self) -> usize {
        match self {
            Self::Received { block, .. } => block.data.len(),
            Self::Supplied { bytes, .. } => bytes.len(),
            Self::Local { .. } => 0,
        }
    }
}

/// What became of a parcel.
pub(super) struct Written {
    bytes: usize,
    from: Option<PeerId>,
    end: End,
}

enum End {
    /// In the store.
    Kept { id: BlockId, data: Bytes },
    /// Wanted, and not in the store.
    Failed { id: BlockId, source: Arc<PutError> },
    /// Not wanted by anybody.
    Surplus(Option<BlockId>),
    /// Not here after all, or not what it should be.
    Nothing,
}

impl Worker {
    /// Puts a parcel into the queue for the threads.
    pub(super) fn enqueue(&mut self, parcel: Parcel) {
        self.unwritten_bytes += parcel.bytes();
        self.unwritten.push_back(parcel);
    }

    pub(super) fn start_writers(&mut self) {
        while self.may_start_writer() {
            let (mut load, mut bytes) = (Vec::new(), 0);
            while bytes < LOAD_BYTES
                && load.len() < LOAD_BLOCKS
                && let Some(parcel) = self.unwritten.pop_front()
            {
                bytes += parcel.bytes();
                load.push(parcel);
            }
            let (store, wanted) = (self.store.clone(), Arc::clone(&self.wanted));
            let write = move || load.into_iter().map(|p| p.write(&store, &wanted)).collect();
            self.writers.push(tokio::task::spawn_blocking(write));
        }
    }

    /// One thread is started for whatever there is, another only for a whole load: small blocks
    /// that come one by one wait for the first to end, and are then written together.
    fn may_start_writer(&self) -> bool {
        if self.writers.is_empty() {
            return !self.unwritten.is_empty();
        }
        let load = self.unwritten.iter().take(LOAD_BLOCKS);
        let is_load = self.unwritten.len() >= LOAD_BLOCKS
            || load.map(Parcel::bytes).sum::<usize>() >= LOAD_BYTES;
        is_load && self.writers.len() < self.settings.writers
    }

    /// A thread is done.
    pub(super) fn written(&mut self, done: Vec<Written>, now: Instant) {
        for Written { bytes, from, end } in done {
            self.unwritten_bytes = self.unwritten_bytes.saturating_sub(bytes);
            match end {
                End::Kept { id, data } => {
                    if from.is_some() {
                        self.metrics.blocks_received.inc();
                        self.metrics.bytes_received.inc_by(bytes as u64);
                    }
                    self.deliver(from, &id, &data, now);
                }
                End::Failed { id, source } => self.fail(&id, |cid| WantError::Store {
                    cid,
                    source: Arc::clone(&source),
                }),
                End::Surplus(id) => {
                    let Some(peer) = from else {
                        continue;
                    };
                    match self.client.surplus(peer, id, now) {
                        Surplus::Late => self.metrics.duplicates.inc(),
                        Surplus::Lie => self.metrics.unwanted.inc(),
                    };
                }
                End::Nothing => {}
            }
        }
    }
}

impl Parcel {
    /// On a thread that may block.
    fn write(self, store: &Store, wanted: &Wanted) -> Written {
        let bytes = self.bytes();
        let (from, end) = match self {
            Self::Received { from, block } => (Some(from), receive(&block, store, wanted)),
            Self::Supplied {
                session,
                cid,
                bytes,
                reply,
            } => (None, supply(&session, &cid, bytes, reply, store, wanted)),
            Self::Local { id, cid } => (None, look(id, &cid, store, wanted)),
        };
        Written { bytes, from, end }
    }
}

fn receive(block: &Block, store: &Store, wanted: &Wanted) -> End {
    let Some(id) = block.prefix.hash(&block.data) else {
        return End::Surplus(None);
    };
    let Some(sought) = wanted.get(&id) else {
        return End::Surplus(Some(id));
    };
    let Some((first, others)) = sought.sessions.split_first() else {
        return End::Surplus(Some(id));
    };
    if let Err(error) = store.put(&sought.cid, &block.data, &first.guard) {
        let source = Arc::new(error);
        return End::Failed { id, source };
    }
    for session in others {
        session.guard.hold(&sought.cid);
    }
    let data = block.data.clone();
    End::Kept { id, data }
}

fn supply(
    session: &Shared,
    cid: &Cid,
    data: Bytes,
    reply: oneshot::Sender<Result<(), SupplyError>>,
    store: &Store,
    wanted: &Wanted,
) -> End {
    let id = BlockId::of(cid);
    let put = store.put_verified(cid, &data, &session.guard);
    let sought = wanted.get(&id);
    for other in sought.iter().flat_map(|sought| &sought.sessions) {
        other.guard.hold(cid);
    }
    let is_put = put.is_ok();
    let _ = reply.send(put.map_err(|error| SupplyError::Store(Arc::new(error))));
    if is_put {
        End::Kept { id, data }
    } else {
        End::Nothing
    }
}

fn look(id: BlockId, cid: &Cid, store: &Store, wanted: &Wanted) -> End {
    let sought = wanted.get(&id);
    // Held first, so that it stays when it is found.
    for session in sought.iter().flat_map(|sought| &sought.sessions) {
        session.guard.hold(cid);
    }
    match store.get(cid) {
        Ok(data) => End::Kept { id, data },
        Err(GetError::NotFound { .. }) => End::Nothing,
        Err(error) => {
            tracing::warn!(%cid, %error, "an announced block cannot be read");
            End::Nothing
        }
    }
}
