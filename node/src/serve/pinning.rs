//! The pinning service and the remote ones, started over the running parts of a node.

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cidcast_catalog::Catalog;
use cidcast_ingest::Event;
use cidcast_ipfs::swarm::Swarm;
use cidcast_pinning::remotes::{
    Assets, Language, RemoteMetrics, RemoteParts, Remotes, ServiceSettings,
};
use cidcast_pinning::service::{PinningService, ServiceMetrics, ServiceParts};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::Receiver;

use super::network::Reachable;
use super::news;
use crate::config::{Config, RemoteService, ServiceAssets, ServiceKind};

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

/// Starts what has pins kept by others, and tells it when assets change.
pub(super) async fn keep_elsewhere(
    config: &Config,
    (catalog, store, swarm, reachable): (&Catalog, &Store, &Swarm, &Reachable),
    events: Receiver<Event>,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Remotes> {
    let config = config.clone();
    let services = tokio::task::spawn_blocking(move || all_settings(&config)).await??;
    let parts = RemoteParts {
        catalog: catalog.clone(),
        store: store.clone(),
        http: reachable.network.http().clone(),
        swarm: swarm.handle(),
        clock: Clock::System,
        metrics: RemoteMetrics::register(registry),
    };
    let remotes = Remotes::start(parts, services, shutdown);
    let remotes = remotes.context("pinning.services")?;
    let told = remotes.clone();
    news::tell("remote assets", events, move || told.changed(), shutdown);
    Ok(remotes)
}

/// Every service, the IPFS Cluster in place of the embedded engine among them.
fn all_settings(config: &Config) -> anyhow::Result<Vec<ServiceSettings>> {
    let services = config.pinning.services.iter().map(settings);
    let mut services: Vec<_> = services.collect::<anyhow::Result<_>>()?;
    if let Some(cluster) = config.cluster_service() {
        services.push(ServiceSettings {
            copies: Some((config.cluster.min_copies, config.cluster.max_copies)),
            ..settings(&cluster)?
        });
    }
    Ok(services)
}

fn settings(service: &RemoteService) -> anyhow::Result<ServiceSettings> {
    let secret = service.secret();
    let secret = secret.with_context(|| format!("the token of the service {}", service.name))?;
    let (language, authorization) = match service.kind {
        ServiceKind::Psa => {
            let bearer = secret.map(|token| format!("Bearer {token}"));
            (Language::Psa, bearer)
        }
        ServiceKind::IpfsCluster => {
            let basic = secret.map(|user| format!("Basic {}", BASE64_STANDARD.encode(user)));
            (Language::IpfsCluster, basic)
        }
        ServiceKind::S3 => (Language::S3, secret),
    };
    Ok(ServiceSettings {
        name: service.name.clone(),
        endpoint: service.endpoint.trim_end_matches('/').to_owned(),
        language,
        authorization,
        region: service.region.clone(),
        copies: None,
        assets: match service.assets {
            ServiceAssets::None => Assets::None,
            ServiceAssets::Public => Assets::Public,
            ServiceAssets::Shared => Assets::Shared,
            ServiceAssets::All => Assets::All,
        },
    })
}
