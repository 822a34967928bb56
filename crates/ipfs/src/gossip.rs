//! Topics: what one node says, all who joined hear.
//!
//! gossipsub 1.1 (libp2p specification "pubsub/gossipsub"), as a behaviour of our own, because what
//! rust-ipfs mounts passes a message on before anybody has looked at it (docs/adr/0010). Here a
//! message is held until whoever joined the topic has judged it ([`Judge`]): only what is accepted
//! goes on to other peers, and who sends what is rejected is soon not listened to any more.
//!
//! Messages carry no sender: what is said must say for itself who signed it. Their id is the hash of
//! their topic and bytes, so the same bytes are heard once a minute at most, whoever sends them.
//!
//! Owns: no task; all of it runs inside the swarm's. Ends: with the swarm. Bounds: messages of at
//! most [`MAX_BYTES`], [`MOST_UNJUDGED`] of them waiting for judgement, a share of that for each
//! peer, and a rate for each peer ([`pace`]). What exceeds a bound is dropped and counted: gossip is
//! a fast path, never the only one.
//!
//! Cancel safety: a publish whose caller is gone may still be sent.

mod behaviour;
mod filter;
mod metrics;
mod pace;
mod rules;

use std::fmt;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId, TopicHash};
use tokio::sync::{mpsc, oneshot};

pub(crate) use behaviour::Behaviour;
pub use metrics::Metrics;

/// Bytes of the largest message on any topic: an announcement has at most 64 KiB.
pub const MAX_BYTES: usize = 80 << 10;
/// Messages that wait for judgement, over all topics: about 20 MiB at the most.
pub const MOST_UNJUDGED: usize = 256;
/// How topics of ours begin. Of others, nobody's subscriptions are kept.
pub const PREFIX: &str = "/cidcast/";
/// Topics that one peer may be in.
const MOST_TOPICS: usize = 32;
/// Calls that wait for the swarm's task; callers wait beyond that.
const MOST_WAITING: usize = 64;

/// Joins topics. Cheap to clone.
#[derive(Clone)]
pub struct Gossip {
    commands: mpsc::Sender<Command>,
    notices: mpsc::UnboundedSender<Notice>,
}

/// A topic that was joined, to speak to. Cheap to clone; it does not keep the topic joined.
#[derive(Clone)]
pub struct Topic {
    commands: mpsc::Sender<Command>,
    topic: TopicHash,
    max_bytes: usize,
}

/// What is said on a topic. The topic is left when this is dropped.
pub struct Messages {
    messages: mpsc::Receiver<Incoming>,
    notices: mpsc::UnboundedSender<Notice>,
    topic: TopicHash,
}

/// A message that nobody has passed on yet.
#[derive(Debug)]
pub struct Incoming {
    /// The neighbour it came from; not who wrote it.
    pub peer: PeerId,
    /// What was said.
    pub bytes: Bytes,
    /// To be told what to do with it.
    pub judge: Judge,
}

/// Waits for the verdict on one message. Dropped, it says [`Verdict::Ignore`].
#[must_use = "without a verdict the message is not passed on"]
pub struct Judge {
    notices: mpsc::UnboundedSender<Notice>,
    message: MessageId,
    peer: PeerId,
    verdict: Verdict,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is good: pass it on.
    Accept,
    /// It is of no use, and nobody's fault: drop it.
    Ignore,
    /// Its bytes alone say that no honest node would have passed it on: drop it, and hold it
    /// against every neighbour that did. Not for what depends on the time or on what is known here.
    Reject,
}

/// Why a topic was not joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Not a topic of ours.
    #[error("{topic:?} is not a topic of this network; it must begin with {PREFIX}")]
    Name {
        /// The topic.
        topic: String,
    },
    /// Somebody in this node listens already.
    #[error("{topic} is joined already; its messages go to whoever joined first")]
    Joined {
        /// The topic.
        topic: String,
    },
    /// The swarm has ended.
    #[error("the swarm has ended; start the node again")]
    Ended,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connected peer is in the topic.
    #[error("no connected peer listens; connect to one: cidcast peer connect ADDRESS")]
    Alone,
    /// The message is larger than the topic allows.
    #[error("the message has {bytes} bytes; at most {max} are allowed on this topic")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// Every peer's line is full.
    #[error("every connected peer is too slow to take more; try again in a few seconds")]
    Busy,
    /// The topic was left, or the swarm has ended.
    #[error("the topic was left; join it again")]
    Left,
}

