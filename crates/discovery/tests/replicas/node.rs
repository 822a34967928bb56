//! A node with replication and all that it needs, on loopback. Feeds do not travel here: a test
//! records announcements where they would have arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{
    Announcement, Draft, MediaKind, NodeKey, Notice, Op, Profile, Publish, Rendition, Replication,
    SigningKey, ViewSharing,
};
use cidcast_catalog::{
    AssetOf, Catalog, FeedLimits, FollowOrigin, FollowPolicy, NewFollow, NoticeLimits, OwnKey,
    Recorded, Replica, Replicate,
};
use cidcast_discovery::ask::Asker;
use cidcast_discovery::delivery::{Deliveries, DeliveryArgs};
use cidcast_discovery::figures::Figures;
use cidcast_discovery::notices::{Elsewhere, ElsewhereArgs, Herald, HeraldArgs, Inbox};
use cidcast_discovery::replication::{Replicas, ReplicationArgs, ReplicationSettings};
use cidcast_discovery::trust::{Trust, TrustArgs, TrustSettings};
use cidcast_discovery::wire::{NoticeAnswer, Request, Response};
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ipfs::swarm::{Swarm, SwarmSettings};
use cidcast_ipfs::unixfs::add::{Tree, add_bytes};
use cidcast_ipfs::unixfs::read;
use cidcast_ipfs::{Blocks, Network, NetworkSettings};
use cidcast_runtime::{Clock, ManualClock, Shutdown};
use cidcast_store::{Audience, Store, StoreSettings};
use cidcast_types::{AssetId, Cid, PinState, RootCid, Timestamp};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

/// Far beyond what anything here takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// A node that lasts as long as the test.
pub(crate) struct Node {
    pub(crate) key: SigningKey,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) swarm: Swarm,
    pub(crate) replicas: Replicas,
    pub(crate) herald: Herald,
    pub(crate) clock: ManualClock,
    tasks: Shutdown,
    folder: TempDir,
}

impl Node {
    pub(crate) async fn new(n: u8) -> Self {
        Self::with(n, ReplicationSettings::default(), None).await
    }

    pub(crate) async fn with(
        n: u8,
        settings: ReplicationSettings,
        folder: Option<TempDir>,
    ) -> Self {
        let folder = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let path = folder.path();
        let tasks = Shutdown::new();
        let catalog = Catalog::open(&path.join("catalog.sqlite")).await.unwrap();
        let store = Store::open(&path.join("store"), StoreSettings::default()).unwrap();
        // As a starting node does: what no pin holds goes.
        store.sweep().unwrap();
        let (exchange, behaviour) = Exchange::start(
            store.clone(),
            ExchangeSettings::default(),
            &mut Registry::default(),
            &tasks,
        );
        let swarm = SwarmSettings {
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            start_deadline: LONG,
            stop_deadline: LONG,
            ..SwarmSettings::new(path.join("peer.key"))
        };
        let swarm = Swarm::start(swarm, Some(behaviour), &tasks).await.unwrap();
        let network = NetworkSettings::default();
        let network = Network::start(&swarm, exchange, store.clone(), network, &tasks);
        let network = network.await.unwrap();
        let hand = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let clock = Clock::Manual(hand.clone());
        let key = SigningKey::from_seed([n; 32]);
        let own = key.publisher();
        let set = catalog.set_own_publisher(&own, OwnKey::Confirmed, clock.now());
        set.await.unwrap();
        let (deliveries, inbox, elsewhere) = talk(&catalog, &swarm, &clock, &tasks).await;
        let seed = cidcast_ipfs::swarm::key_seed(&path.join("peer.key")).unwrap();
        let herald = Herald::new(HeraldArgs {
            catalog: catalog.clone(),
            deliveries,
            key: NodeKey::from_seed(seed).into(),
            obey: settings.obey,
            promise: settings.promise,
        });
        let replication = ReplicationArgs {
            catalog: catalog.clone(),
            store: store.clone(),
            network,
            swarm: swarm.handle(),
            herald: herald.clone(),
            elsewhere: elsewhere.clone(),
            figures: Figures::default(),
            clock,
            settings,
        };
        let node = Self {
            key,
            replicas: Replicas::start(replication, &tasks),
            catalog,
            store,
            swarm,
            herald,
            clock: hand,
            tasks,
            folder,
        };
        node.answer(inbox, elsewhere);
        node
    }

