//! What the exchange counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters and gauges of one exchange. Clones share their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Blocks received that were wanted.
    pub(crate) blocks_received: Counter,
    /// Bytes of those blocks.
    pub(crate) bytes_received: Counter,
    /// Blocks received that had arrived before.
    pub(crate) duplicates: Counter,
    /// Blocks received that nobody here wanted, or that no want's hash fits.
    pub(crate) unwanted: Counter,
    /// Blocks sent.
    pub(crate) blocks_sent: Counter,
    /// Bytes of those blocks.
    pub(crate) bytes_sent: Counter,
    /// Wants of peers that were not taken because their ledger was full.
    pub(crate) refused: Counter,
    /// Times that a peer did not answer in time.
    pub(crate) silences: Counter,
    /// Frames that could not be read.
    pub(crate) malformed: Counter,
    /// Wants that ended without their block.
    pub(crate) expired: Counter,
    /// Blocks wanted now.
    pub(crate) wants: Gauge,
    /// Peers that are linked now.
    pub(crate) peers: Gauge,
}

impl Metrics {
    /// Makes the metrics and names them in `registry` as `cidcast_exchange_…`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("cidcast_exchange");
        let counters = [
            (
                "blocks_received",
                "Wanted blocks received",
                &metrics.blocks_received,
            ),
            (
                "bytes_received",
                "Bytes of wanted blocks received",
                &metrics.bytes_received,
            ),
            (
                "duplicates",
                "Blocks received that had arrived before",
                &metrics.duplicates,
            ),
            (
                "unwanted",
                "Blocks received that nobody wanted",
                &metrics.unwanted,
            ),
            ("blocks_sent", "Blocks sent", &metrics.blocks_sent),
            ("bytes_sent", "Bytes of blocks sent", &metrics.bytes_sent),
            (
                "refused",
                "Wants of peers refused because they had too many",
                &metrics.refused,
            ),
            (
                "silences",
                "Times that a peer did not answer in time",
                &metrics.silences,
            ),
            (
                "malformed",
                "Frames that could not be read",
                &metrics.malformed,
            ),
            (
                "expired",
                "Wants that ended without their block",
                &metrics.expired,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("wants", "Blocks wanted", metrics.wants.clone());
        registry.register("peers", "Peers linked", metrics.peers.clone());
        metrics
    }
}
