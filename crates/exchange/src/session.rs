//! What is fetched together.
//!
//! Owns: an `InFlight` guard of the store, so that what a session got stays until somebody has
//! pinned it. Ends: with the last clone, which withdraws what is still wanted. Cancel safety: a
//! `get` that is dropped withdraws its want unless somebody else has it too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use cidcast_runtime::locked;
use cidcast_store::{GetError, InFlight, PutError};
use libp2p::PeerId;
use tokio::sync::{Notify, oneshot};

use crate::block_id::{inline, is_checkable, is_of_nothing};
use crate::command::{ClaimId, Command, Notice, Want};
use crate::error::{SupplyError, WantError};
use crate::exchange::Exchange;
use crate::report::Progress;

/// Peers that one session may be told of. Asking more than this for one title finds nobody new.
const MAX_PEERS: usize = 256;
/// Starving blocks that are remembered until somebody asks. Whoever looks for peers does so for
/// one block and finds what has the others too.
const MAX_STARVING: usize = 256;

/// How urgent a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody watches, or waits for an answer.
    Playback,
    /// Copies for later.
    Replication,
}

/// Names a session within its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// What a session's clones, its `get`s and the worker have in common.
pub(crate) struct Shared {
    pub(crate) id: SessionId,
    pub(crate) class: Class,
    pub(crate) guard: Arc<InFlight>,
    tally: Mutex<Tally>,
    starving: Mutex<VecDeque<Cid>>,
    hungry: Notify,
}

#[derive(Default)]
struct Tally {
    blocks: u64,
    bytes: u64,
    from: HashMap<PeerId, u64>,
    told: HashSet<PeerId>,
}

impl Shared {
    pub(crate) fn new(id: SessionId, class: Class, guard: InFlight) -> Self {
        Self {
            id,
            class,
            guard: Arc::new(guard),
            tally: Mutex::default(),
            starving: Mutex::default(),
            hungry: Notify::new(),
        }
    }

    /// Counts a block that arrived for this session.
    pub(crate) fn count(&self, from: Option<PeerId>, bytes: u64) {
        let mut tally = locked(&self.tally);
        tally.blocks += 1;
        tally.bytes += bytes;
        if let Some(peer) = from {
            *tally.from.entry(peer).or_default() += bytes;
        }
    }

    /// Remembers a block that nobody is left to ask for.
    pub(crate) fn starve(&self, cid: Cid) {
        let mut starving = locked(&self.starving);
        if starving.len() < MAX_STARVING && !starving.contains(&cid) {
            starving.push_back(cid);
            self.hungry.notify_one();
        }
    }
}

/// Blocks that are fetched together. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.exchange.notice(Notice::Close(self.shared.id));
    }
}

/// Withdraws a want when its `get` ends, however it ends.
struct Withdrawal<'a> {
    exchange: &'a Exchange,
    claim: ClaimId,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.exchange.notice(Notice::Withdraw(self.claim));
    }
}

impl Session {
    pub(crate) fn new(exchange: Exchange, shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self {
            inner: Arc::new(Inner { exchange, shared }),
        }
    }

    /// A block: from the store if it is there, otherwise from peers. It is verified and written
    /// before it is returned, and stays while this session lives. `order` is its place in the
    /// order of need, smaller first. `patience`: how long nothing may move for it; being asked of
    /// another peer, and blocks arriving from a peer that it is asked of, are movement.
    ///
    /// # Errors
    ///
    /// [`WantError`]; other blocks of the session are not affected.
    pub async fn get(&self, cid: &Cid, order: u64, patience: Duration) -> Result<Bytes, WantError> {
        if let Some(content) = inline(cid) {
            return Ok(Bytes::copy_from_slice(content));
        }
        if let Some(here) = self.stored(cid).await? {
            return Ok(here);
        }
        self.get_missing(cid, order, patience).await
    }

