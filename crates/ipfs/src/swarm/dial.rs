//! Dialling one peer.

use std::time::Duration;

use rust_ipfs::{AddPeerOpt, DialOpts, Ipfs, Multiaddr, PeerCondition, PeerId};
use tokio::time::{sleep, timeout};

use super::address::peer;
use super::error::{ConnectError, SwarmFault};
use super::resolve::dialable;

/// How long one of two nodes that dialled each other waits for the other: a few round trips.
const AFTER_YOU: Duration = Duration::from_millis(500);

/// Connects to the peer that `address` names, unless it is connected. The connection is closed
/// when nobody has used it for a while.
pub(crate) async fn dial(
    ipfs: &Ipfs,
    address: &str,
    deadline: Duration,
) -> Result<(), ConnectError> {
    let (peer, _) = peer(address)?;
    if ipfs.is_connected(peer).await.unwrap_or_default() {
        return Ok(());
    }
    let addresses = dialable(address).await?;
    at(ipfs, address, peer, addresses, deadline).await
}

/// As [`dial`], and the connection is kept open until the peer is removed. The DHT hears of it.
pub(super) async fn keep(
    ipfs: &Ipfs,
    address: &str,
    deadline: Duration,
) -> Result<PeerId, ConnectError> {
    let (peer, _) = peer(address)?;
    let addresses = dialable(address).await?;
    protect(ipfs, peer, addresses.clone())
        .await
        .map_err(|source| ConnectError::Dial {
            address: address.to_owned(),
            source,
        })?;
    if !ipfs.is_connected(peer).await.unwrap_or_default() {
        at(ipfs, address, peer, addresses, deadline).await?;
    }
    Ok(peer)
}

/// Tells the swarm that connections with `peer` are to be kept, and the DHT where it is.
pub(super) async fn protect(
    ipfs: &Ipfs,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
) -> Result<(), SwarmFault> {
    let known = AddPeerOpt::with_peer_id(peer).set_addresses(addresses);
    ipfs.add_peer(known.keepalive()).await.map_err(SwarmFault)
}

/// Dials, and once more if that fails: two nodes that dial each other from the ports on which they
/// listen may meet in one TCP connection, where both speak first, and neither dial succeeds.
async fn at(
    ipfs: &Ipfs,
    address: &str,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    deadline: Duration,
) -> Result<(), ConnectError> {
    let slow = || ConnectError::Slow {
        address: address.to_owned(),
        deadline,
    };
    let dialling = async {
        let Err(first) = once(ipfs, peer, addresses.clone()).await else {
            return Ok(());
        };
        // They would meet again: one dials now, the other one leaves it time to.
        if ipfs.keypair().public().to_peer_id() < peer {
            sleep(AFTER_YOU).await;
        }
        if ipfs.is_connected(peer).await.unwrap_or_default() {
            return Ok(());
        }
        tracing::debug!(%peer, error = %first, "dialling once more");
        once(ipfs, peer, addresses).await
    };
    let dialled = timeout(deadline, dialling).await.map_err(|_| slow())?;
    dialled.map_err(|source| ConnectError::Dial {
        address: address.to_owned(),
        source,
    })
}

async fn once(ipfs: &Ipfs, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), SwarmFault> {
    let dialling = DialOpts::peer_id(peer)
        .addresses(addresses)
        // Whoever asks wants to know whether this address works.
        .condition(PeerCondition::Always)
        .build();
    let dialled = ipfs.connect(dialling).await;
    dialled.map(|_| ()).map_err(SwarmFault)
}
