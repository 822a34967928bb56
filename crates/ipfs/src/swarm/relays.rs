//! Being reachable through the relays that the configuration names.
//!
//! One loop per relay: wait, and if there is no reservation, connect and ask for one. A reservation
//! is a listener whose address goes through the relay (libp2p specification "circuit relay v2");
//! the library renews it and closes the listener when it is lost. The loop may be dropped anywhere:
//! the listener ends with the swarm.

use std::time::Duration;

use rust_ipfs::{Ipfs, ListenerId, PeerId, Protocol};
use tokio::time::timeout;

use super::address::{self, AddressError};
use super::dial;
use super::error::{ConnectError, SwarmFault};

/// How long connecting, and then reserving, may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A relay as it is configured.
pub(super) struct Relay {
    pub(super) peer: PeerId,
    address: String,
}

pub(super) fn parse(settings: &[String]) -> Result<Vec<Relay>, AddressError> {
    let parse = |address: &String| {
        let peer = address::relay(address)?;
        let address = address.clone();
        Ok(Relay { peer, address })
    };
    settings.iter().map(parse).collect()
}

/// Holds a reservation at `relay`, looking every `retry`. Never ends by itself.
pub(super) async fn keep(ipfs: Ipfs, relay: Relay, retry: Duration) {
    let mut listener = None;
    loop {
        if !is_open(&ipfs, listener).await {
            listener = match reserve(&ipfs, &relay).await {
                Ok(opened) => {
                    tracing::info!(relay = %relay.peer, "reachable through a relay");
                    Some(opened)
                }
                Err(error) => {
                    tracing::warn!(relay = %relay.peer, %error, ?retry, "the relay gives no reservation");
                    None
                }
            };
        }
        tokio::time::sleep(retry).await;
    }
}

async fn is_open(ipfs: &Ipfs, listener: Option<ListenerId>) -> bool {
    match listener {
        Some(id) => ipfs.get_listening_address(id).await.is_ok(),
        None => false,
    }
}

async fn reserve(ipfs: &Ipfs, relay: &Relay) -> Result<ListenerId, ConnectError> {
    dial::keep(ipfs, &relay.address, DEADLINE).await?;
    // Any address of the relay will do: it is connected.
    let (_, address) = address::peer(&relay.address)?;
    let through = address.with(Protocol::P2pCircuit);
    match timeout(DEADLINE, ipfs.add_listening_address(through)).await {
        Ok(Ok(listener)) => Ok(listener),
        Ok(Err(error)) => Err(ConnectError::Dial {
            address: relay.address.clone(),
            source: SwarmFault(error),
        }),
        Err(_) => Err(ConnectError::Slow {
            address: relay.address.clone(),
            deadline: DEADLINE,
        }),
    }
}
