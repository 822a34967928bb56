//! What is counted of requests.

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::RequestError;

/// Counters of one node's requests. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Requests of this node that were answered.
    pub succeeded: Counter,
    /// Requests of this node that were not.
    pub failed: Counter,
    /// Requests of peers that were read.
    pub received: Counter,
    /// Requests of peers that were answered.
    pub answered: Counter,
    /// Requests of peers that were read and got no answer.
    pub refused: Counter,
    /// Requests of peers that were not read because too many were being served.
    pub turned_away: Counter,
    /// Requests of peers that were too large, cut off, or sent too slowly.
    pub malformed: Counter,
    /// Requests of peers whose answer was not ready, or not taken, in time.
    pub late: Counter,
}

impl Metrics {
    /// Makes the metrics and names them in `registry` as `prefix_…`.
    pub fn register(registry: &mut Registry, prefix: &'static str) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix(prefix);
        let counters = [
            (
                "succeeded",
                "Own requests that were answered",
                &metrics.succeeded,
            ),
            (
                "failed",
                "Own requests that were not answered",
                &metrics.failed,
            ),
            ("received", "Requests of peers read", &metrics.received),
            ("answered", "Requests of peers answered", &metrics.answered),
            (
                "refused",
                "Requests of peers read and not answered",
                &metrics.refused,
            ),
            (
                "turned_away",
                "Requests of peers not read because of too many",
                &metrics.turned_away,
            ),
            (
                "malformed",
                "Requests of peers too large, cut off or too slow",
                &metrics.malformed,
            ),
            (
                "late",
                "Requests of peers whose answer was not ready or taken in time",
                &metrics.late,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    pub(super) fn count(&self, answer: &Result<Bytes, RequestError>) {
        match answer {
            Ok(_) => self.succeeded.inc(),
            Err(_) => self.failed.inc(),
        };
    }
}