/// What the handle asks of the behaviour.
enum Command {
    Join {
        topic: TopicHash,
        max_bytes: usize,
        messages: mpsc::Sender<Incoming>,
        done: oneshot::Sender<Result<(), JoinError>>,
    },
    Publish {
        topic: TopicHash,
        bytes: Bytes,
        done: oneshot::Sender<Result<(), PublishError>>,
    },
    Subscribers {
        topic: TopicHash,
        done: oneshot::Sender<Vec<PeerId>>,
    },
}

/// What the behaviour is told. At most one for each message that waits and each topic.
enum Notice {
    Judged {
        message: MessageId,
        peer: PeerId,
        verdict: Verdict,
    },
    Left(TopicHash),
}

impl Gossip {
    /// A handle, and the behaviour that has to be mounted for it.
    ///
    /// # Errors
    ///
    /// What the library says about the rules of this crate: a broken build.
    pub(crate) fn new(metrics: Metrics) -> Result<(Self, Behaviour), String> {
        let (commands, commands_in) = mpsc::channel(MOST_WAITING);
        let (notices, notices_in) = mpsc::unbounded_channel();
        let ears = behaviour::Ears {
            commands: commands_in,
            notices: notices_in,
        };
        let behaviour = Behaviour::new(ears, notices.clone(), metrics)?;
        Ok((Self { commands, notices }, behaviour))
    }

    /// Joins a topic whose messages have at most `max_bytes` (and [`MAX_BYTES`]).
    ///
    /// # Errors
    ///
    /// [`JoinError`]
    pub async fn join(
        &self,
        topic: &str,
        max_bytes: usize,
    ) -> Result<(Topic, Messages), JoinError> {
        if !topic.starts_with(PREFIX) {
            let topic = topic.to_owned();
            return Err(JoinError::Name { topic });
        }
        let max_bytes = max_bytes.min(MAX_BYTES);
        let topic = TopicHash::from_raw(topic);
        let (messages, messages_out) = mpsc::channel(MOST_UNJUDGED);
        let (done, joined) = oneshot::channel();
        let join = Command::Join {
            topic: topic.clone(),
            max_bytes,
            messages,
            done,
        };
        let told = self.commands.send(join).await;
        told.map_err(|_| JoinError::Ended)?;
        joined.await.map_err(|_| JoinError::Ended)??;
        let messages = Messages {
            messages: messages_out,
            notices: self.notices.clone(),
            topic: topic.clone(),
        };
        let topic = Topic {
            commands: self.commands.clone(),
            topic,
            max_bytes,
        };
        Ok((topic, messages))
    }
}

impl Topic {
    /// Sends `bytes` to every connected peer that is in the topic; these pass it on. Bytes that
    /// went round within the last minute are not sent again, and that is no error.
    ///
    /// # Errors
    ///
    /// [`PublishError`]
    pub async fn publish(&self, bytes: Bytes) -> Result<(), PublishError> {
        if bytes.len() > self.max_bytes {
            return Err(PublishError::TooLarge {
                bytes: bytes.len(),
                max: self.max_bytes,
            });
        }
        let (done, published) = oneshot::channel();
        let topic = self.topic.clone();
        let publish = Command::Publish { topic, bytes, done };
        let told = self.commands.send(publish).await;
        told.map_err(|_| PublishError::Left)?;
        published.await.map_err(|_| PublishError::Left)?
    }

    /// The connected peers that are in the topic.
    pub async fn subscribers(&self) -> Vec<PeerId> {
        let (done, subscribers) = oneshot::channel();
        let topic = self.topic.clone();
        let asked = self.commands.send(Command::Subscribers { topic, done });
        if asked.await.is_err() {
            return Vec::new();
        }
        subscribers.await.unwrap_or_default()
    }
}

impl Messages {
    /// The next one. None once the swarm has ended.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.messages.recv().await
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let _ = self.notices.send(Notice::Left(self.topic.clone()));
    }
}

impl Judge {
    /// Says what to do. Takes effect only while the message is remembered, for a few seconds.
    pub fn say(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // A swarm that has ended passes nothing on.
        let _ = self.notices.send(Notice::Judged {
            message: self.message.clone(),
            peer: self.peer,
            verdict: self.verdict,
        });
    }
}

impl From<Verdict> for MessageAcceptance {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Ignore => Self::Ignore,
            Verdict::Reject => Self::Reject,
        }
    }
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip").finish_non_exhaustive()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.topic.as_str()).finish()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("Messages");
        shown.field(&self.topic.as_str()).finish()
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
