//! What a caller may choose about a store.

use crate::Metrics;
use crate::car::ImportLimits;

/// How a store behaves. The defaults suit one node on one disk.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Bytes of the disk that blocks may never take, so that unpinning (which frees space) and
    /// the catalog still have room to write. Default 16 MiB.
    pub reserve_bytes: u64,
    /// The most blocks that one pin or export may reach. Default 2,000,000 (2 TB of segments).
    pub max_dag_blocks: usize,
    /// Memory for the pin database's pages. Default 32 MiB.
    pub pin_cache_bytes: usize,
    /// Bounds of one CAR import.
    pub import: ImportLimits,
    /// Where to count; unregistered by default.
    pub metrics: Metrics,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            reserve_bytes: 16 << 20,
            max_dag_blocks: 2_000_000,
            pin_cache_bytes: 32 << 20,
            import: ImportLimits::default(),
            metrics: Metrics::default(),
        }
    }
}
