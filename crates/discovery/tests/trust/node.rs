//! A node with everything but feeds and replication, on loopback, with a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::{NodeKey, Notice, SigningKey};
use cidcast_catalog::{Catalog, Fate, OwnKey};
use cidcast_discovery::ask::Asker;
use cidcast_discovery::delivery::{Deliveries, DeliveryArgs};
use cidcast_discovery::follow::{FollowArgs, FollowersRule, Follows, Taken};
use cidcast_discovery::join::{JoinArgs, Joining};
use cidcast_discovery::trust::{BlockLists, Trust, TrustArgs, TrustSettings};
use cidcast_discovery::wire::{Hello, NoticeAnswer, Request, Response};
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ipfs::names::{NameSettings, Names};
use cidcast_ipfs::swarm::{PeerId, Swarm, SwarmSettings};
use cidcast_ipfs::{Blocks, Network, NetworkSettings};
use cidcast_runtime::{Clock, ManualClock, Shutdown};
use cidcast_store::{Store, StoreSettings};
use cidcast_types::Timestamp;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

/// Far beyond what anything here takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// How a node differs from others.
#[derive(Default)]
pub(crate) struct Differs {
    pub(crate) bootstrap: Vec<String>,
    pub(crate) followers: FollowersRule,
    pub(crate) fate: Option<Fate>,
    pub(crate) dns: Vec<std::net::SocketAddr>,
    /// What it listens on; a free port of loopback.
    pub(crate) listen: Option<String>,
    /// Where it keeps everything; a new folder.
    pub(crate) folder: Option<TempDir>,
}

/// A node that lasts as long as the test.
pub(crate) struct Node {
    pub(crate) key: SigningKey,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) swarm: Swarm,
    pub(crate) trust: Trust,
    pub(crate) lists: BlockLists,
    pub(crate) deliveries: Deliveries,
    pub(crate) follows: Follows,
    pub(crate) joining: Joining,
    pub(crate) clock: ManualClock,
    tasks: Shutdown,
    folder: TempDir,
}

impl Node {
    pub(crate) async fn new(n: u8) -> Self {
        Self::with(n, Differs::default()).await
    }

    pub(crate) async fn with(n: u8, differs: Differs) -> Self {
        let ground = Ground::new(n, differs).await;
        let trust = TrustArgs {
            catalog: ground.catalog.clone(),
            swarm: ground.swarm.handle(),
            clock: ground.clock(),
            settings: TrustSettings {
                fate: ground.differs.fate.unwrap_or(Fate::Unindex),
            },
        };
        let trust = Trust::start(trust, &ground.tasks).await.unwrap();
        let asker = Asker::new(ground.swarm.handle().requests(), trust.clone());
        let deliveries = DeliveryArgs {
            catalog: ground.catalog.clone(),
            asker: asker.clone(),
            trust: trust.clone(),
            clock: ground.clock(),
        };
        let deliveries = Deliveries::start(deliveries, &ground.tasks);
        let follows = FollowArgs {
            catalog: ground.catalog.clone(),
            blocks: Blocks::with_network(ground.store.clone(), ground.network.clone()),
            network: ground.network.clone(),
            names: ground.names.clone(),
            swarm: ground.swarm.handle(),
            asker: asker.clone(),
            trust: trust.clone(),
            deliveries: deliveries.clone(),
            key: Arc::new(node_key(ground.folder.path())),
            clock: ground.clock(),
            followers: ground.differs.followers.clone(),
        };
        let joining = JoinArgs {
            catalog: ground.catalog.clone(),
            swarm: ground.swarm.handle(),
            asker: asker.clone(),
            trust: trust.clone(),
            clock: ground.clock(),
            bootstrap: ground.differs.bootstrap.clone(),
        };
        let node = Self {
            key: ground.key,
            lists: BlockLists::start(trust.clone(), asker, &ground.tasks),
            follows: Follows::start(follows, &ground.tasks),
            joining: Joining::start(joining, &ground.tasks),
            catalog: ground.catalog,
            store: ground.store,
            swarm: ground.swarm,
            trust,
            deliveries,
            clock: ground.hand,
            tasks: ground.tasks,
            folder: ground.folder,
        };
        node.answer();
        node
    }

