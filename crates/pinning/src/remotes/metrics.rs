//! What is counted of remote services.

use cidcast_catalog::RemoteCount;
use cidcast_types::PinState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The numbers of all services. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RemoteMetrics {
    /// `cidcast_remote_pins`: pins at remote services, by service and state.
    pins: Family<InState, Gauge>,
    /// `cidcast_remote_calls_total`: what remote services were asked, by service and outcome.
    calls: Family<Called, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    service: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    service: String,
    outcome: &'static str,
}

impl RemoteMetrics {
    /// Makes the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let under = registry.sub_registry_with_prefix("cidcast_remote");
        let help = "Pins at remote services, by service and state";
        under.register("pins", help, metrics.pins.clone());
        let help = "What remote services were asked, by service and outcome";
        under.register("calls", help, metrics.calls.clone());
        metrics
    }

    pub(super) fn called(&self, service: &str, outcome: &'static str) {
        let service = service.to_owned();
        self.calls.get_or_create(&Called { service, outcome }).inc();
    }

    pub(super) fn show(&self, service: &str, counts: &[RemoteCount]) {
        for state in PinState::ALL {
            let mut counts = counts.iter();
            let found = counts.find(|found| found.service == service && found.state == state);
            let labels = InState {
                service: service.to_owned(),
                state: state.as_str(),
            };
            let pins = found.map_or(0, |found| i64::try_from(found.pins).unwrap_or(i64::MAX));
            self.pins.get_or_create(&labels).set(pins);
        }
    }
}