    /// Takes notices and passes them on, as a whole node does.
    fn answer(&self, inbox: Inbox, elsewhere: Elsewhere) {
        let mut inbound = self.swarm.handle().requests().serve().unwrap();
        let (swarm, clock) = (self.swarm.handle(), Clock::Manual(self.clock.clone()));
        let answering = async move {
            while let Some(request) = inbound.next().await {
                let response = match Request::decode(&request.bytes).unwrap() {
                    Request::Notices(notices) => {
                        let mut answers = Vec::new();
                        for notice in notices {
                            answers.push(take(&inbox, &notice, clock.now()).await);
                        }
                        Response::Notices(answers)
                    }
                    Request::Copies {
                        publisher,
                        asset,
                        after,
                    } => {
                        let answer = elsewhere.answer(publisher, asset, after).await;
                        let mut copies = answer.unwrap().0;
                        let peers = swarm.peers().into_iter();
                        copies.addresses = peers
                            .filter_map(|peer| Some(peer.addresses().first()?.1.clone()))
                            .collect();
                        Response::Copies(copies)
                    }
                    other => panic!("nobody asks for {other:?} here"),
                };
                // Whoever asked may be gone.
                let _ = request.reply.send(response.encode().unwrap());
            }
        };
        let token = self.tasks.token().clone();
        self.tasks.spawn("answers", async move {
            token.run_until_cancelled_owned(answering).await
        });
    }

    pub(crate) async fn address(&self) -> String {
        self.swarm.listen_addresses().await.remove(0)
    }

    pub(crate) fn id(&self) -> cidcast_announce::NodeId {
        self.swarm.peer_id().parse().unwrap()
    }

    /// Announcements of this node's publisher: its profile, then each list of operations.
    pub(crate) async fn feed(&self, all: Vec<Vec<Op>>) -> Vec<Announcement> {
        let profile = Op::Profile(Profile {
            name: "Origin".to_owned(),
            nodes: vec![self.address().await],
            ..Profile::default()
        });
        let mut prev = None;
        let sign = |(seq, ops): (usize, Vec<Op>)| {
            let seq = seq as u64;
            let at = Timestamp::from_millis(1_000 + seq);
            let draft = Draft { seq, prev, at, ops };
            let announcement = Announcement::sign(&self.key, draft).unwrap();
            prev = Some(announcement.cid());
            announcement
        };
        let all = std::iter::once(vec![profile]).chain(all);
        all.enumerate().map(sign).collect()
    }

    /// As if the announcements had travelled here.
    pub(crate) async fn hear(&self, feed: &[Announcement]) {
        const ROOMY: FeedLimits = FeedLimits {
            publisher_bytes: 1 << 24,
            total_bytes: 1 << 30,
            publishers: 100,
        };
        let now = Clock::Manual(self.clock.clone()).now();
        let recorded = self.catalog.record(feed, &ROOMY, now).await.unwrap();
        for one in recorded {
            let is_fine = matches!(
                one,
                Recorded::Applied(_) | Recorded::Superseded | Recorded::Duplicate
            );
            assert!(is_fine, "{one:?}");
        }
        self.replicas.wake();
    }

    /// Follows the publisher of another node.
    pub(crate) async fn follow(&self, other: &Self, policy: FollowPolicy) {
        let new = NewFollow {
            target: other.key.publisher().to_string(),
            origin: FollowOrigin::Operator,
            policy,
            publisher: Some(other.key.publisher()),
            nodes: Vec::new(),
        };
        let now = Clock::Manual(self.clock.clone()).now();
        self.catalog.add_follow(&new, now).await.unwrap();
        self.replicas.wake();
    }

    /// Waits until the copy of an asset is as `wanted` asks.
    pub(crate) async fn until<T>(
        &self,
        of: &AssetOf,
        wanted: impl Fn(Option<Replica>) -> Option<T>,
    ) -> T {
        eventually("the copy is as it should be", async || {
            wanted(self.catalog.replica(of).await.unwrap())
        })
        .await
    }

    pub(crate) async fn until_pinned(&self, of: &AssetOf) -> Replica {
        self.until(of, |row| row.filter(|row| row.state == PinState::Pinned))
            .await
    }

    /// Whether everything of a file is here.
    pub(crate) async fn reads(&self, root: &Cid, path: &str) -> Option<Bytes> {
        let blocks = Blocks::new(self.store.clone());
        let node = read::resolve(&blocks, root, path).await.ok()?;
        read::read_all(&blocks, &node.cid, 1 << 30).await.ok()
    }

    /// Ends it in order, and keeps what it had on disk.
    pub(crate) async fn stop(self) -> TempDir {
        self.tasks.drain(LONG).await.unwrap();
        self.swarm.stop().await.unwrap();
        self.catalog.close().await;
        self.store.close().unwrap();
        drop((self.store, self.replicas, self.herald));
        self.folder
    }
}

