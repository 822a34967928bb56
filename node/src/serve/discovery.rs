//! Discovery: started over the running parts of a node, and told when its assets change.

use std::sync::Arc;

use cidcast_announce::{NodeKey, Replication, ViewSharing};
use cidcast_catalog::{Catalog, Fate, FeedLimits, FollowPolicy, Watched};
use cidcast_discovery::feeds::{self, FeedSettings, Feeds};
use cidcast_discovery::figures::Figures;
use cidcast_discovery::follow::FollowersRule;
use cidcast_discovery::replication::schedule::{Rate, Schedule, Window};
use cidcast_discovery::replication::{ReplicationSettings, Start};
use cidcast_discovery::takedown::Obey;
use cidcast_discovery::trust::TrustSettings;
use cidcast_discovery::views::TakeViews;
use cidcast_discovery::{Discovery, DiscoveryArgs};
use cidcast_gateway::{Subject, Views};
use cidcast_ingest::Event;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::swarm::{Swarm, key_seed};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use cidcast_types::RootCid;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::Receiver;

use super::network::Reachable;
use super::news;
use crate::config::{self, ByteSize, Config, DataDir, Followers, Mode, Refused, Switch};

/// The parts that discovery works with.
pub(super) struct Parts<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) store: &'a Store,
    pub(super) blocks: &'a Blocks,
    pub(super) swarm: &'a Swarm,
    pub(super) reachable: &'a Reachable,
    /// What the gateway counts.
    pub(super) views: &'a Views,
}

/// Starts it. It has to be stopped before the swarm is.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    parts: Parts<'_>,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Discovery> {
    let peer_key = data_dir.swarm_key_file();
    let seed = tokio::task::spawn_blocking(move || key_seed(&peer_key)).await??;
    let views = parts.views.clone();
    let args = DiscoveryArgs {
        catalog: parts.catalog.clone(),
        store: parts.store.clone(),
        swarm: parts.swarm.handle(),
        clock: Clock::System,
        key_file: data_dir.publisher_key_file(),
        metrics: feeds::Metrics::register(registry),
        figures: Figures::register(registry),
        feeds: feed_settings(&config.discovery),
        network: parts.reachable.network.clone(),
        names: parts.reachable.names.clone(),
        blocks: parts.blocks.clone(),
        node_key: Arc::new(NodeKey::from_seed(seed)),
        bootstrap: config.swarm.bootstrap.clone(),
        trust: TrustSettings {
            fate: fate(config.discovery.refused),
        },
        followers: followers(config.discovery.followers),
        replication: replication_settings(config)?,
        watched: TakeViews::new(move || views.take().into_iter().map(watched).collect()),
    };
    Ok(Discovery::start(args, shutdown).await?)
}

fn feed_settings(discovery: &config::Discovery) -> FeedSettings {
    FeedSettings {
        mode: match discovery.mode {
            Mode::Off => feeds::Mode::Off,
            Mode::Follows => feeds::Mode::Follows,
            Mode::Open => feeds::Mode::Open,
        },
        quota: FeedLimits {
            publisher_bytes: discovery.publisher_space.bytes(),
            total_bytes: discovery.space.bytes(),
            publishers: discovery.max_publishers,
        },
        copies: Replication {
            min: discovery.min_copies,
            max: discovery.max_copies,
        },
        views: match discovery.collect_views {
            Switch::On => ViewSharing::Share,
            Switch::Off => ViewSharing::Keep,
        },
        round: discovery.ask_every.duration(),
        history: discovery.history_space.bytes(),
        ..FeedSettings::default()
    }
}

fn replication_settings(config: &Config) -> anyhow::Result<ReplicationSettings> {
    let replication = &config.replication;
    let windows = replication.schedule.iter().map(|window| {
        anyhow::Ok(Window {
            from: window.from.parse()?,
            to: window.to.parse()?,
            rate: rate(window.rate),
        })
    });
    Ok(ReplicationSettings {
        budget: replication.space.bytes(),
        parallel: replication.parallel,
        schedule: Schedule {
            otherwise: rate(replication.rate),
            windows: windows.collect::<Result<_, _>>()?,
        },
        start: match replication.paused {
            Switch::On => Start::Paused,
            Switch::Off => Start::Running,
        },
        fate: fate(config.discovery.refused),
        obey: match replication.retracted {
            Refused::Delete => Obey::Delete,
            Refused::Unindex => Obey::Unindex,
            Refused::Keep => Obey::Keep,
        },
        ..ReplicationSettings::default()
    })
}

fn rate(bytes: Option<ByteSize>) -> Rate {
    match bytes.map(ByteSize::bytes) {
        None => Rate::Unlimited,
        Some(0) => Rate::Paused,
        Some(bytes) => Rate::Bytes(bytes),
    }
}

fn watched((subject, count): (Subject, u64)) -> (Watched, u64) {
    match subject {
        Subject::Asset(asset) => (Watched::Asset(asset), count),
        Subject::Root(root) => (Watched::Root(RootCid::new(root)), count),
    }
}

fn fate(refused: Refused) -> Fate {
    match refused {
        Refused::Keep => Fate::Keep,
        Refused::Unindex => Fate::Unindex,
        Refused::Delete => Fate::Delete,
    }
}

fn followers(followers: Followers) -> FollowersRule {
    match followers {
        Followers::List => FollowersRule::List,
        Followers::FollowBack => FollowersRule::FollowBack(FollowPolicy::default()),
        Followers::Refuse => FollowersRule::Refuse,
    }
}

/// Tells the own feed whenever an asset has changed. Ends with `tasks`.
pub(super) fn follow_assets(feeds: Feeds, events: Receiver<Event>, tasks: &Shutdown) {
    news::tell("announcing", events, move || feeds.changed(), tasks);
}
