//! The connection handler.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    ProtocolsChange,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::buffers::Buffers;
use super::inbound::{Inbound, Read};
use super::outbound::{Need, Outbound};
use super::upgrade::Bitswap;
use super::{Incoming, Link, Outgoing, Traffic, UNREAD, UNWRITTEN};
use crate::message::Message;

/// How often deadlines are looked at: a fraction of the shortest.
const ROUND: Duration = Duration::from_secs(5);
/// Messages that the worker gets together, if as many are there: Kubo sends small blocks one by
/// one, and waking the worker costs more than reading them.
const BATCH: usize = 32;
/// Bytes after which it gets what there is.
const BATCH_BYTES: usize = 256 << 10;
/// Batches taken from the streams in one go before others get their turn.
const BURST: usize = 4;

type Event = ConnectionHandlerEvent<Bitswap, (), Infallible>;

/// See the module [`super`].
pub struct Handler {
    peer: PeerId,
    /// Where the worker hears of a new link.
    links: PollSender<Link>,
    state: State,
    inbound: Inbound,
    outbound: Outbound,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

enum State {
    /// The worker does not know of the link yet.
    New(Option<Link>, Ends),
    Linked(Ends),
    /// Until the peer opens a stream.
    Ended,
}

/// The handler's ends of the channels.
struct Ends {
    incoming: PollSender<Vec<Incoming>>,
    outgoing: mpsc::Receiver<Outgoing>,
    traffic: Arc<Traffic>,
}

impl Handler {
    pub(crate) fn new(peer: PeerId, links: PollSender<Link>, buffers: Buffers) -> Self {
        Self {
            peer,
            links,
            state: begin(peer),
            inbound: Inbound::new(buffers),
            outbound: Outbound::default(),
            timer: None,
        }
    }

    /// Begins a link if there is none.
    fn revive(&mut self) {
        if matches!(self.state, State::Ended) && !self.links.is_closed() {
            self.state = begin(self.peer);
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.inbound.clear();
        self.outbound.clear();
        self.timer = None;
    }

    /// Tells the worker of a new link.
    fn poll_announce(&mut self, cx: &mut Context<'_>) {
        let State::New(link, _) = &mut self.state else {
            return;
        };
        let told = match self.links.poll_reserve(cx) {
            Poll::Pending => return,
            Poll::Ready(Ok(())) => link
                .take()
                .is_some_and(|link| self.links.send_item(link).is_ok()),
            Poll::Ready(Err(_)) => false,
        };
        match std::mem::replace(&mut self.state, State::Ended) {
            State::New(_, ends) if told => self.state = State::Linked(ends),
            _ => self.end(),
        }
    }

    /// Writes what the worker gives; a stream is asked for by returning an event.
    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        loop {
            let State::Linked(ends) = &mut self.state else {
                return None;
            };
            let Poll::Ready(need) = self.outbound.poll(cx) else {
                return None;
            };
            match need {
                Need::Message => match ends.outgoing.poll_recv(cx) {
                    Poll::Ready(Some(outgoing)) => self.outbound.start(outgoing, Instant::now()),
                    Poll::Ready(None) => self.end(),
                    Poll::Pending => return None,
                },
                Need::Stream => {
                    self.outbound.opening();
                    let protocol = SubstreamProtocol::new(Bitswap, ());
                    return Some(Event::OutboundSubstreamRequest { protocol });
                }
                Need::End => self.end(),
            }
        }
    }

    /// Reads what the peer sends, as fast as the worker takes it.
    fn poll_inbound(&mut self, cx: &mut Context<'_>) {
        for _ in 0..BURST {
            let State::Linked(ends) = &mut self.state else {
                return;
            };
            match ends.incoming.poll_reserve(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return self.end(),
                Poll::Pending => return self.inbound.excuse(Instant::now()),
            }
            let batch = read_batch(&mut self.inbound, cx, &ends.traffic);
            if batch.is_empty() {
                return;
            }
            if ends.incoming.send_item(batch).is_err() {
                return self.end();
            }
        }
        // More may be there: the connection's other work first.
        cx.waker().wake_by_ref();
    }

    /// Looks at the deadlines while anything is unfinished.
    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            if !self.outbound.is_busy() && !self.inbound.is_partial() {
                self.timer = None;
                return;
            }
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(ROUND)));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            let now = Instant::now();
            self.inbound.expire(now);
            self.outbound.expire(now);
            cx.waker().wake_by_ref();
        }
    }

    fn dial_failed(&mut self, error: &StreamUpgradeError<Infallible>) {
        if matches!(error, StreamUpgradeError::NegotiationFailed) {
            tracing::debug!(peer = %self.peer, "does not speak bitswap");
            self.end();
        } else {
            self.outbound.failed();
        }
    }
}

/// What is there to be read, up to a batch of it.
fn read_batch(inbound: &mut Inbound, cx: &mut Context<'_>, traffic: &Traffic) -> Vec<Incoming> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH
        && bytes < BATCH_BYTES
        && let Poll::Ready(read) = inbound.poll(cx, traffic)
    {
        batch.push(match read {
            Read::Frame(frame) => {
                bytes += frame.len();
                let message = Message::decode(&frame);
                message.map_or(Incoming::Malformed, Incoming::Message)
            }
            Read::Oversized => Incoming::Oversized,
        });
    }
    batch
}

fn begin(peer: PeerId) -> State {
    let (to_worker, incoming) = mpsc::channel(UNREAD);
    let (outgoing, from_worker) = mpsc::channel(UNWRITTEN);
    let traffic = Arc::new(Traffic::default());
    let link = Link {
        peer,
        outgoing,
        incoming,
        traffic: Arc::clone(&traffic),
    };
    let ends = Ends {
        incoming: PollSender::new(to_worker),
        outgoing: from_worker,
        traffic,
    };
    State::New(Some(link), ends)
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Bitswap;
    type OutboundProtocol = Bitswap;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Bitswap> {
        SubstreamProtocol::new(Bitswap, ())
    }

    fn connection_keep_alive(&self) -> bool {
        match &self.state {
            State::New(..) => true,
            State::Ended => false,
            State::Linked(ends) => {
                ends.traffic.is_needed() || self.outbound.is_busy() || self.inbound.is_partial()
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.poll_announce(cx);
        if let Some(event) = self.poll_outbound(cx) {
            return Poll::Ready(event);
        }
        self.poll_inbound(cx);
        self.poll_timer(cx);
        if let State::Linked(ends) = &self.state {
            ends.traffic.watch(cx);
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Bitswap, Bitswap>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => {
                self.revive();
                if !matches!(self.state, State::Ended) {
                    self.inbound.add(protocol, Instant::now());
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, dialect),
                ..
            }) => self.outbound.opened(stream, dialect),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.dial_failed(&error);
            }
            ConnectionEvent::RemoteProtocolsChange(ProtocolsChange::Added(added))
                if added.clone().any(Bitswap::is_spoken) =>
            {
                self.revive();
            }
            _ => {}
        }
    }
}
