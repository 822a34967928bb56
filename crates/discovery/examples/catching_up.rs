//! How fast a node with nothing catches up with one that has all, for `cargo xtask bench discovery`.
//!
//! `catching_up FOLDER FEEDS LENGTH ASSETS`: two nodes in this process over loopback, the one with
//! FEEDS feeds of LENGTH announcements of ASSETS assets each. Prints JSON.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on has failed"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cidcast_announce::{
    Announcement, Draft, MediaKind, NodeKey, Op, Publish, Rendition, Replication, SigningKey,
    ViewSharing,
};
use cidcast_catalog::{Catalog, FeedLimits, Recorded};
use cidcast_discovery::feeds::{FeedSettings, Metrics, Mode, Outcome};
use cidcast_discovery::follow::FollowersRule;
use cidcast_discovery::replication::ReplicationSettings;
use cidcast_discovery::trust::TrustSettings;
use cidcast_discovery::views::TakeViews;
use cidcast_discovery::{Discovery, DiscoveryArgs};
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ipfs::names::{NameSettings, Names};
use cidcast_ipfs::swarm::{Swarm, SwarmSettings, key_seed};
use cidcast_ipfs::{Blocks, Network, NetworkSettings};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::{Audience, Holder, Store, StoreSettings};
use cidcast_types::{AssetId, RootCid, Timestamp};
use prometheus_client::registry::Registry;
use serde_json::json;

const LONG: Duration = Duration::from_secs(600);
const BEGIN: u64 = 1_700_000_000_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [folder, feeds, length, assets] = arguments[..] else {
        eprintln!("use: catching_up FOLDER FEEDS LENGTH ASSETS");
        return;
    };
    let folder = Path::new(folder);
    let shape = [feeds, length, assets].map(|number| number.parse().unwrap());
    let feeds = say(shape);
    let announcements: usize = feeds.iter().map(Vec::len).sum();
    let bytes: usize = feeds.iter().flatten().map(|one| one.bytes().len()).sum();
    let begin = Instant::now();
    for announcement in feeds.iter().flatten() {
        Announcement::verify(announcement.bytes()).unwrap();
    }
    let verifying = begin.elapsed().as_secs_f64();

    let giver = Node::start(&folder.join("giver")).await;
    for feed in &feeds {
        giver.keep(feed).await;
    }
    let taker = Node::start(&folder.join("taker")).await;
    let address = giver.swarm.listen_addresses().await.remove(0);
    let begin = Instant::now();
    taker.swarm.connect(&address, LONG).await.unwrap();
    let metrics = taker.discovery.feeds().metrics();
    let mut seconds = f64::INFINITY;
    while begin.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if metrics.announcements(Outcome::Applied) >= announcements as u64 {
            seconds = begin.elapsed().as_secs_f64();
            break;
        }
    }
    println!(
        "{}",
        json!({
            "announcements": announcements, "bytes": bytes, "seconds": seconds,
            "verify_s": verifying, "announcements_per_s": announcements as f64 / seconds,
            "megabytes_per_s": bytes as f64 / 1e6 / seconds,
        })
    );
    taker.stop().await;
    giver.stop().await;
}

struct Node {
    swarm: Swarm,
    catalog: Catalog,
    store: Store,
    discovery: Discovery,
    tasks: Shutdown,
}

