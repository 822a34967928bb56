//! Counters of the write path, in Prometheus form.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the write path counts. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// `cidcast_ingest_upload_bytes_total`: bytes of sources received.
    pub upload_bytes: Counter,
    /// `cidcast_ingest_uploads_total`: uploads that became an asset.
    pub uploads: Counter,
    /// `cidcast_ingest_units_encoded_total`: units of work that an encoder process finished.
    pub units_encoded: Counter,
    /// `cidcast_ingest_units_reused_total`: units that were found finished.
    pub units_reused: Counter,
    /// `cidcast_ingest_encoders`: encoder processes running now.
    pub encoders: Gauge,
    /// `cidcast_ingest_ready_total`: jobs that ended in `ready`.
    pub ready: Counter,
    /// `cidcast_ingest_failed_total`: attempts that failed.
    pub failed: Counter,
}

impl Metrics {
    /// Makes the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let under = registry.sub_registry_with_prefix("cidcast_ingest");
        under.register(
            "upload_bytes",
            "Bytes of sources received",
            metrics.upload_bytes.clone(),
        );
        under.register(
            "uploads",
            "Uploads that became an asset",
            metrics.uploads.clone(),
        );
        under.register(
            "units_encoded",
            "Units of work that an encoder process finished",
            metrics.units_encoded.clone(),
        );
        under.register(
            "units_reused",
            "Units of work that were found finished",
            metrics.units_reused.clone(),
        );
        under.register(
            "encoders",
            "Encoder processes running now",
            metrics.encoders.clone(),
        );
        under.register("ready", "Jobs that ended in ready", metrics.ready.clone());
        under.register("failed", "Attempts that failed", metrics.failed.clone());
        metrics
    }
}
