//! The part that a swarm mounts: carries requests for streams to connections.

use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;

use super::Ask;
use super::handler::{Counter, Handler};

/// Gives each connection its handler.
pub(crate) struct Behaviour {
    asked: mpsc::Receiver<(PeerId, Ask)>,
    counter: Counter,
}

impl Behaviour {
    pub(super) fn new(asked: mpsc::Receiver<(PeerId, Ask)>, counter: Counter) -> Self {
        Self { asked, counter }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(peer, self.counter.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(peer, self.counter.clone()))
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.asked.poll_recv(cx) {
            Poll::Ready(Some((peer_id, event))) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                // A peer that is not connected has none: the swarm drops the request then.
                handler: NotifyHandler::Any,
                event,
            }),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
