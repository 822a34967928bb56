//! Pinging a peer now.
//!
//! The library's own ping behaviour decides by itself when to ping. This one opens a ping stream
//! (libp2p specification "ping") to a connected peer for whoever asks, and leaves the pinging on it
//! to them. It owns no task; a request whose connection closes is dropped, and its asker told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{DeniedUpgrade, ReadyUpgrade};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::error::PingError;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
/// Bytes of one ping (specification).
const PING_BYTES: usize = 32;
/// People ask for these, one at a time.
const MOST_WAITING: usize = 64;

/// Gets the stream, or is dropped if there will be none.
type Answer = oneshot::Sender<Stream>;

/// Opens ping streams through the [`Behaviour`] that it was made with.
#[derive(Debug, Clone)]
pub(super) struct Pinger(mpsc::Sender<(PeerId, Answer)>);

impl Pinger {
    pub(super) fn new() -> (Self, Behaviour) {
        let (ask, asked) = mpsc::channel(MOST_WAITING);
        (Self(ask), Behaviour { asked })
    }

    /// Pings a connected peer `count` times, one after another; each round trip has `deadline`. A
    /// stream that breaks is opened again once: of several connections with a peer, one may have
    /// just been given up for a better one.
    pub(super) async fn ping(
        &self,
        peer: PeerId,
        count: u8,
        deadline: Duration,
    ) -> Result<Vec<Duration>, PingError> {
        let mut stream = self.open(peer, deadline).await?;
        let mut has_spare = true;
        let mut times = Vec::new();
        while times.len() < usize::from(count) {
            match timeout(deadline, once(&mut stream)).await {
                Ok(Ok(time)) => times.push(time),
                Ok(Err(_)) if has_spare => {
                    has_spare = false;
                    stream = self.open(peer, deadline).await?;
                }
                Ok(Err(source)) => return Err(PingError::Broken { peer, source }),
                Err(_) => return Err(PingError::Slow { peer, deadline }),
            }
        }
        let _ = timeout(deadline, stream.close()).await;
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

async fn once(stream: &mut Stream) -> std::io::Result<Duration> {
    let mut sent = [0; PING_BYTES];
    getrandom::fill(&mut sent).map_err(std::io::Error::other)?;
    let began = Instant::now();
    stream.write_all(&sent).await?;
    stream.flush().await?;
    let mut back = [0; PING_BYTES];
    stream.read_exact(&mut back).await?;
    if back != sent {
        let problem = "other bytes came back than were sent";
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            problem,
        ));
    }
    Ok(began.elapsed())
}

/// Carries requests to connections.
pub(super) struct Behaviour {
    asked: mpsc::Receiver<(PeerId, Answer)>,
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
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
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

/// Opens the streams of one connection.
#[derive(Default)]
pub(super) struct Handler {
    /// At most as many as people wait for.
    waiting: VecDeque<Answer>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Answer;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Answer;

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        // Pings of others are answered by the library's own behaviour.
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn on_behaviour_event(&mut self, answer: Answer) {
        self.waiting.push_back(answer);
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Answer, Infallible>> {
        match self.waiting.pop_front() {
            Some(answer) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), answer),
            }),
            None => Poll::Pending,
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, DeniedUpgrade, ReadyUpgrade<StreamProtocol>, (), Answer>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: answer,
            }) => {
                // Whoever does not wait any more drops the stream.
                let _ = answer.send(stream);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) => drop(info),
            _ => {}
        }
    }
}
