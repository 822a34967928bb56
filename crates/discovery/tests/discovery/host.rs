//! A node without HTTP: swarm, store, catalog, discovery.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::{NodeKey, Publisher};
use cidcast_catalog::{AnnouncedQuery, Catalog, Feed, NewAsset, Patch};
use cidcast_discovery::feeds::{FeedSettings, Feeds, Metrics, Mode, Outcome};
use cidcast_discovery::follow::FollowersRule;
use cidcast_discovery::replication::ReplicationSettings;
use cidcast_discovery::trust::TrustSettings;
use cidcast_discovery::views::TakeViews;
use cidcast_discovery::{Discovery, DiscoveryArgs};
use cidcast_exchange::{Behaviour, Exchange, ExchangeSettings};
use cidcast_ipfs::names::{NameSettings, Names};
use cidcast_ipfs::swarm::{Swarm, SwarmSettings, key_seed};
use cidcast_ipfs::{Blocks, DhtRole, Network, NetworkSettings};
use cidcast_runtime::{Clock, ManualClock, Shutdown};
use cidcast_store::{Audience, Holder, Store, StoreSettings};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp, Visibility};
use multihash_codetable::{Code, MultihashDigest};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

/// Longer than anything takes on a machine that is busy with other tests.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Some day.
pub(crate) const DAY_ZERO: u64 = 1_780_000_000_000;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) swarm: Swarm,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) discovery: Discovery,
    pub(crate) clock: ManualClock,
    pub(crate) names: Names,
    tasks: Shutdown,
}

