//! What gossip counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of one node's gossip. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Messages handed to whoever joined their topic.
    pub received: Counter,
    /// Messages dropped because too many waited for judgement.
    pub dropped: Counter,
    /// Messages dropped because their neighbour sent too many in too short a time.
    pub too_fast: Counter,
    /// Messages of neighbours that sent so many that they are not listened to any more.
    pub floods: Counter,
    /// Messages refused unseen: larger than their topic allows, or on a topic that was not joined.
    pub refused: Counter,
    /// Messages accepted and passed on.
    pub accepted: Counter,
    /// Messages dropped as of no use.
    pub ignored: Counter,
    /// Messages rejected, and held against the neighbour they came from.
    pub rejected: Counter,
    /// Messages of this node that were sent.
    pub published: Counter,
    /// Messages of this node that nobody was there to take.
    pub unheard: Counter,
}

impl Metrics {
    /// Makes the metrics and names them in `registry` as `cidcast_gossip_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("cidcast_gossip");
        let counters = [
            (
                "received",
                "Messages taken for judgement",
                &metrics.received,
            ),
            (
                "dropped",
                "Messages dropped because too many waited",
                &metrics.dropped,
            ),
            (
                "too_fast",
                "Messages dropped because their peer sent too many",
                &metrics.too_fast,
            ),
            (
                "floods",
                "Messages of peers that flood a topic",
                &metrics.floods,
            ),
            (
                "refused",
                "Messages too large or on a topic not joined",
                &metrics.refused,
            ),
            (
                "accepted",
                "Messages accepted and passed on",
                &metrics.accepted,
            ),
            ("ignored", "Messages dropped as of no use", &metrics.ignored),
            (
                "rejected",
                "Messages rejected and held against their peer",
                &metrics.rejected,
            ),
            ("published", "Own messages sent", &metrics.published),
            (
                "unheard",
                "Own messages that no peer was there to take",
                &metrics.unheard,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }
}
