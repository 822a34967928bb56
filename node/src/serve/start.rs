//! Starting a node.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use cidcast_catalog::Catalog;
use cidcast_cluster::service::Cluster;
use cidcast_discovery::Discovery;
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_gateway::{Access, StaticSite, Views};
use cidcast_ingest::{Ingest, Parties};
use cidcast_ipfs::Blocks;
use cidcast_ipfs::swarm::Swarm;
use cidcast_pinning::remotes::Remotes;
use cidcast_pinning::service::PinningService;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use cidcast_transcode::Tools;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::lock::NodeLock;
use super::network::{self, Reachable};
use super::{Addresses, RunFile, Running, cluster, discovery, listener, pinning, settings, token};
use crate::api::{self, Api, Door, Facts, Gateway, InFlight, Rules, Site};
use crate::config::{Config, DataDir};

/// The sockets, open but not yet answering.
struct Sockets {
    api: TcpListener,
    gateway: TcpListener,
}

impl Sockets {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            api: bind("api.listen", config.api.listen).await?,
            gateway: bind("gateway.listen", config.gateway.listen).await?,
        })
    }
}

/// The parts below HTTP.
struct Core {
    catalog: Catalog,
    store: Store,
    blocks: Blocks,
    swarm: Swarm,
    exchange: Exchange,
    reachable: Reachable,
    /// The exchange's own: it ends after the write path and before the store.
    exchange_tasks: Shutdown,
    ingest: Ingest,
    discovery: Arc<Discovery>,
    service: PinningService,
    cluster: Cluster,
    remotes: Remotes,
    /// What the gateway counts.
    views: Views,
    encoder: String,
}

/// Starts a node; when this returns it answers and `run.json` says where.
pub(crate) async fn start(config: &Config, data_dir: DataDir) -> anyhow::Result<Running> {
    let lock = NodeLock::take(&data_dir)?;
    let door = Door::new(&config.api.tokens, &token::read_or_make(&data_dir)?);
    let mut registry = Registry::default();
    let shutdown = Shutdown::new();
    let (core, sockets) = open(config, &data_dir, &mut registry, &shutdown).await?;
    let addresses = Addresses {
        api: sockets.api.local_addr()?,
        gateway: sockets.gateway.local_addr()?,
        swarm: core.swarm.listen_addresses().await,
        peer_id: core.swarm.peer_id(),
        data_dir: data_dir.path().to_owned(),
    };
    let intake = shutdown.child();
    listen(config, &core, sockets, registry, door, &addresses, &intake);
    RunFile::of_this_process(&addresses, &data_dir)
        .write(&data_dir)
        .context("cannot write run.json")?;
    let Core {
        catalog,
        store,
        swarm,
        exchange_tasks,
        ingest,
        discovery,
        ..
    } = core;
    Ok(Running {
        catalog,
        store,
        swarm,
        discovery,
        exchange_tasks,
        ingest,
        intake,
        data_dir,
        lock,
        addresses,
    })
}

async fn open(
    config: &Config,
    data_dir: &DataDir,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<(Core, Sockets)> {
    // Before anything else changes: without tools there is nothing to serve uploads with.
    let tool_settings = settings::tool_settings(config);
    let tools = tokio::task::spawn_blocking(move || Tools::locate(&tool_settings)).await??;
    let catalog = Catalog::open(&data_dir.catalog_file()).await?;
    let store = open_store(config, data_dir, registry).await?;
    let sockets = Sockets::bind(config).await?;
    let exchange_tasks = shutdown.child();
    let tasks = (&exchange_tasks, shutdown);
    let (exchange, swarm) = mount(config, data_dir, &store, registry, tasks).await?;
    let parts = (&swarm, &exchange, &store);
    let reachable = network::start(config, data_dir, parts, &exchange_tasks).await?;
    let blocks = Blocks::with_network(store.clone(), reachable.network.clone());
    let encoder = tools.encoder().to_owned();
    let parties = Parties {
        catalog: catalog.clone(),
        store: store.clone(),
        blocks: blocks.local(),
        tools,
        clock: Clock::System,
    };
    let metrics = cidcast_ingest::Metrics::register(registry);
    let settings = settings::ingest(config, data_dir);
    let ingest = Ingest::start(settings, parties, metrics, shutdown).await?;
    let parts = (&catalog, &blocks, &ingest);
    let tell = (exchange.clone(), reachable.provider.clone());
    network::keep_providing(config.network.provide, parts, tell, &exchange_tasks);
    let views = Views::new();
    let parts = discovery::Parts {
        catalog: &catalog,
        store: &store,
        blocks: &blocks,
        swarm: &swarm,
        reachable: &reachable,
        views: &views,
    };
    let discovery = discovery::start(config, data_dir, parts, registry, &exchange_tasks).await?;
    let parts = (&catalog, &store, &swarm, &reachable);
    let service = pinning::serve(parts, registry, &exchange_tasks);
    let cluster = cluster::start(config, data_dir, parts, registry, &exchange_tasks).await?;
    let events = ingest.events();
    let remotes = pinning::keep_elsewhere(config, parts, events, registry, &exchange_tasks).await?;
    let heard = (ingest.events(), service.changes(), remotes.clone());
    cluster::follow(&cluster, heard, &exchange_tasks);
    discovery::follow_assets(discovery.feeds().clone(), ingest.events(), &exchange_tasks);
    Ok((
        Core {
            catalog,
            store,
            blocks,
            swarm,
            exchange,
            reachable,
            exchange_tasks,
            ingest,
            discovery: Arc::new(discovery),
            service,
            cluster,
            remotes,
            views,
            encoder,
        },
        sockets,
    ))
}

/// The exchange, mounted in a swarm that runs. It has its own tasks; the swarm has the node's.
async fn mount(
    config: &Config,
    data_dir: &DataDir,
    store: &Store,
    registry: &mut Registry,
    (exchange_tasks, shutdown): (&Shutdown, &Shutdown),
) -> anyhow::Result<(Exchange, Swarm)> {
    let settings = ExchangeSettings::default();
    let (exchange, behaviour) = Exchange::start(store.clone(), settings, registry, exchange_tasks);
    let metrics = cidcast_ipfs::swarm::Metrics::register(registry);
    let settings = settings::swarm(config, data_dir, metrics);
    let swarm = Swarm::start(settings, Some(behaviour), shutdown).await?;
    Ok((exchange, swarm))
}

async fn open_store(
    config: &Config,
    data_dir: &DataDir,
    registry: &mut Registry,
) -> anyhow::Result<Store> {
    let dir = data_dir.store_dir(config);
    let settings = settings::store(cidcast_store::Metrics::register(registry));
    Ok(tokio::task::spawn_blocking(move || Store::open(&dir, settings)).await??)
}

async fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address} ({key}): stop the program that uses it, or choose another \
             address; port 0 picks a free port"
        )
    })
}

