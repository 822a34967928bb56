//! Peers with whom there is to be no connection, in either direction.
//!
//! A behaviour of our own: rust-ipfs has calls to ban peers and mounts nothing that obeys them.

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

/// Who is banned; shared between the behaviour and who decides. As many as are put in.
#[derive(Debug, Clone, Default)]
pub(super) struct Bans(Arc<RwLock<HashSet<PeerId>>>);

/// Why a connection was refused.
#[derive(Debug)]
struct Banned;

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer is banned here")
    }
}

impl std::error::Error for Banned {}

impl Bans {
    pub(super) fn add(&self, peer: PeerId) {
        let mut banned = self.0.write().unwrap_or_else(PoisonError::into_inner);
        banned.insert(peer);
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        let mut banned = self.0.write().unwrap_or_else(PoisonError::into_inner);
        banned.remove(peer);
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let banned = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match banned.contains(peer) {
            true => Err(ConnectionDenied::new(Banned)),
            false => Ok(()),
        }
    }
}

impl NetworkBehaviour for Bans {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        peer.iter().try_for_each(|peer| self.check(peer))?;
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        Ok(dummy::ConnectionHandler)
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

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
