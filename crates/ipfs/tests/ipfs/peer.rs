//! Whole nodes on loopback: store, exchange, swarm, network.

use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ipfs::swarm::{Swarm, SwarmSettings};
use cidcast_ipfs::unixfs::add::{Tree, add_bytes};
use cidcast_ipfs::{Blocks, DhtRole, Network, NetworkSettings};
use cidcast_runtime::Shutdown;
use cidcast_store::{Audience, Store, StoreSettings};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

/// Far beyond what anything here takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A node that lasts as long as the test.
pub(crate) struct Peer {
    pub(crate) store: Store,
    pub(crate) swarm: Swarm,
    pub(crate) network: Network,
    pub(crate) tasks: Shutdown,
    pub(crate) folder: TempDir,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        Self::with(NetworkSettings::default()).await
    }

    /// A node that answers questions about the DHT, although nobody can reach it from outside.
    pub(crate) async fn serving_dht() -> Self {
        Self::with(NetworkSettings {
            dht: DhtRole::Server,
            ..NetworkSettings::default()
        })
        .await
    }

    pub(crate) async fn with(settings: NetworkSettings) -> Self {
        Self::on(tempfile::tempdir().unwrap(), settings).await
    }

    pub(crate) async fn on(folder: TempDir, settings: NetworkSettings) -> Self {
        let tasks = Shutdown::new();
        let store = Store::open(&folder.path().join("store"), StoreSettings::default()).unwrap();
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
            ..SwarmSettings::new(folder.path().join("node.key"))
        };
        let swarm = Swarm::start(swarm, Some(behaviour), &tasks).await.unwrap();
        let network = Network::start(&swarm, exchange, store.clone(), settings, &tasks);
        Self {
            network: network.await.unwrap(),
            store,
            swarm,
            tasks,
            folder,
        }
    }

    pub(crate) async fn address(&self) -> String {
        self.swarm.listen_addresses().await.remove(0)
    }

    pub(crate) async fn meet(&self, other: &Self) {
        let address = other.address().await;
        self.swarm.connect(&address, LONG).await.unwrap();
    }

    pub(crate) fn blocks(&self) -> Blocks {
        Blocks::with_network(self.store.clone(), self.network.clone())
    }

    /// Adds a directory like a package: `segments` files of `bytes` bytes and a playlist. Returns
    /// its root and how many blocks and bytes it has.
    pub(crate) fn add_package(&self, segments: usize, bytes: usize, audience: Audience) -> Package {
        let paths = (0..segments).map(|n| format!("video/720p/{n:05}.m4s"));
        self.add_files(paths, bytes, audience)
    }

    /// As [`Self::add_package`], with several renditions, open to anyone.
    pub(crate) fn add_renditions(&self, renditions: &[&str], segments: usize) -> Package {
        let of = |rendition| (0..segments).map(move |n| format!("{rendition}/{n:05}.m4s"));
        self.add_files(renditions.iter().flat_map(of), 300_000, Audience::Anyone)
    }

    fn add_files(
        &self,
        paths: impl Iterator<Item = String>,
        bytes: usize,
        audience: Audience,
    ) -> Package {
        let guard = self.store.in_flight();
        let mut tree = Tree::new();
        let mut files = Vec::new();
        let playlist = Bytes::from_static(b"#EXTM3U\n");
        let contents = paths
            .enumerate()
            .map(|(n, path)| (path, noise(n as u64, bytes)));
        for (path, content) in contents.chain([("master.m3u8".to_owned(), playlist)]) {
            let link = add_bytes(&self.store, &guard, &content).unwrap();
            tree.insert(&path, link).unwrap();
            files.push((path, content));
        }
        let root = tree.finish(&self.store, &guard).unwrap().cid;
        let holder = "test".parse().unwrap();
        let pinned = self.store.pin(&holder, &root, audience).unwrap();
        Package {
            root,
            files,
            blocks: pinned.blocks,
            bytes: pinned.bytes,
        }
    }
}

/// What was added.
pub(crate) struct Package {
    pub(crate) root: Cid,
    pub(crate) files: Vec<(String, Bytes)>,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// Bytes that do not repeat.
pub(crate) fn noise(seed: u64, len: usize) -> Bytes {
    cidcast_testkit::noise(seed, len).into()
}
