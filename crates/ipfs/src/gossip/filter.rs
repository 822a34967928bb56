//! What is refused before the library remembers anything of it.
//!
//! The library keeps a message that nobody here can judge for five seconds, and the id of it for a
//! minute: messages on topics that were not joined, and those that are too large, must not get that
//! far.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::gossipsub::{
    DataTransform, MaxCountSubscriptionFilter, Message, RawMessage, TopicHash,
    TopicSubscriptionFilter,
};

use super::{MOST_TOPICS, Metrics, PREFIX};

/// The topics that were joined, and the bytes that a message of each may have. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    topics: Arc<Mutex<HashMap<TopicHash, usize>>>,
    metrics: Metrics,
}

impl Joined {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            topics: Arc::default(),
            metrics,
        }
    }

    pub(super) fn add(&self, topic: TopicHash, max_bytes: usize) {
        self.lock().insert(topic, max_bytes);
    }

    pub(super) fn remove(&self, topic: &TopicHash) {
        self.lock().remove(topic);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TopicHash, usize>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataTransform for Joined {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        let max_bytes = self.lock().get(&raw.topic).copied();
        if max_bytes.is_none_or(|max| raw.data.len() > max) {
            self.metrics.refused.inc();
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

/// Topics whose subscribers are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours;

impl TopicSubscriptionFilter for Ours {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        topic.as_str().starts_with(PREFIX) && topic.as_str().len() <= 256
    }
}

/// A bounded number of our topics for each peer.
pub(super) fn ours() -> MaxCountSubscriptionFilter<Ours> {
    MaxCountSubscriptionFilter {
        filter: Ours,
        max_subscribed_topics: MOST_TOPICS,
        max_subscriptions_per_request: MOST_TOPICS,
    }
}
