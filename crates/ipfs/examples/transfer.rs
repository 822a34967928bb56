//! One end of a transfer, for measuring: `cargo xtask bench exchange` starts two of these, or one
//! beside a Kubo.
//!
//! `transfer serve STORE FILE.car` imports the file, pins its root open to anyone, prints the root
//! CID and its own multiaddress, and gives blocks until its standard input ends.
//!
//! `transfer fetch STORE ADDRESS CID` connects, brings the DAG here, syncs and pins it, and prints
//! seconds, how many of them the sync and the pin took, bytes, and the longest time without a block
//! in milliseconds.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use cid::Cid;
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ipfs::fetch::FetchSettings;
use cidcast_ipfs::swarm::{Swarm, SwarmSettings};
use cidcast_ipfs::{Class, Network, NetworkSettings};
use cidcast_runtime::Shutdown;
use cidcast_store::{Audience, Holder, Store, StoreSettings};
use prometheus_client::registry::Registry;
use tokio::io::AsyncReadExt as _;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Far more than a connection on this machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    store: Store,
    swarm: Swarm,
    network: Network,
    tasks: Shutdown,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", store, car] => serve(Path::new(store), Path::new(car)).await,
        ["fetch", store, address, cid] => fetch(Path::new(store), address, &cid.parse()?).await,
        _ => Err("usage: transfer serve STORE FILE.car | fetch STORE ADDRESS CID".into()),
    }
}

async fn start(folder: &Path) -> Outcome<Node> {
    let tasks = Shutdown::new();
    let store = Store::open(folder, StoreSettings::default())?;
    let settings = ExchangeSettings::default();
    let (exchange, behaviour) =
        Exchange::start(store.clone(), settings, &mut Registry::default(), &tasks);
    let settings = SwarmSettings {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        ..SwarmSettings::new(folder.join("node.key"))
    };
    let swarm = Swarm::start(settings, Some(behaviour), &tasks).await?;
    let settings = NetworkSettings::default();
    let network = Network::start(&swarm, exchange, store.clone(), settings, &tasks).await?;
    Ok(Node {
        store,
        swarm,
        network,
        tasks,
    })
}

impl Node {
    async fn stop(self) -> Outcome<()> {
        self.tasks.trigger();
        self.swarm.stop().await?;
        self.store.close()?;
        Ok(())
    }
}

async fn serve(store: &Path, car: &Path) -> Outcome<()> {
    let node = start(store).await?;
    let holder: Holder = "transfer".parse()?;
    let roots = node
        .store
        .import_car(File::open(car)?, &holder, Audience::Anyone)?;
    let root = roots.first().ok_or("the CAR file has no root")?;
    // Reads every block, so that the system has them in memory as it has those of a Kubo that has
    // just added them: the first transfer is not about the source's disk.
    node.store.verify(|_| {}, || false)?;
    let addresses = node.swarm.listen_addresses().await;
    let address = addresses.first().ok_or("the node listens nowhere")?;
    println!("{root} {address}");
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    node.stop().await
}

async fn fetch(store: &Path, address: &str, cid: &Cid) -> Outcome<()> {
    let node = start(store).await?;
    node.swarm.connect(address, PATIENCE).await?;
    let began = Instant::now();
    let mut fetch = node
        .network
        .fetch(*cid, FetchSettings::new(Class::Replication));
    let mut progress = fetch.progress();
    let gaps = tokio::spawn(async move {
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while progress.changed().await.is_ok() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        longest
    });
    let fetched = fetch.finish().await?;
    let here = began.elapsed();
    let (held, root) = (node.store.clone(), *cid);
    let pinned = tokio::task::spawn_blocking(move || {
        let holder = "transfer".parse().unwrap_or_else(|_| unreachable!());
        held.pin(&holder, &root, Audience::Members)
    });
    let pinned = pinned.await??;
    let took = began.elapsed();
    drop(fetched);
    drop(fetch);
    let gap = gaps.await?;
    println!(
        "{} {} {} {}",
        took.as_secs_f64(),
        (took - here).as_secs_f64(),
        pinned.bytes,
        gap.as_millis()
    );
    node.stop().await
}
