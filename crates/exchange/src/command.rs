//! What handles tell the worker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;
use tokio::sync::oneshot;

use crate::error::{SupplyError, WantError};
use crate::session::{SessionId, Shared};

/// One call of [`crate::Session::get`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimId(pub(crate) u64);

/// What waits for room in the queue.
pub(crate) enum Command {
    /// Somebody wants a block.
    Want(Want),
    /// A block from elsewhere.
    Supply {
        session: Arc<Shared>,
        cid: Cid,
        bytes: Bytes,
        reply: oneshot::Sender<Result<(), SupplyError>>,
    },
    /// Blocks that are in the store now, or that more peers may have now.
    Announce(Vec<Cid>),
}

/// A block that somebody waits for.
pub(crate) struct Want {
    pub(crate) claim: ClaimId,
    pub(crate) session: Arc<Shared>,
    pub(crate) cid: Cid,
    pub(crate) order: u64,
    pub(crate) patience: Duration,
    pub(crate) reply: oneshot::Sender<Result<Bytes, WantError>>,
}

/// What cannot wait, because it is said in a `drop` or outside of async. Bounded all the same: one
/// withdrawal for each want, a bounded number of peers and one end for each session.
pub(crate) enum Notice {
    /// A `get` was dropped.
    Withdraw(ClaimId),
    /// A session has a peer to ask.
    AddPeer(Arc<Shared>, PeerId),
    /// The last clone of a session is gone.
    Close(SessionId),
}