    /// Answers others, as a whole node does.
    fn answer(&self) {
        let mut inbound = self.swarm.handle().requests().serve().unwrap();
        let publisher = self.key.publisher();
        let (follows, joining) = (self.follows.clone(), self.joining.clone());
        let lists = self.lists.clone();
        let answering = async move {
            while let Some(request) = inbound.next().await {
                let response = match Request::decode(&request.bytes).unwrap() {
                    Request::Hello => Response::Hello(Hello {
                        agent: "test".to_owned(),
                        mode: "follows".to_owned(),
                        publisher: Some(publisher),
                    }),
                    Request::Peers => Response::Peers(joining.peers_for(&request.peer)),
                    Request::BlockList { publisher } => {
                        Response::BlockList(lists.of(&publisher).await.unwrap())
                    }
                    Request::Notices(notices) => {
                        let mut answers = Vec::new();
                        for notice in notices {
                            let notice = Notice::verify(&notice).unwrap();
                            answers.push(match follows.take(&notice).await.unwrap() {
                                Taken::Accepted => NoticeAnswer::Accepted,
                                Taken::Later => NoticeAnswer::Later,
                                Taken::Refused(reason) => NoticeAnswer::Refused {
                                    reason: reason.to_owned(),
                                },
                            });
                        }
                        Response::Notices(answers)
                    }
                    other => panic!("nobody asks for {other:?} here"),
                };
                request.reply.send(response.encode().unwrap()).unwrap();
            }
        };
        let token = self.tasks.token().clone();
        self.tasks.spawn("answers", async move {
            token.run_until_cancelled_owned(answering).await
        });
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.swarm.peer_id().parse().unwrap()
    }

    pub(crate) fn id(&self) -> cidcast_announce::NodeId {
        self.swarm.peer_id().parse().unwrap()
    }

    pub(crate) async fn address(&self) -> String {
        self.swarm.listen_addresses().await.remove(0)
    }

    pub(crate) async fn meet(&self, other: &Self) {
        let address = other.address().await;
        self.swarm.connect(&address, LONG).await.unwrap();
        // Identify has to have told what the other speaks and where it listens.
        eventually("both know what the other speaks", async || {
            (self.knows(other) && other.knows(self)).then_some(())
        })
        .await;
    }

    pub(crate) fn knows(&self, other: &Self) -> bool {
        let peer = self.swarm.handle().peer(&other.peer());
        peer.is_some_and(|peer| !peer.listening.is_empty() && !peer.protocols.is_empty())
    }

    pub(crate) fn is_connected(&self, other: &Self) -> bool {
        self.swarm.handle().peer(&other.peer()).is_some()
    }

    /// Ends it in order, and keeps what it had on disk.
    pub(crate) async fn stop(self) -> TempDir {
        self.tasks.drain(LONG).await.unwrap();
        self.swarm.stop().await.unwrap();
        self.catalog.close().await;
        drop(self.store);
        self.folder
    }
}

/// What everything else stands on.
struct Ground {
    differs: Differs,
    key: SigningKey,
    catalog: Catalog,
    store: Store,
    swarm: Swarm,
    network: Network,
    names: Names,
    hand: ManualClock,
    tasks: Shutdown,
    folder: TempDir,
}

impl Ground {
    async fn new(n: u8, mut differs: Differs) -> Self {
        let folder = differs.folder.take();
        let folder = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let path = folder.path();
        let tasks = Shutdown::new();
        let catalog = Catalog::open(&path.join("catalog.sqlite")).await.unwrap();
        let store = Store::open(&path.join("store"), StoreSettings::default()).unwrap();
        let (exchange, behaviour) = Exchange::start(
            store.clone(),
            ExchangeSettings::default(),
            &mut Registry::default(),
            &tasks,
        );
        let listen = differs.listen.clone();
        let settings = SwarmSettings {
            listen: vec![listen.unwrap_or("/ip4/127.0.0.1/tcp/0".into())],
            bootstrap: differs.bootstrap.clone(),
            retry: Duration::from_millis(200),
            start_deadline: LONG,
            stop_deadline: LONG,
            ..SwarmSettings::new(path.join("peer.key"))
        };
        let swarm = Swarm::start(settings, Some(behaviour), &tasks)
            .await
            .unwrap();
        let settings = NetworkSettings::default();
        let network = Network::start(&swarm, exchange, store.clone(), settings, &tasks);
        let network = network.await.unwrap();
        let names = NameSettings {
            dns_servers: differs.dns.clone(),
            ..NameSettings::new(path.join("names"))
        };
        let names = Names::start(network.clone(), names, &tasks).unwrap();
        let hand = ManualClock::at(Timestamp::from_millis(1_000_000));
        let key = SigningKey::from_seed([n; 32]);
        let now = Clock::Manual(hand.clone()).now();
        let publisher = key.publisher();
        let own = catalog.set_own_publisher(&publisher, OwnKey::Confirmed, now);
        own.await.unwrap();
        Self {
            differs,
            key,
            catalog,
            store,
            swarm,
            network,
            names,
            hand,
            tasks,
            folder,
        }
    }

    fn clock(&self) -> Clock {
        Clock::Manual(self.hand.clone())
    }
}

/// The node's key, as its file has it.
fn node_key(folder: &std::path::Path) -> NodeKey {
    let seed = cidcast_ipfs::swarm::key_seed(&folder.join("peer.key")).unwrap();
    NodeKey::from_seed(seed)
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
