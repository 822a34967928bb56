//! The pinning service, started over the running parts of a node.

use cidcast_catalog::Catalog;
use cidcast_ipfs::swarm::Swarm;
use cidcast_pinning::service::{PinningService, ServiceMetrics, ServiceParts};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;

use super::network::Reachable;

/// Starts what keeps pins for others.
pub(super) fn serve(
    (catalog, store, swarm, reachable): (&Catalog, &Store, &Swarm, &Reachable),
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> PinningService {
    let parts = ServiceParts {
        catalog: catalog.clone(),
        store: store.clone(),
        pinner: reachable.pinner.clone(),
        swarm: swarm.handle(),
        clock: Clock::System,
        metrics: ServiceMetrics::register(registry),
    };
    PinningService::start(parts, shutdown)
}