/// Lets both listeners answer.
fn listen(
    config: &Config,
    core: &Core,
    sockets: Sockets,
    mut registry: Registry,
    door: Door,
    addresses: &Addresses,
    intake: &Shutdown,
) {
    let gateway = gateway_router(config, core, &mut registry, &door);
    let metrics = api::Metrics::register(&mut registry);
    let site = Site::new(
        addresses.api,
        &config.api.allowed_hosts,
        &config.api.allowed_origins,
    );
    let rules = Rules {
        door,
        site,
        in_flight: InFlight::new(config.api.max_connections),
        deadline: config.api.request_timeout.duration(),
        metrics,
    };
    let shared = Arc::new(Api {
        ingest: core.ingest.clone(),
        catalog: core.catalog.clone(),
        store: core.store.clone(),
        swarm: core.swarm.handle(),
        exchange: core.exchange.clone(),
        network: core.reachable.network.clone(),
        names: core.reachable.names.clone(),
        discovery: Arc::clone(&core.discovery),
        clock: Clock::System,
        pinner: core.reachable.pinner.clone(),
        service: core.service.clone(),
        cluster: core.cluster.clone(),
        remotes: core.remotes.clone(),
        provider: core.reachable.provider.clone(),
        gateway: gateway_address(config, addresses),
        registry: Arc::new(registry),
        shutdown: intake.clone(),
        facts: facts(config, core, addresses),
    });
    let router = api::router(shared, rules);
    let api = listener::run(
        sockets.api,
        router,
        config.api.max_connections,
        intake.clone(),
    );
    intake.spawn("api listener", api);
    let most = config.gateway.max_connections;
    let gateway = listener::run(sockets.gateway, gateway, most, intake.clone());
    intake.spawn("gateway listener", gateway);
}

fn gateway_router(
    config: &Config,
    core: &Core,
    registry: &mut Registry,
    door: &Door,
) -> axum::Router {
    let settings = settings::gateway(config);
    let keys = door.clone();
    let access = Access::new(settings.reach, move |token| keys.scope_of(token).is_some());
    cidcast_gateway::router(cidcast_gateway::State {
        catalog: core.catalog.clone(),
        blocks: core.blocks.clone(),
        store: core.store.clone(),
        access,
        site: StaticSite { get: api::web_file },
        settings,
        metrics: cidcast_gateway::Metrics::register(registry),
        views: core.views.clone(),
    })
}

fn gateway_address(config: &Config, addresses: &Addresses) -> Gateway {
    match &config.gateway.public_url {
        Some(url) => Gateway::Public(url.clone()),
        None => Gateway::Bound(addresses.gateway),
    }
}

fn facts(config: &Config, core: &Core, addresses: &Addresses) -> Facts {
    Facts {
        peer_id: addresses.peer_id.clone(),
        swarm: addresses.swarm.clone(),
        encoder: core.encoder.clone(),
        engine: config.cluster.engine,
        max_upload_bytes: config.upload.max_bytes.bytes(),
        min_free_bytes: config.upload.min_free.bytes(),
        publisher_key_file: addresses.data_dir.join("publisher.key"),
    }
}