    /// As [`Self::get`], for who has held a block under [`Self::guard`] and looked for it himself:
    /// it is not looked for in the store again.
    ///
    /// # Errors
    ///
    /// [`WantError`]; other blocks of the session are not affected.
    pub async fn get_missing(
        &self,
        cid: &Cid,
        order: u64,
        patience: Duration,
    ) -> Result<Bytes, WantError> {
        if is_of_nothing(cid) {
            return self.make_nothing(cid).await;
        }
        if !is_checkable(cid) {
            let (cid, code) = (*cid, cid.hash().code());
            let source = Arc::new(PutError::UnknownHash { cid, code });
            return Err(WantError::Store { cid, source });
        }
        let exchange = &self.inner.exchange;
        let claim = exchange.next_claim();
        // Declared first, so dropped last: the worker hears of the withdrawal when the reply's
        // receiver is gone, and takes a want without a receiver for withdrawn.
        let _withdrawal = Withdrawal { exchange, claim };
        let (reply, answer) = oneshot::channel();
        let want = Want {
            claim,
            session: Arc::clone(&self.inner.shared),
            cid: *cid,
            order,
            patience,
            reply,
        };
        if !exchange.tell(Command::Want(want)).await {
            return Err(WantError::Stopping);
        }
        answer.await.unwrap_or(Err(WantError::Stopping))
    }

    /// The block if it is in the store. Held first, so that it stays when it is found.
    async fn stored(&self, cid: &Cid) -> Result<Option<Bytes>, WantError> {
        let guard = Arc::clone(&self.inner.shared.guard);
        let store = self.inner.exchange.store().clone();
        let cid = *cid;
        let looked = tokio::task::spawn_blocking(move || {
            guard.hold(&cid);
            match store.get(&cid) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(GetError::NotFound { .. }) => Ok(None),
                Err(error) => Err(WantError::Read {
                    cid,
                    source: Arc::new(error),
                }),
            }
        });
        looked.await.unwrap_or(Err(WantError::Stopping))
    }

    /// The block of no bytes. Nobody sends it: it is made here.
    async fn make_nothing(&self, cid: &Cid) -> Result<Bytes, WantError> {
        let made = self.supply(cid, Bytes::new()).await;
        made.map(|()| Bytes::new()).map_err(|error| match error {
            SupplyError::Store(source) => WantError::Store { cid: *cid, source },
            SupplyError::Stopping => WantError::Stopping,
        })
    }

    /// Tells of a peer that is likely to have what this session wants. It is asked when it is
    /// connected.
    pub fn add_peer(&self, peer: PeerId) {
        let shared = &self.inner.shared;
        let mut tally = locked(&shared.tally);
        if tally.told.len() < MAX_PEERS && tally.told.insert(peer) {
            let notice = Notice::AddPeer(Arc::clone(shared), peer);
            self.inner.exchange.notice(notice);
        }
    }

    /// Waits until a want of this session has nobody left to ask: every connected peer said no,
    /// was silent for too long, or is avoided. The same CID is given once in a minute at most.
    pub async fn starving(&self) -> Cid {
        let shared = &self.inner.shared;
        loop {
            let waiting = shared.hungry.notified();
            if let Some(cid) = locked(&shared.starving).pop_front() {
                return cid;
            }
            waiting.await;
        }
    }

    /// Takes a block from elsewhere (an HTTP gateway, a CAR file): verifies it, stores it, and
    /// gives it to all who wait for it.
    ///
    /// # Errors
    ///
    /// [`SupplyError`]; whoever waits for the block goes on waiting.
    pub async fn supply(&self, cid: &Cid, bytes: Bytes) -> Result<(), SupplyError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Supply {
            session: Arc::clone(&self.inner.shared),
            cid: *cid,
            bytes,
            reply,
        };
        if !self.inner.exchange.tell(command).await {
            return Err(SupplyError::Stopping);
        }
        answer.await.unwrap_or(Err(SupplyError::Stopping))
    }

    /// What has arrived so far.
    pub fn progress(&self) -> Progress {
        let tally = locked(&self.inner.shared.tally);
        Progress {
            blocks: tally.blocks,
            bytes: tally.bytes,
            from: tally.from.iter().map(|(peer, n)| (*peer, *n)).collect(),
        }
    }

    /// Holds what this session got, for pinning under it.
    pub fn guard(&self) -> &InFlight {
        &self.inner.shared.guard
    }

    /// How urgent it is.
    pub fn class(&self) -> Class {
        self.inner.shared.class
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.inner.shared.id.0)
            .field("class", &self.inner.shared.class)
            .finish_non_exhaustive()
    }
}
