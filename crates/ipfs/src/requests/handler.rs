//! The requests of one connection, both ways.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{AsyncWriteExt, FutureExt, StreamExt};
use libp2p::PeerId;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::places::{Place, Places};
use super::wire::{self, FrameError};
use super::{Ask, MAX_REQUEST, Metrics, NotOpened, Reply, Request};

/// Where requests of peers are taken. Clones share everything.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) spoken: StreamProtocol,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) places: Places,
    /// Whether anybody answers.
    pub(super) served: watch::Receiver<bool>,
    pub(super) deadline: Duration,
    pub(super) reading: Duration,
    pub(super) metrics: Metrics,
}

/// Opens streams for who asks, and serves those that the peer opens.
pub(crate) struct Handler {
    peer: PeerId,
    counter: Counter,
    asked: VecDeque<Ask>,
    /// At most as many as the peer has places.
    serving: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Wakes the connection when somebody begins or ends to answer, so that it tells the peer.
    served_changes: Option<BoxFuture<'static, Option<watch::Receiver<bool>>>>,
}

impl Handler {
    pub(super) fn new(peer: PeerId, counter: Counter) -> Self {
        let served = counter.served.clone();
        Self {
            peer,
            counter,
            asked: VecDeque::new(),
            serving: FuturesUnordered::new(),
            served_changes: Some(change(served)),
        }
    }

    fn serve(&self, stream: Stream) {
        match self.counter.places.try_take(self.peer) {
            Some(place) => {
                let served = self.counter.clone().serve(self.peer, stream, place);
                self.serving.push(served.boxed());
            }
            // The drop resets the stream.
            None => {
                self.counter.metrics.turned_away.inc();
            }
        }
    }
}

fn change(mut served: watch::Receiver<bool>) -> BoxFuture<'static, Option<watch::Receiver<bool>>> {
    async move { served.changed().await.ok().map(|()| served) }.boxed()
}

impl Counter {
    async fn serve(self, peer: PeerId, mut stream: Stream, place: Place) {
        let served = timeout(self.deadline, self.answer(peer, &mut stream)).await;
        match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%peer, ?error, "a request was not answered"),
            Err(_) => {
                self.metrics.late.inc();
                tracing::debug!(%peer, "a request was not answered in time");
            }
        }
        drop(place);
    }

    async fn answer(&self, peer: PeerId, stream: &mut Stream) -> Result<(), FrameError> {
        let read = timeout(self.reading, wire::read(stream, MAX_REQUEST)).await;
        let read = read.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        let bytes = read.inspect_err(|_| {
            self.metrics.malformed.inc();
        })?;
        self.metrics.received.inc();
        let (reply, answer) = oneshot::channel();
        let reply = Reply(reply);
        let request = Request { peer, bytes, reply };
        // Whether nobody is there to answer, or who is does not: the drop says so.
        let _ = self.requests.send(request).await;
        match answer.await {
            Ok(answer) => {
                wire::write(stream, &answer).await?;
                self.metrics.answered.inc();
            }
            Err(_) => {
                self.metrics.refused.inc();
            }
        }
        stream.close().await?;
        Ok(())
    }
}

/// The protocol, while somebody answers.
pub(crate) struct Offered(Option<StreamProtocol>);

impl UpgradeInfo for Offered {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offered {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ask;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offered;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Ask;

    fn listen_protocol(&self) -> SubstreamProtocol<Offered> {
        let is_served = *self.counter.served.borrow();
        SubstreamProtocol::new(Offered(is_served.then(|| self.counter.spoken.clone())), ())
    }

    fn on_behaviour_event(&mut self, ask: Ask) {
        self.asked.push_back(ask);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Ask, Infallible>> {
        if let Some(ask) = self.asked.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(
                    ReadyUpgrade::new(self.counter.spoken.clone()),
                    ask,
                ),
            });
        }
        while let Poll::Ready(Some(())) = self.serving.poll_next_unpin(cx) {}
        while let Some(waiting) = &mut self.served_changes {
            match waiting.poll_unpin(cx) {
                Poll::Ready(served) => self.served_changes = served.map(change),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Offered, ReadyUpgrade<StreamProtocol>, (), Ask>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.serve(stream),
            // Whoever does not wait any more drops the stream.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: ask,
            }) => drop(ask.send(Ok(stream))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: ask, error }) => {
                drop(ask.send(Err(not_opened(error))));
            }
            _ => {}
        }
    }
}

fn not_opened(error: StreamUpgradeError<Infallible>) -> NotOpened {
    match error {
        StreamUpgradeError::NegotiationFailed => NotOpened::Unsupported,
        StreamUpgradeError::Timeout => NotOpened::Broken(io::ErrorKind::TimedOut.into()),
        StreamUpgradeError::Io(error) => NotOpened::Broken(error),
        StreamUpgradeError::Apply(never) => match never {},
    }
}
