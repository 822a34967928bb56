//! Staying connected to the peers that the configuration names.
//!
//! One loop per peer: wait, and if the peer is not connected, dial it. First contact and
//! reconnection are the same; names are looked up anew each time. Nothing is kept, so the loop may
//! be dropped anywhere.

use std::time::Duration;

use rust_ipfs::{AddPeerOpt, Ipfs, PeerId};

use super::address::{self, AddressError};
use super::error::{ConnectError, SwarmFault};

/// How long one attempt may take, name lookup not counted.
const DIAL_DEADLINE: Duration = Duration::from_secs(30);

/// A peer as it is configured.
pub(super) struct BootstrapPeer {
    peer: PeerId,
    address: String,
}

pub(super) fn parse(addresses: &[String]) -> Result<Vec<BootstrapPeer>, AddressError> {
    let parse = |address: &String| {
        let (peer, _) = address::peer(address)?;
        let address = address.clone();
        Ok(BootstrapPeer { peer, address })
    };
    addresses.iter().map(parse).collect()
}

/// Dials `peer` now and whenever it is not connected, every `retry`. Never ends by itself.
pub(super) async fn keep(ipfs: Ipfs, peer: BootstrapPeer, retry: Duration) {
    loop {
        if !ipfs.is_connected(peer.peer).await.unwrap_or_default() {
            match dial(&ipfs, &peer).await {
                Ok(()) => tracing::info!(peer = %peer.peer, "bootstrap peer connected"),
                Err(error) => {
                    tracing::warn!(peer = %peer.peer, %error, ?retry, "bootstrap peer not reached");
                }
            }
        }
        tokio::time::sleep(retry).await;
    }
}

async fn dial(ipfs: &Ipfs, peer: &BootstrapPeer) -> Result<(), ConnectError> {
    let address = address::dialable(&peer.address).await?;
    // Tells the DHT about the peer, and that its connection is to be kept.
    let known = AddPeerOpt::with_peer_id(peer.peer)
        .add_address(address)
        .keepalive();
    let told = ipfs.add_peer(known).await;
    told.map_err(|error| ConnectError::Dial {
        address: peer.address.clone(),
        source: SwarmFault(error),
    })?;
    super::dial(ipfs, &peer.address, DIAL_DEADLINE).await
}
