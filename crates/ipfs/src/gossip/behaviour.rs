//! The part that a swarm mounts: gossipsub, with what comes out of it taken in here.

use std::collections::HashMap;
use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{
    self, IdentTopic, MaxCountSubscriptionFilter, Message, MessageId, TopicHash,
};
use libp2p::swarm::behaviour::ConnectionClosed;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::filter::{Joined, Ours};
use super::pace::{Pace, Pass};
use super::{
    Command, Incoming, JoinError, Judge, MOST_UNJUDGED, Metrics, Notice, PublishError, Verdict,
    rules,
};

/// Things done in one go; the swarm's other parts have their turn then.
const MOST_AT_ONCE: usize = 64;

/// The library's.
pub(super) type Inner = gossipsub::Behaviour<Joined, MaxCountSubscriptionFilter<Ours>>;

/// What the handles say.
pub(super) struct Ears {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) notices: mpsc::UnboundedReceiver<Notice>,
}

/// Gossipsub, and who is told of its messages.
pub(crate) struct Behaviour {
    inner: Inner,
    ears: Ears,
    /// Copied into each message that is handed out.
    notices: mpsc::UnboundedSender<Notice>,
    topics: HashMap<TopicHash, mpsc::Sender<Incoming>>,
    joined: Joined,
    pace: Pace,
    /// Messages handed out and not judged.
    unjudged: usize,
    metrics: Metrics,
}

impl Behaviour {
    pub(super) fn new(
        ears: Ears,
        notices: mpsc::UnboundedSender<Notice>,
        metrics: Metrics,
    ) -> Result<Self, String> {
        let joined = Joined::new(metrics.clone());
        Ok(Self {
            inner: rules::gossipsub(joined.clone())?,
            ears,
            notices,
            topics: HashMap::new(),
            joined,
            pace: Pace::default(),
            unjudged: 0,
            metrics,
        })
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join {
                topic,
                max_bytes,
                messages,
                done,
            } => {
                let _ = done.send(self.join(topic, max_bytes, messages));
            }
            Command::Publish { topic, bytes, done } => {
                let _ = done.send(self.publish(topic, &bytes));
            }
            Command::Subscribers { topic, done } => {
                let all = self.inner.all_peers();
                let in_it = all.filter(|(_, topics)| topics.contains(&&topic));
                let _ = done.send(in_it.map(|(peer, _)| *peer).collect());
            }
        }
    }

    fn join(
        &mut self,
        topic: TopicHash,
        max_bytes: usize,
        messages: mpsc::Sender<Incoming>,
    ) -> Result<(), JoinError> {
        if self.topics.contains_key(&topic) {
            let topic = topic.into_string();
            return Err(JoinError::Joined { topic });
        }
        let name = IdentTopic::new(topic.as_str());
        // Before anybody can say anything on it.
        self.joined.add(topic.clone(), max_bytes);
        if let Err(error) = self
            .inner
            .set_topic_params(name.clone(), rules::topic_scores())
        {
            tracing::error!(%topic, error, "bad messages on the topic are not held against anybody");
        }
        if self.inner.subscribe(&name).is_err() {
            self.joined.remove(&topic);
            let topic = topic.into_string();
            return Err(JoinError::Name { topic });
        }
        self.topics.insert(topic, messages);
        Ok(())
    }

    fn leave(&mut self, topic: &TopicHash) {
        self.topics.remove(topic);
        self.inner.unsubscribe(&IdentTopic::new(topic.as_str()));
        self.joined.remove(topic);
    }

    fn publish(&mut self, topic: TopicHash, bytes: &Bytes) -> Result<(), PublishError> {
        if !self.topics.contains_key(&topic) {
            return Err(PublishError::Left);
        }
        match self.inner.publish(topic, bytes.to_vec()) {
            Ok(_) => {
                self.metrics.published.inc();
                Ok(())
            }
            // It goes round already.
            Err(gossipsub::PublishError::Duplicate) => Ok(()),
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => {
                self.metrics.unheard.inc();
                Err(PublishError::Alone)
            }
            Err(gossipsub::PublishError::MessageTooLarge) => Err(PublishError::TooLarge {
                bytes: bytes.len(),
                max: super::MAX_BYTES,
            }),
            Err(_) => Err(PublishError::Busy),
        }
    }

    fn heard(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message {
            propagation_source: peer,
            message_id,
            message,
        } = event
        else {
            return;
        };
        match self.pace.next(peer, Instant::now()) {
            Pass::Take => self.hand_out(peer, message_id, message),
            Pass::Full => {
                self.metrics.dropped.inc();
                self.report(&message_id, &peer, Verdict::Ignore);
            }
            Pass::TooFast => {
                self.metrics.too_fast.inc();
                self.report(&message_id, &peer, Verdict::Ignore);
            }
            Pass::Flood => {
                self.metrics.floods.inc();
                tracing::info!(%peer, "floods a topic: not listened to any more");
                // Not by rejecting the message: it may be a good one, and that would be held
                // against everybody else who passes it on.
                self.inner.set_application_score(&peer, rules::SHUNNED);
                self.report(&message_id, &peer, Verdict::Ignore);
            }
        }
    }

    fn hand_out(&mut self, peer: PeerId, id: MessageId, message: Message) {
        let room = match self.topics.get(&message.topic) {
            Some(messages) if self.unjudged < MOST_UNJUDGED => {
                messages.clone().try_reserve_owned().ok()
            }
            _ => None,
        };
        let Some(room) = room else {
            self.metrics.dropped.inc();
            self.pace.judged(&peer);
            self.report(&id, &peer, Verdict::Ignore);
            return;
        };
        self.unjudged += 1;
        self.metrics.received.inc();
        room.send(Incoming {
            peer,
            bytes: message.data.into(),
            judge: Judge {
                notices: self.notices.clone(),
                message: id,
                peer,
                verdict: Verdict::Ignore,
            },
        });
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Judged {
                message,
                peer,
                verdict,
            } => {
                self.unjudged = self.unjudged.saturating_sub(1);
                self.pace.judged(&peer);
                match verdict {
                    Verdict::Accept => self.metrics.accepted.inc(),
                    Verdict::Ignore => self.metrics.ignored.inc(),
                    Verdict::Reject => self.metrics.rejected.inc(),
                };
                self.report(&message, &peer, verdict);
            }
            Notice::Left(topic) => self.leave(&topic),
        }
    }

    fn report(&mut self, message: &MessageId, peer: &PeerId, verdict: Verdict) {
        let acceptance = verdict.into();
        self.inner
            .report_message_validation_result(message, peer, acceptance);
    }

    /// Takes what the handles said. Whether there was anything.
    fn listen(&mut self, cx: &mut Context<'_>) -> bool {
        if let Poll::Ready(Some(notice)) = self.ears.notices.poll_recv(cx) {
            self.note(notice);
            return true;
        }
        if let Poll::Ready(Some(command)) = self.ears.commands.poll_recv(cx) {
            self.obey(command);
            return true;
        }
        false
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <Inner as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id,
            remaining_established: 0,
            ..
        }) = &event
        {
            self.pace.forget(peer_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        for _ in 0..MOST_AT_ONCE {
            let was_told = self.listen(cx);
            match self.inner.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.heard(event),
                Poll::Ready(ToSwarm::NotifyHandler {
                    peer_id,
                    handler,
                    event,
                }) => {
                    return Poll::Ready(ToSwarm::NotifyHandler {
                        peer_id,
                        handler,
                        event,
                    });
                }
                // It dials nobody: there are no explicit peers and no peer exchange.
                Poll::Ready(_) => {}
                Poll::Pending if was_told => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
