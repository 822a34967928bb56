//! Discovery over the parts of a running node.
//!
//! The write path tells of changes by events; the own feed is compared with the assets after each,
//! and now and then without one. The task that carries them ends with the `Shutdown` it was started
//! under; nothing is lost when it is dropped.

use cidcast_catalog::Catalog;
use cidcast_discovery::Discovery;
use cidcast_discovery::feeds::{FeedArgs, Feeds, Metrics};
use cidcast_ingest::{Event, Ingest};
use cidcast_ipfs::swarm::Swarm;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::settings;
use crate::config::{Config, DataDir};

/// Starts it. It has to be stopped before the swarm is.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    (catalog, store, swarm): (&Catalog, &Store, &Swarm),
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Discovery> {
    let args = FeedArgs {
        catalog: catalog.clone(),
        store: store.clone(),
        swarm: swarm.handle(),
        key_file: data_dir.publisher_key_file(),
        clock: Clock::System,
        metrics: Metrics::register(registry),
        settings: settings::feeds(config),
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
