//! Dialling one peer.

use std::time::Duration;

use rust_ipfs::{AddPeerOpt, DialOpts, Ipfs, Multiaddr, PeerCondition, PeerId};
use tokio::time::timeout;

use super::address::peer;
use super::error::{ConnectError, SwarmFault};
use super::resolve::dialable;

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

async fn at(
    ipfs: &Ipfs,
    address: &str,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    deadline: Duration,
) -> Result<(), ConnectError> {
    let dialling = DialOpts::peer_id(peer)
        .addresses(addresses)
        // Whoever asks wants to know whether this address works.
        .condition(PeerCondition::Always)
        .build();
    match timeout(deadline, ipfs.connect(dialling)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(ConnectError::Dial {
            address: address.to_owned(),
            source: SwarmFault(error),
        }),
        Err(_) => Err(ConnectError::Slow {
            address: address.to_owned(),
            deadline,
        }),
    }
}
