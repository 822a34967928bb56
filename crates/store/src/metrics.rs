//! What the store counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters and gauges of one store. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Blocks written as new files.
    pub blocks_written: Counter,
    /// Bytes of those blocks.
    pub bytes_written: Counter,
    /// Blocks that were asked to be written and were there already.
    pub blocks_reused: Counter,
    /// Blocks that were there with other bytes and were replaced.
    pub blocks_repaired: Counter,
    /// Block files deleted.
    pub blocks_deleted: Counter,
    /// Syncs of the file system that had something to do.
    pub syncs: Counter,
    /// Writes refused because the disk is full.
    pub no_space: Counter,
    /// Corrupt blocks that `verify` found.
    pub corrupt: Counter,
    /// Pins made.
    pub pins_added: Counter,
    /// Pins removed.
    pub pins_removed: Counter,
    /// Blocks that pins refer to, each counted once.
    pub pinned_blocks: Gauge,
    /// Bytes of those blocks.
    pub pinned_bytes: Gauge,
}

impl Metrics {
    /// Makes the metrics and names them in `registry` as `cidcast_store_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("cidcast_store");
        let counters = [
            (
                "blocks_written",
                "Blocks written as new files",
                &metrics.blocks_written,
            ),
            (
                "bytes_written",
                "Bytes of blocks written as new files",
                &metrics.bytes_written,
            ),
            (
                "blocks_reused",
                "Blocks put that were there already",
                &metrics.blocks_reused,
            ),
            (
                "blocks_repaired",
                "Damaged blocks replaced by a put",
                &metrics.blocks_repaired,
            ),
            (
                "blocks_deleted",
                "Block files deleted",
                &metrics.blocks_deleted,
            ),
            ("syncs", "Syncs of the file system", &metrics.syncs),
            (
                "no_space",
                "Writes refused because the disk is full",
                &metrics.no_space,
            ),
            (
                "corrupt",
                "Corrupt blocks found by verify",
                &metrics.corrupt,
            ),
            ("pins_added", "Pins made", &metrics.pins_added),
            ("pins_removed", "Pins removed", &metrics.pins_removed),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "pinned_blocks",
            "Blocks under pins",
            metrics.pinned_blocks.clone(),
        );
        registry.register(
            "pinned_bytes",
            "Bytes of blocks under pins",
            metrics.pinned_bytes.clone(),
        );
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_metrics_show_what_was_counted() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.blocks_written.inc_by(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("cidcast_store_blocks_written_total 3"),
            "{text}"
        );
    }
}
