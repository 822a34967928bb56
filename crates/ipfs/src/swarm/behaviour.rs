//! What this crate adds to the swarm of rust-ipfs.

use std::convert::Infallible;

use cidcast_exchange::Behaviour as Exchange;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;

use super::blocked::Blocked;
use super::ping;
use crate::{gossip, requests};

/// Mounted beside the behaviours of rust-ipfs. Nothing comes out of it by way of the swarm.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Infallible")]
pub(super) struct Own {
    pub(super) blocked: Blocked,
    pub(super) exchange: Toggle<Exchange>,
    pub(super) ping: ping::Behaviour,
    pub(super) gossip: gossip::Behaviour,
    pub(super) requests: requests::Behaviour,
    pub(super) cluster_requests: requests::Behaviour,
}
