//! The cluster, started over the running parts of a node, and told when its assets change.

use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::NodeKey;
use cidcast_announce::cluster::Copies;
use cidcast_catalog::Catalog;
use cidcast_cluster::Settings;
use cidcast_cluster::service::{Cluster, ClusterMetrics, ClusterParts, ClusterSettings};
use cidcast_ingest::Event;
use cidcast_ipfs::swarm::{Swarm, key_seed};
use cidcast_pinning::remotes::Remotes;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;

use super::network::Reachable;
use super::news;
use crate::config::{ByteSize, Config, DataDir, Engine};

/// Changes come in bursts.
const SETTLE: Duration = Duration::from_secs(1);
/// How often to compare without one: a root may have come into the pinset meanwhile.
const TURN: Duration = Duration::from_secs(30);

/// Takes up the seat in the cluster that this node is in, if it is in one.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    (catalog, store, swarm, reachable): (&Catalog, &Store, &Swarm, &Reachable),
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Cluster> {
    let peer_key = data_dir.swarm_key_file();
    let seed = tokio::task::spawn_blocking(move || key_seed(&peer_key)).await??;
    let parts = ClusterParts {
        catalog: catalog.clone(),
        store: store.clone(),
        pinner: reachable.pinner.clone(),
        network: reachable.network.clone(),
        swarm: swarm.handle(),
        key: Arc::new(NodeKey::from_seed(seed)),
        clock: Clock::System,
        metrics: ClusterMetrics::register(registry),
    };
    Ok(Cluster::start(parts, settings(config), shutdown).await?)
}

fn settings(config: &Config) -> ClusterSettings {
    let cluster = &config.cluster;
    ClusterSettings {
        is_on: cluster.engine == Engine::Embedded,
        machine: Settings {
            heartbeat: cluster.heartbeat.duration(),
            deadline: cluster.deadline.duration(),
            grace: cluster.grace.duration(),
            trim_delay: cluster.trim_delay.duration(),
            audit_interval: cluster.audit_interval.duration(),
            parallel_pins: cluster.parallel,
            reserve: cluster.reserve.bytes(),
        },
        capacity: cluster.capacity.map(ByteSize::bytes),
        copies: Copies::Between {
            min: cluster.min_copies,
            max: cluster.max_copies,
        },
    }
}

/// Tells the cluster what it has to know of the other parts.
pub(super) fn follow(
    cluster: &Cluster,
    (assets, requests, remotes): (Receiver<Event>, watch::Receiver<u64>, Remotes),
    shutdown: &Shutdown,
) {
    let told = cluster.clone();
    news::tell(
        "cluster assets",
        assets,
        move || told.assets_changed(),
        shutdown,
    );
    follow_requests(cluster.clone(), requests, shutdown);
    follow_remotes(cluster.clone(), remotes, shutdown);
}

/// Tells the cluster whenever pins that others asked for have.
fn follow_requests(cluster: Cluster, mut changes: watch::Receiver<u64>, shutdown: &Shutdown) {
    let token = shutdown.token().clone();
    let work = async move {
        while changes.changed().await.is_ok() {
            cluster.assets_changed();
        }
    };
    shutdown.spawn("cluster requests", async move {
        token.run_until_cancelled_owned(work).await
    });
}

/// Tells the cluster which roots services outside keep for this node.
fn follow_remotes(cluster: Cluster, remotes: Remotes, shutdown: &Shutdown) {
    let token = shutdown.token().clone();
    let mut changes = remotes.changes();
    let work = async move {
        loop {
            if let Err(error) = say_elsewhere(&cluster, &remotes).await {
                tracing::debug!(%error, "the cluster does not know yet what services keep");
            }
            tokio::select! {
                Ok(()) = changes.changed() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(TURN) => {}
            }
        }
    };
    shutdown.spawn("cluster replicas", async move {
        token.run_until_cancelled_owned(work).await
    });
}

async fn say_elsewhere(cluster: &Cluster, remotes: &Remotes) -> anyhow::Result<()> {
    let replicas = remotes.replicas().await?;
    let said = cluster.say_elsewhere(&replicas.kept, &replicas.in_doubt);
    Ok(said.await?)
}
