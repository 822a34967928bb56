//! What the service counts.

use cidcast_catalog::RequestState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The numbers of the service. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ServiceMetrics {
    /// `cidcast_psa_pins`: pins that are kept for others, by state.
    pins: Family<InState, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

impl ServiceMetrics {
    /// Makes the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let under = registry.sub_registry_with_prefix("cidcast_psa");
        let help = "Pins that are kept for others, by state";
        under.register("pins", help, metrics.pins.clone());
        metrics
    }

    pub(super) fn show(&self, counts: &[(RequestState, u64)]) {
        for state in RequestState::ALL {
            let many = counts.iter().find(|(counted, _)| counted == state);
            let labels = InState {
                state: state.as_str(),
            };
            let many = many.map_or(0, |(_, many)| i64::try_from(*many).unwrap_or(i64::MAX));
            self.pins.get_or_create(&labels).set(many);
        }
    }
}