impl Host {
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::at(tempfile::tempdir().unwrap(), mode, DAY_ZERO).await
    }

    /// A host in a folder where one may have been before.
    pub(crate) async fn at(folder: TempDir, mode: Mode, now: u64) -> Self {
        let settings = FeedSettings {
            mode,
            ..FeedSettings::default()
        };
        Self::with(folder, settings, now).await
    }

    /// A new one, set up like this.
    pub(crate) async fn set_up(settings: FeedSettings) -> Self {
        Self::with(tempfile::tempdir().unwrap(), settings, DAY_ZERO).await
    }

    pub(crate) async fn with(folder: TempDir, feeds: FeedSettings, now: u64) -> Self {
        let tasks = Shutdown::new();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite"))
            .await
            .unwrap();
        let store = Store::open(&folder.path().join("store"), StoreSettings::default()).unwrap();
        let (exchange, behaviour) = Exchange::start(
            store.clone(),
            ExchangeSettings::default(),
            &mut Registry::default(),
            &tasks,
        );
        let swarm = swarm_with(folder.path(), Some(behaviour), &tasks).await;
        let settings = NetworkSettings {
            dht: DhtRole::Server,
            ..NetworkSettings::default()
        };
        let network = Network::start(&swarm, exchange, store.clone(), settings, &tasks);
        let network = network.await.unwrap();
        let names = NameSettings::new(folder.path().join("names"));
        let names = Names::start(network.clone(), names, &tasks).unwrap();
        let clock = ManualClock::at(Timestamp::from_millis(now));
        let seed = key_seed(&folder.path().join("peer.key")).unwrap();
        let args = DiscoveryArgs {
            catalog: catalog.clone(),
            store: store.clone(),
            swarm: swarm.handle(),
            clock: Clock::Manual(clock.clone()),
            key_file: folder.path().join("publisher.key"),
            metrics: Metrics::default(),
            figures: cidcast_discovery::figures::Figures::default(),
            feeds,
            blocks: Blocks::with_network(store.clone(), network.clone()),
            network,
            names: names.clone(),
            node_key: Arc::new(NodeKey::from_seed(seed)),
            bootstrap: Vec::new(),
            trust: TrustSettings::default(),
            followers: FollowersRule::default(),
            replication: ReplicationSettings::default(),
            watched: TakeViews::new(Vec::new),
        };
        let discovery = Discovery::start(args, &tasks).await.unwrap();
        Self {
            folder,
            swarm,
            catalog,
            store,
            discovery,
            clock,
            names,
            tasks,
        }
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        self.discovery.feeds()
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.feeds().publisher()
    }

    pub(crate) async fn meet(&self, other: &Self) {
        let address = other.swarm.listen_addresses().await.remove(0);
        self.swarm.connect(&address, LONG).await.unwrap();
    }

    /// Ends it; what was on its disk stays in the folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.discovery.stop(LONG).await.unwrap();
        self.swarm.stop().await.unwrap();
        self.tasks.drain(LONG).await.unwrap();
        self.catalog.close().await;
        self.store.close().unwrap();
        self.folder
    }

    /// A public asset with a package that is pinned and open to anyone.
    pub(crate) async fn make_public(&self, n: u64, title: &str) -> AssetId {
        let id = self.make_closed(n, title).await;
        let root = self.catalog.get(&id).await.unwrap().unwrap().root.unwrap();
        let holder = Holder::from(&id);
        self.store
            .pin(&holder, &root.cid(), Audience::Anyone)
            .unwrap();
        self.feeds().changed();
        id
    }

    /// The same, but not open to anyone yet.
    pub(crate) async fn make_closed(&self, n: u64, title: &str) -> AssetId {
        let now = Clock::Manual(self.clock.clone()).now();
        let id = AssetId::from_parts(now, u128::from(n));
        let (root, data) = package(n);
        let guard = self.store.in_flight();
        self.store.put(&root.cid(), &data, &guard).unwrap();
        self.store
            .pin(&Holder::from(&id), &root.cid(), Audience::Members)
            .unwrap();
        let asset = NewAsset {
            id,
            title: title.to_owned(),
            description: String::new(),
            tags: vec!["test".to_owned()],
            visibility: Visibility::Public,
            source: cidcast_catalog::NewSource {
                name: "a.mp4".to_owned(),
                bytes: n,
                cid: root.cid(),
            },
            created_at: now,
        };
        self.catalog.create(&asset).await.unwrap();
        self.catalog
            .save_package(&id, &root, 10, now)
            .await
            .unwrap();
        self.feeds().changed();
        id
    }

    pub(crate) async fn edit(&self, id: &AssetId, patch: Patch) {
        let now = Clock::Manual(self.clock.clone()).now();
        self.catalog.update(id, &patch, now).await.unwrap();
        self.feeds().changed();
    }

    pub(crate) async fn feed(&self, publisher: &Publisher) -> Option<Feed> {
        self.catalog.feed(publisher).await.unwrap()
    }

    /// Waits until so many announcements of a publisher are here.
    pub(crate) async fn has(&self, publisher: &Publisher, count: u64) -> Feed {
        let what = format!("{count} announcements");
        eventually(&what, async || {
            self.feed(publisher).await.filter(|feed| feed.have >= count)
        })
        .await
    }

    /// Titles that are listed here, the newest first.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let page = self
            .catalog
            .announced(&AnnouncedQuery::default())
            .await
            .unwrap();
        page.items
            .into_iter()
            .map(|item| item.content.title)
            .collect()
    }

    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.feeds().metrics().announcements(outcome)
    }

    pub(crate) async fn counts(&self, outcome: Outcome, at_least: u64) {
        eventually(outcome.as_str(), async || {
            (self.count(outcome) >= at_least).then_some(())
        })
        .await;
    }
}

pub(crate) async fn swarm(folder: &Path, tasks: &Shutdown) -> Swarm {
    swarm_with(folder, None, tasks).await
}

async fn swarm_with(folder: &Path, exchange: Option<Behaviour>, tasks: &Shutdown) -> Swarm {
    let mut settings = SwarmSettings::new(folder.join("peer.key"));
    settings.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    settings.services.clear();
    settings.retry = Duration::from_millis(100);
    Swarm::start(settings, exchange, tasks).await.unwrap()
}

/// A block that stands for a package: a directory without entries, another one for each `n`.
pub(crate) fn package(n: u64) -> (RootCid, Vec<u8>) {
    let mut data = vec![0x0a, 12, 0x08, 0x01, 0x42, 8];
    data.extend(n.to_be_bytes());
    let cid = Cid::new_v1(0x70, Code::Sha2_256.digest(&data));
    (RootCid::new(cid), data)
}

/// Looks until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(LONG, looking).await;
    seen.unwrap_or_else(|_| panic!("never: {what}"))
}
