//! What a swarm counts.

use prometheus_client::registry::Registry;

use crate::{gossip, requests};

/// Counters of one swarm. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Of topics.
    pub gossip: gossip::Metrics,
    /// Of requests to and from single peers.
    pub requests: requests::Metrics,
    /// Of requests between members of a cluster.
    pub cluster_requests: requests::Metrics,
}

impl Metrics {
    /// Makes the metrics and names them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            gossip: gossip::Metrics::register(registry),
            requests: requests::Metrics::register(registry, "cidcast_requests"),
            cluster_requests: requests::Metrics::register(registry, "cidcast_cluster_requests"),
        }
    }
}
