//! Asking one node, and what its answer says about it.

use std::time::Duration;

use cidcast_announce::NodeId;
use cidcast_catalog::Subject;
use cidcast_ipfs::requests::{RequestError, Requests};
use tokio::time::timeout;

use crate::trust::{Deed, Trust, peer_of};
use crate::wire::{Request, Response, WireError};

/// Addresses of one node that are tried.
const MAX_ADDRESSES: usize = 4;
/// Over all of them: a dial that times out, and one that does not.
const DEADLINE: Duration = Duration::from_secs(60);

/// Why a node did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing is to be had to do with it.
    #[error("{0} is blocked or revoked here: un-block it or reset its score first")]
    NotTrusted(NodeId),
    /// There is no answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It took too long over all of its addresses.
    #[error("{node} was not reached within {DEADLINE:?}; try again in a while")]
    Slow {
        /// Who.
        node: NodeId,
    },
    /// The answer cannot be read.
    #[error("{node} answers nonsense ({source}); is it a newer or another program?")]
    Malformed {
        /// Who.
        node: NodeId,
        /// Why it cannot be read.
        source: WireError,
    },
    /// The answer is one to another question.
    #[error("{0} answers something else than it was asked; is it a newer or another program?")]
    OffTheMark(NodeId),
    /// The question cannot be written.
    #[error("the request cannot be written: {0}")]
    Unwritable(#[source] WireError),
}

/// Asks nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Asker {
    requests: Requests,
    trust: Trust,
}

impl Asker {
    /// Asks over `requests`, and tells `trust` what came of it.
    pub fn new(requests: Requests, trust: Trust) -> Self {
        Self { requests, trust }
    }

    /// Asks a node, which is dialled at `addresses` in turn unless it is connected. `want` takes
    /// what it wants out of the answer, or nothing if it is not there.
    ///
    /// # Errors
    ///
    /// [`AskError`]
    pub async fn ask<T>(
        &self,
        node: &NodeId,
        addresses: &[String],
        request: Request,
        want: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, AskError> {
        if self.trust.refuses_node(node) {
            return Err(AskError::NotTrusted(*node));
        }
        let sent = timeout(DEADLINE, self.send(node, addresses, request)).await;
        let outcome = sent.unwrap_or(Err(AskError::Slow { node: *node }));
        let outcome = outcome.and_then(|bytes| {
            let response = Response::decode(&bytes).map_err(|source| AskError::Malformed {
                node: *node,
                source,
            })?;
            want(response).ok_or(AskError::OffTheMark(*node))
        });
        if let Some(deed) = deed(&outcome) {
            self.trust.note(Subject::Peer(*node), deed).await;
        }
        outcome
    }

    async fn send(
        &self,
        node: &NodeId,
        addresses: &[String],
        request: Request,
    ) -> Result<bytes::Bytes, AskError> {
        let bytes = request.encode().map_err(AskError::Unwritable)?;
        let suffix = format!("/p2p/{node}");
        let usable = addresses
            .iter()
            .filter(|address| address.ends_with(&suffix));
        let mut last = None;
        for address in usable.take(MAX_ADDRESSES) {
            match self.requests.send_to(address, bytes.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_about_the_way(&error) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        // Nobody said where it is, or it has moved: the swarm may know.
        let Some(peer) = peer_of(node) else {
            return Err(AskError::OffTheMark(*node));
        };
        match self.requests.send(peer, bytes).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(last.unwrap_or(error).into()),
        }
    }
}

/// Whether another address may do better.
fn is_about_the_way(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Address(_) | RequestError::Connect(_) | RequestError::NotConnected { .. }
    )
}

/// What an outcome says about the node; nothing if it is nobody's fault.
fn deed<T>(outcome: &Result<T, AskError>) -> Option<Deed> {
    match outcome {
        Ok(_) => Some(Deed::Delivered),
        Err(AskError::Slow { .. }) => Some(Deed::Unreachable),
        Err(AskError::Malformed { .. }) => Some(Deed::Malformed),
        Err(AskError::OffTheMark(_)) => Some(Deed::OffTheMark),
        Err(AskError::Request(error)) => deed_of_request(error),
        Err(AskError::NotTrusted(_) | AskError::Unwritable(_)) => None,
    }
}

/// What a request without an answer says about the peer.
pub(crate) fn deed_of_request(error: &RequestError) -> Option<Deed> {
    match error {
        RequestError::Connect(_)
        | RequestError::NotConnected { .. }
        | RequestError::Broken { .. }
        | RequestError::Slow { .. } => Some(Deed::Unreachable),
        RequestError::Oversize { .. } => Some(Deed::Excessive),
        // It does not want to, or cannot; or it was this node's own doing.
        _ => None,
    }
}
