//! Discovery over the parts of a running node.
//!
//! The write path tells of changes by events; the own feed is compared with the assets after each,
//! and now and then without one. The task that carries them ends with the `Shutdown` it was started
//! under; nothing is lost when it is dropped.

use std::sync::Arc;

use cidcast_announce::NodeKey;
use cidcast_catalog::Catalog;
use cidcast_discovery::feeds::{Feeds, Metrics};
use cidcast_discovery::follow::FollowersRule;
use cidcast_discovery::trust::TrustSettings;
use cidcast_discovery::{Discovery, DiscoveryArgs};
use cidcast_ingest::{Event, Ingest};
use cidcast_ipfs::Blocks;
use cidcast_ipfs::swarm::{Swarm, key_seed};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::network::Reachable;
use super::settings;
use crate::config::{Config, DataDir};

/// The parts that discovery works with.
pub(super) struct Parts<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) store: &'a Store,
    pub(super) swarm: &'a Swarm,
    pub(super) blocks: &'a Blocks,
    pub(super) reachable: &'a Reachable,
}

/// Starts it. It has to be stopped before the swarm is.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    parts: Parts<'_>,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Discovery> {
    let key_file = data_dir.swarm_key_file();
    let seed = tokio::task::spawn_blocking(move || key_seed(&key_file)).await??;
    let args = DiscoveryArgs {
        catalog: parts.catalog.clone(),
        store: parts.store.clone(),
        swarm: parts.swarm.handle(),
        clock: Clock::System,
        key_file: data_dir.publisher_key_file(),
        metrics: Metrics::register(registry),
        feeds: settings::feeds(config),
        network: parts.reachable.network.clone(),
        names: parts.reachable.names.clone(),
        blocks: parts.blocks.clone(),
        node_key: Arc::new(NodeKey::from_seed(seed)),
        bootstrap: config.swarm.bootstrap.clone(),
        trust: TrustSettings::default(),
        followers: FollowersRule::default(),
    };
    Ok(Discovery::start(args, shutdown).await?)
}

/// Keeps the own feed at what the write path says.
pub(super) fn keep_announcing(feeds: &Feeds, ingest: &Ingest, tasks: &Shutdown) {
    let (feeds, mut events) = (feeds.clone(), ingest.events());
    let token = tasks.token().clone();
    let work = async move {
        while is_more(&mut events).await {
            feeds.changed();
        }
    };
    tasks.spawn("announcing", async move {
        token.run_until_cancelled_owned(work).await
    });
}

/// Waits for an event, or for the loss of some.
async fn is_more(events: &mut Receiver<Event>) -> bool {
    !matches!(events.recv().await, Err(RecvError::Closed))
}
