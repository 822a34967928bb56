//! Staying connected to the nodes that mDNS finds in the local network.
//!
//! One loop: wait until a node appears or leaves, or for a while, then make what is connected what
//! is there. A node that leaves is no longer kept; nothing is stored, so the loop may be dropped
//! anywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use rust_ipfs::{DialOpts, Ipfs, Multiaddr, PeerCondition, PeerId};
use tokio::time::timeout;

use super::dial;
use super::roster::Roster;

/// A neighbour answers at once or is gone.
const DIAL_DEADLINE: Duration = Duration::from_secs(5);

/// Never ends by itself. Peers that are `kept` for another reason stay so when they leave.
pub(super) async fn keep(ipfs: Ipfs, roster: Roster, kept: BTreeSet<PeerId>, retry: Duration) {
    let mut known = BTreeSet::new();
    loop {
        let there = roster.neighbours();
        for gone in known.iter().filter(|peer| !there.contains_key(peer)) {
            if !kept.contains(gone) {
                let _ = ipfs.remove_peer(*gone).await;
            }
        }
        known = there.keys().copied().collect();
        // As many at a time as the roster holds.
        join_all(there.into_iter().map(|(peer, at)| meet(&ipfs, peer, at))).await;
        let _ = timeout(retry, roster.neighbours_change()).await;
    }
}

async fn meet(ipfs: &Ipfs, peer: PeerId, addresses: BTreeSet<Multiaddr>) {
    if ipfs.is_connected(peer).await.unwrap_or_default() {
        return;
    }
    let addresses: Vec<Multiaddr> = addresses.into_iter().collect();
    if dial::protect(ipfs, peer, addresses.clone()).await.is_err() {
        return;
    }
    let dialling = DialOpts::peer_id(peer)
        .addresses(addresses)
        // Both sides find each other at the same time; one connection is enough.
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .build();
    match timeout(DIAL_DEADLINE, ipfs.connect(dialling)).await {
        Ok(Ok(_)) => tracing::info!(%peer, "connected with a node in the local network"),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a node in the local network refuses"),
        Err(_) => tracing::debug!(%peer, "a node in the local network does not answer"),
    }
}
