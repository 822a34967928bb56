//! A node: store, exchange and swarm.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use cidcast_exchange::{Class, Exchange, ExchangeSettings, PeerReport, Session, Standing};
use cidcast_runtime::Shutdown;
use cidcast_store::{Audience, InFlight, Store, StoreSettings};
use futures::StreamExt;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, tcp, yamux};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// Nothing in these tests takes nearly as long on a machine that does something else too.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A swarm that runs, and what can be asked of it.
pub(crate) struct Host {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    orders: mpsc::Sender<Order>,
    connected: watch::Receiver<HashSet<PeerId>>,
}

enum Order {
    Dial(Multiaddr),
    Stop,
}

impl Host {
    /// A swarm that closes connections that have been of no use for so long.
    pub(crate) async fn start<B: NetworkBehaviour + Send>(behaviour: B, idle: Duration) -> Self
    where
        B::ToSwarm: std::fmt::Debug,
    {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default(),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
            .build();
        let peer = *swarm.local_peer_id();
        swarm
            .listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap())
            .unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with_p2p(peer).unwrap();
            }
        };
        let (orders, mut ordered) = mpsc::channel(8);
        let (connections, connected) = watch::channel(HashSet::new());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => seen(&event, &connections),
                    order = ordered.recv() => match order {
                        Some(Order::Dial(address)) => swarm.dial(address).unwrap(),
                        Some(Order::Stop) | None => return,
                    },
                }
            }
        });
        Self {
            peer,
            address,
            orders,
            connected,
        }
    }

    /// Dials, and waits until both ends are connected.
    pub(crate) async fn connect(&self, other: &Host) {
        self.orders
            .send(Order::Dial(other.address.clone()))
            .await
            .unwrap();
        for (end, peer) in [(self, other.peer), (other, self.peer)] {
            end.wait(|peers| peers.contains(&peer)).await;
        }
    }

    /// Dials a node that is in another process.
    pub(crate) async fn dial(&self, address: &Multiaddr, peer: PeerId) {
        let order = Order::Dial(address.clone());
        self.orders.send(order).await.unwrap();
        self.wait(|peers| peers.contains(&peer)).await;
    }

    async fn wait(&self, until: impl Fn(&HashSet<PeerId>) -> bool) {
        let mut connected = self.connected.clone();
        let wait = connected.wait_for(|peers| until(peers));
        tokio::time::timeout(LONG, wait).await.unwrap().unwrap();
    }

    pub(crate) async fn until_gone(&self, peer: PeerId) {
        self.wait(|peers| !peers.contains(&peer)).await;
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.borrow().contains(peer)
    }

    /// Dies without a word.
    pub(crate) async fn die(&self) {
        self.orders.send(Order::Stop).await.unwrap();
    }
}

fn seen<E>(event: &SwarmEvent<E>, connections: &watch::Sender<HashSet<PeerId>>) {
    match event {
        SwarmEvent::ConnectionEstablished { peer_id, .. } => {
            connections.send_modify(|peers| {
                peers.insert(*peer_id);
            });
        }
        SwarmEvent::ConnectionClosed {
            peer_id,
            num_established: 0,
            ..
        } => connections.send_modify(|peers| {
            peers.remove(peer_id);
        }),
        _ => {}
    }
}

/// A node.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) exchange: Exchange,
    pub(crate) store: Store,
    pub(crate) shutdown: Shutdown,
    pub(crate) guard: InFlight,
    registry: Registry,
    _dir: TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(ExchangeSettings::default(), LONG).await
    }

    pub(crate) async fn with(settings: ExchangeSettings, idle: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreSettings::default()).unwrap();
        let shutdown = Shutdown::new();
        let mut registry = Registry::default();
        let (exchange, behaviour) =
            Exchange::start(store.clone(), settings, &mut registry, &shutdown);
        Self {
            host: Host::start(behaviour, idle).await,
            exchange,
            guard: store.in_flight(),
            store,
            shutdown,
            registry,
            _dir: dir,
        }
    }

    /// Stores blocks; without a pin they are for members only.
    pub(crate) fn put(&self, blocks: &[(Cid, Bytes)]) {
        for (cid, data) in blocks {
            self.store.put(cid, data, &self.guard).unwrap();
        }
    }

    /// Pins a block for an audience.
    pub(crate) fn pin(&self, cid: &Cid, audience: Audience) {
        let holder = "asset:test".parse().unwrap();
        self.store.pin(&holder, cid, audience).unwrap();
    }

    /// Lets these hosts have everything.
    pub(crate) fn befriend(&self, hosts: &[&Host]) {
        self.admit(hosts, Standing::Writer);
    }

    /// Lets these hosts have what their standing allows.
    pub(crate) fn admit(&self, hosts: &[&Host], standing: Standing) {
        let members = hosts.iter().map(|host| (host.peer, standing));
        self.exchange.set_members(members.collect());
    }

    pub(crate) fn session(&self) -> Session {
        self.exchange.session(Class::Replication)
    }

    /// A counter or gauge, by its name without the prefix.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let name = format!("cidcast_exchange_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse().unwrap()
    }

    pub(crate) async fn until_nothing_is_wanted(&self) {
        let look = async {
            while self.metric("wants") > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, look).await.unwrap();
    }

    /// Waits until a report on a peer is as expected.
    pub(crate) async fn until(
        &self,
        peer: PeerId,
        seen: impl Fn(&PeerReport) -> bool,
    ) -> PeerReport {
        let look = async {
            loop {
                let reports = self.exchange.peers();
                let report = reports.into_iter().find(|report| report.peer == peer);
                if let Some(report) = report.filter(|report| seen(report)) {
                    return report;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, look).await.unwrap()
    }
}

/// Two connected nodes; the first may have what the second has.
pub(crate) async fn pair() -> (Node, Node) {
    pair_with(LONG).await
}

/// The same, with connections that are closed after so long without use.
pub(crate) async fn pair_with(idle: Duration) -> (Node, Node) {
    let start = || Node::with(ExchangeSettings::default(), idle);
    let (taker, giver) = (start().await, start().await);
    giver.befriend(&[&taker.host]);
    taker.host.connect(&giver.host).await;
    (taker, giver)
}

/// Gets all blocks with so many asked for at a time, and looks that they are right and stored.
pub(crate) async fn fetch(node: &Node, session: &Session, blocks: &[(Cid, Bytes)], width: usize) {
    let gets = blocks
        .iter()
        .enumerate()
        .map(|(order, (cid, data))| async move {
            let got = session
                .get(cid, order as u64, Duration::from_secs(30))
                .await
                .unwrap();
            assert!(got == *data, "{cid} has other bytes");
        });
    let all = futures::stream::iter(gets).buffer_unordered(width).count();
    let count = tokio::time::timeout(LONG * 2, all).await.unwrap();
    assert_eq!(count, blocks.len());
    for (cid, _) in blocks {
        assert!(node.store.has(cid).unwrap());
    }
}