impl Node {
    async fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let tasks = Shutdown::new();
        let catalog = Catalog::open(&folder.join("catalog.sqlite")).await.unwrap();
        let store = Store::open(&folder.join("store"), StoreSettings::default()).unwrap();
        let (exchange, behaviour) = Exchange::start(
            store.clone(),
            ExchangeSettings::default(),
            &mut Registry::default(),
            &tasks,
        );
        let mut settings = SwarmSettings::new(folder.join("peer.key"));
        settings.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        settings.services.clear();
        let swarm = Swarm::start(settings, Some(behaviour), &tasks)
            .await
            .unwrap();
        let settings = NetworkSettings::default();
        let network = Network::start(&swarm, exchange, store.clone(), settings, &tasks);
        let network = network.await.unwrap();
        let names = NameSettings::new(folder.join("names"));
        let names = Names::start(network.clone(), names, &tasks).unwrap();
        let seed = key_seed(&folder.join("peer.key")).unwrap();
        let args = DiscoveryArgs {
            catalog: catalog.clone(),
            store: store.clone(),
            swarm: swarm.handle(),
            clock: Clock::System,
            key_file: folder.join("publisher.key"),
            figures: cidcast_discovery::figures::Figures::default(),
            metrics: Metrics::default(),
            feeds: FeedSettings {
                mode: Mode::Open,
                ..FeedSettings::default()
            },
            blocks: Blocks::with_network(store.clone(), network.clone()),
            network,
            names,
            node_key: Arc::new(NodeKey::from_seed(seed)),
            bootstrap: Vec::new(),
            trust: TrustSettings::default(),
            followers: FollowersRule::default(),
            replication: ReplicationSettings::default(),
            watched: TakeViews::new(Vec::new),
        };
        let discovery = Discovery::start(args, &tasks).await.unwrap();
        Self {
            swarm,
            catalog,
            store,
            discovery,
            tasks,
        }
    }

    /// A feed as if it had come here: blocks, then rows.
    async fn keep(&self, feed: &[Announcement]) {
        let Some(publisher) = feed.first().map(Announcement::publisher) else {
            return;
        };
        let holder: Holder = format!("feed/{publisher}").parse().unwrap();
        let guard = self.store.in_flight();
        for one in feed {
            self.store.put(&one.cid(), one.bytes(), &guard).unwrap();
        }
        let cids: Vec<_> = feed.iter().map(Announcement::cid).collect();
        let pinned = self.store.pin_blocks(&holder, &cids, Audience::Anyone);
        pinned.unwrap();
        let limits = FeedLimits {
            publisher_bytes: u64::MAX,
            total_bytes: u64::MAX,
            publishers: u64::MAX,
        };
        let now = Timestamp::from_millis(BEGIN);
        let done = self.catalog.record(feed, &limits, now).await.unwrap();
        assert!(done.iter().all(|one| matches!(one, Recorded::Applied(_))));
    }

    async fn stop(self) {
        self.discovery.stop(LONG).await.unwrap();
        self.swarm.stop().await.unwrap();
        self.tasks.drain(LONG).await.unwrap();
        self.catalog.close().await;
        self.store.close().unwrap();
    }
}

fn say([feeds, length, assets]: [u64; 3]) -> Vec<Vec<Announcement>> {
    let feed = |n: u64| {
        let mut seed = [3; 32];
        for (place, byte) in seed.iter_mut().zip(n.to_be_bytes()) {
            *place = byte;
        }
        let key = SigningKey::from_seed(seed);
        let mut feed: Vec<Announcement> = Vec::new();
        for seq in 0..length {
            let first = (n * length + seq) * assets;
            let ops = (first..first + assets).map(|n| Op::Publish(Box::new(publish(n))));
            let draft = Draft {
                seq,
                prev: feed.last().map(Announcement::cid),
                at: Timestamp::from_millis(BEGIN + seq),
                ops: ops.collect(),
            };
            feed.push(Announcement::sign(&key, draft).unwrap());
        }
        feed
    };
    (0..feeds).map(feed).collect()
}

fn publish(n: u64) -> Publish {
    let root = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    let rendition = |name: &str, kind, folder: &str| Rendition {
        name: name.parse().unwrap(),
        kind,
        bytes: 12_000_000,
        path: format!("{folder}/{name}"),
    };
    let video = |width, height| MediaKind::Video { width, height };
    let at = Timestamp::from_millis(BEGIN + n);
    Publish {
        asset: AssetId::from_parts(at, u128::from(n)),
        root: root.parse::<RootCid>().unwrap(),
        title: format!("A title of usual length, number {n}"),
        description: "What the asset is about, in a few sentences. ".repeat(6),
        tags: vec!["documentary".to_owned(), format!("tag{}", n % 1000)],
        created_at: at,
        duration_ms: 55_000,
        bytes: 40_000_000,
        renditions: vec![
            rendition("1080p", video(1920, 1080), "video"),
            rendition("720p", video(1280, 720), "video"),
            rendition("480p", video(854, 480), "video"),
            rendition("audio", MediaKind::Audio, "audio"),
        ],
        poster: Some("poster.jpg".to_owned()),
        language: Some("en".to_owned()),
        replication: Replication { min: 2, max: 5 },
        views: ViewSharing::Share,
    }
}
