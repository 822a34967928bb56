//! Asking a member.

use bytes::Bytes;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::Entry;
use cidcast_ipfs::requests::RequestError;
use cidcast_ipfs::swarm::{PeerId, SwarmHandle};

use crate::wire::{Request, Response, WireError};

/// There is no answer, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The peer did not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The message cannot be written, or the answer not be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Never: every node key is the id of a peer.
    #[error("{0} is the id of no peer")]
    NotAPeer(NodeId),
}

/// The same key as the swarm names it.
pub(super) fn peer_of(node: &NodeId) -> Option<PeerId> {
    node.peer_id().parse().ok()
}

/// Asks a node: over the connection that there is, or at each of its addresses until one answers.
pub(super) async fn ask_at(
    swarm: &SwarmHandle,
    node: NodeId,
    addresses: &[String],
    request: Request,
) -> Result<Response, AskError> {
    let peer = peer_of(&node).ok_or(AskError::NotAPeer(node))?;
    let bytes = request.encode()?;
    let requests = swarm.cluster_requests();
    if swarm.peer(&peer).is_none() {
        let suffix = format!("/p2p/{peer}");
        let own = addresses
            .iter()
            .filter(|address| address.ends_with(&suffix));
        for address in own {
            match requests.send_to(address, bytes.clone()).await {
                Ok(answer) => return Ok(Response::decode(&answer)?),
                Err(RequestError::Connect(error)) => {
                    tracing::debug!(%node, address, %error, "a member is not there");
                }
                Err(RequestError::Address(error)) => {
                    tracing::debug!(%node, address, %error, "an address of a member is of no use");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let answer = requests.send(peer, bytes).await?;
    Ok(Response::decode(&answer)?)
}

/// Entries of one log from a number on, without gaps; or what is wrong with them.
pub(super) fn entries(
    answer: Result<Response, AskError>,
    author: NodeId,
    from: u64,
) -> Result<Vec<Entry>, String> {
    let entries = match answer {
        Ok(Response::Entries(entries)) => entries,
        Ok(Response::Refused { reason }) => return Err(reason),
        Ok(_) => return Err("it says something else".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let entries = verified(&entries)?;
    let expected = |(place, entry): (u64, &Entry)| {
        entry.author() == author && entry.seq() == from.saturating_add(place)
    };
    if entries.is_empty() || !(0..).zip(&entries).all(expected) {
        return Err(format!("it does not have the log of {author}"));
    }
    Ok(entries)
}

/// Entries as they were signed, read; or what is wrong with one of them.
pub(super) fn verified(entries: &[Bytes]) -> Result<Vec<Entry>, String> {
    let entries = entries.iter().map(|bytes| Entry::verify(bytes));
    let entries: Result<Vec<_>, _> = entries.collect();
    entries.map_err(|error| error.to_string())
}
