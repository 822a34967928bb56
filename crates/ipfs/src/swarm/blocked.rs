//! Peers that this node has nothing to do with: every connection with them is refused.
//!
//! It closes nothing by itself: whoever blocks a peer disconnects it too.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// The blocked peers. Clones share them; mounted, it refuses.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked(Arc<RwLock<HashSet<PeerId>>>);

/// Why a connection is refused. The other side sees a closed connection only.
#[derive(Debug)]
struct IsBlocked;

impl fmt::Display for IsBlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer is blocked here")
    }
}

impl std::error::Error for IsBlocked {}

impl Blocked {
    /// Replaces all of them; those that are new.
    pub(super) fn set(&self, peers: HashSet<PeerId>) -> Vec<PeerId> {
        let mut blocked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = peers.difference(&blocked).copied().collect();
        *blocked = peers;
        new
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let blocked = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match blocked.contains(peer) {
            true => Err(ConnectionDenied::new(IsBlocked)),
            false => Ok(()),
        }
    }
}

impl NetworkBehaviour for Blocked {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        match peer {
            Some(peer) => self.check(&peer).map(|()| Vec::new()),
            None => Ok(Vec::new()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map(|()| dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map(|()| dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