/// A package with two pictures and one sound, and what was put into it.
pub(crate) struct Package {
    pub(crate) of: AssetOf,
    pub(crate) root: Cid,
    pub(crate) files: BTreeMap<String, Bytes>,
    pub(crate) op: Op,
}

impl Package {
    /// One of `segments` segments of `bytes` bytes in each rendition, added and pinned at `node`.
    pub(crate) fn at(node: &Node, n: u64, segments: usize, bytes: usize) -> Self {
        let mut files = BTreeMap::new();
        for path in ["master.m3u8", "manifest.mpd", "asset.json", "poster.jpg"] {
            files.insert(path.to_owned(), noise(n, path, 500));
        }
        let mut renditions = Vec::new();
        for (folder, kind) in [
            (
                "video/720p",
                MediaKind::Video {
                    width: 1280,
                    height: 720,
                },
            ),
            (
                "video/480p",
                MediaKind::Video {
                    width: 854,
                    height: 480,
                },
            ),
            ("audio/audio", MediaKind::Audio),
        ] {
            for segment in 0..segments {
                let path = format!("{folder}/{segment:05}.m4s");
                files.insert(path.clone(), noise(n, &path, bytes));
            }
            renditions.push(Rendition {
                name: folder.rsplit('/').next().unwrap().parse().unwrap(),
                kind,
                bytes: (segments * bytes) as u64,
                path: folder.to_owned(),
            });
        }
        let guard = node.store.in_flight();
        let mut tree = Tree::new();
        for (path, content) in &files {
            let file = add_bytes(&node.store, &guard, content).unwrap();
            tree.insert(path, file).unwrap();
        }
        let root = tree.finish(&node.store, &guard).unwrap().cid;
        let holder = format!("test/{n}").parse().unwrap();
        let summary = node.store.pin(&holder, &root, Audience::Anyone).unwrap();
        let asset = AssetId::from_parts(Timestamp::from_millis(n), u128::from(n));
        let publish = Publish {
            asset,
            root: RootCid::new(root),
            title: format!("Title {n}"),
            description: String::new(),
            tags: Vec::new(),
            created_at: Timestamp::from_millis(n),
            duration_ms: 1,
            bytes: summary.bytes,
            renditions,
            poster: None,
            language: None,
            replication: Replication { min: 1, max: 5 },
            views: ViewSharing::Share,
        };
        Self {
            of: AssetOf {
                publisher: node.key.publisher(),
                asset,
            },
            root,
            files,
            op: Op::Publish(Box::new(publish)),
        }
    }
}

/// Everything there is.
pub(crate) fn all() -> FollowPolicy {
    FollowPolicy {
        replicate: Replicate::All,
        ..FollowPolicy::default()
    }
}

/// Bytes that differ for each asset and path.
fn noise(n: u64, path: &str, len: usize) -> Bytes {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in path.bytes() {
        state = state.wrapping_mul(31).wrapping_add(u64::from(byte)) | 1;
    }
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(next).collect()
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

async fn take(inbox: &Inbox, notice: &[u8], now: Timestamp) -> NoticeAnswer {
    let notice = Notice::verify(notice).unwrap();
    match inbox.take(&notice, now).await {
        Ok(()) => NoticeAnswer::Accepted,
        Err(error) => NoticeAnswer::Refused {
            reason: error.to_string(),
        },
    }
}

/// What tells others, and what hears them.
async fn talk(
    catalog: &Catalog,
    swarm: &Swarm,
    clock: &Clock,
    tasks: &Shutdown,
) -> (Deliveries, Inbox, Elsewhere) {
    let trust = TrustArgs {
        catalog: catalog.clone(),
        swarm: swarm.handle(),
        clock: clock.clone(),
        settings: TrustSettings::default(),
    };
    let trust = Trust::start(trust, tasks).await.unwrap();
    let asker = Asker::new(swarm.handle().requests(), trust.clone());
    let deliveries = DeliveryArgs {
        catalog: catalog.clone(),
        asker: asker.clone(),
        trust: trust.clone(),
        clock: clock.clone(),
    };
    let deliveries = Deliveries::start(deliveries, tasks);
    let inbox = Inbox::new(catalog.clone(), NoticeLimits::default());
    let elsewhere = ElsewhereArgs {
        catalog: catalog.clone(),
        swarm: swarm.handle(),
        asker,
        trust,
        inbox: inbox.clone(),
        clock: clock.clone(),
    };
    let elsewhere = Elsewhere::start(elsewhere, tasks);
    (deliveries, inbox, elsewhere)
}
