//! Pings (libp2p specification "ping"): answered, sent every so often, and sent for who asks.
//!
//! Ours because the library's does too little of it: it answers the second ping on a stream only
//! when something else wakes the connection (`ipfs ping` shows 15 s), cannot ping when asked, and
//! leaves a connection open whose other end is gone. It owns no task; a request whose connection
//! closes is dropped, and its asker told.

mod handler;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::AsyncWriteExt;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    Stream, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::PingError;
use super::roster::Roster;
use handler::{Handler, Seen, once};

/// People ask for these, one at a time.
const MOST_WAITING: usize = 64;

/// Gets the stream, or is dropped if there will be none.
type Answer = oneshot::Sender<Stream>;

/// Opens ping streams through the [`Behaviour`] that it was made with.
#[derive(Debug, Clone)]
pub(super) struct Pinger(mpsc::Sender<(PeerId, Answer)>);

impl Pinger {
    /// Round trips that are measured without being asked for go to `roster`.
    pub(super) fn new(roster: Roster) -> (Self, Behaviour) {
        let (ask, asked) = mpsc::channel(MOST_WAITING);
        let dead = VecDeque::new();
        let behaviour = Behaviour {
            asked,
            roster,
            dead,
        };
        (Self(ask), behaviour)
    }

    /// Pings a connected peer `count` times, one after another; each round trip has `deadline`.
    /// One that breaks is tried again once: of several connections with a peer, one may have just
    /// been given up for a better one.
    pub(super) async fn ping(
        &self,
        peer: PeerId,
        count: u8,
        deadline: Duration,
    ) -> Result<Vec<Duration>, PingError> {
        let mut has_spare = true;
        let mut times = Vec::new();
        while times.len() < usize::from(count) {
            // Each on a stream of its own: not every peer answers twice on one.
            let mut stream = self.open(peer, deadline).await?;
            match timeout(deadline, once(&mut stream)).await {
                Ok(Ok(time)) => times.push(time),
                Ok(Err(_)) if has_spare => has_spare = false,
                Ok(Err(source)) => return Err(PingError::Broken { peer, source }),
                Err(_) => return Err(PingError::Slow { peer, deadline }),
            }
            let _ = timeout(deadline, stream.close()).await;
        }
        Ok(times)
    }

    async fn open(&self, peer: PeerId, deadline: Duration) -> Result<Stream, PingError> {
        let mut stream = match timeout(deadline, self.ask(peer)).await {
            Ok(Some(stream)) => stream,
            Ok(None) => return Err(PingError::NoStream { peer }),
            Err(_) => return Err(PingError::Slow { peer, deadline }),
        };
        // A ping alone keeps no connection open.
        stream.ignore_for_keep_alive();
        Ok(stream)
    }

    async fn ask(&self, peer: PeerId) -> Option<Stream> {
        let (answer, stream) = oneshot::channel();
        self.0.send((peer, answer)).await.ok()?;
        stream.await.ok()
    }
}

/// Carries requests to connections, and what these find out to the roster.
pub(super) struct Behaviour {
    asked: mpsc::Receiver<(PeerId, Answer)>,
    roster: Roster,
    /// Connections to close.
    dead: VecDeque<(PeerId, ConnectionId)>,
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Seen::Rtt(rtt) => self.roster.measured(&peer, rtt),
            Seen::Dead => {
                tracing::info!(%peer, "no answer to pings: the connection is closed");
                self.dead.push_back((peer, connection));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.dead.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            });
        }
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
