//! Blocks to and from a real Kubo: every block size, few and many wants, again and again, and never
//! a pause. `CIDCAST_TEST_ROUNDS` says how often (default 2; the long run is 20).

use std::path::Path;
use std::time::Duration;

use cid::Cid;
use cidcast_ipfs::Class;
use cidcast_ipfs::fetch::FetchSettings;
use cidcast_ipfs::unixfs::read::{list, read_all};
use cidcast_store::Audience;
use cidcast_testkit::{Kubo, KuboDaemon};

use crate::peer::{LONG, Peer, noise};

/// Nothing moved for so long: a stall.
const STALL: Duration = Duration::from_secs(5);
const BLOCKS: [usize; 4] = [1 << 20, 256 << 10, 64 << 10, 16 << 10];
const WANTS: [usize; 3] = [1, 16, 256];
const BYTES: usize = 4 << 20;
const FILES: usize = 1000;

pub(crate) fn rounds() -> usize {
    let given = std::env::var("CIDCAST_TEST_ROUNDS").ok();
    given.map_or(2, |rounds| rounds.parse().unwrap())
}

/// A Kubo that has the file in every block size, and a directory of small files.
struct Source {
    kubo: Kubo,
    daemon: KuboDaemon,
    content: Vec<u8>,
    /// Root CIDs by bytes of a block.
    files: Vec<(usize, Cid)>,
    directory: Cid,
}

async fn source(folder: &Path) -> Option<Source> {
    let kubo = Kubo::find(&folder.join("source")).unwrap()?;
    let daemon = kubo.online().await.unwrap();
    let content = noise(7, BYTES).to_vec();
    let file = folder.join("content");
    std::fs::write(&file, &content).unwrap();
    let add = |options: &[&str], path: &Path| -> Cid {
        let fixed = ["add", "-Q", "--cid-version=1", "--raw-leaves"];
        let path = [path.to_str().unwrap()];
        let said = kubo.run(&[&fixed, options, &path].concat()).unwrap();
        said.parse().unwrap()
    };
    let files = BLOCKS.map(|block| (block, add(&[&format!("--chunker=size-{block}")], &file)));
    let many = folder.join("many");
    std::fs::create_dir(&many).unwrap();
    for n in 0..FILES {
        std::fs::write(many.join(format!("{n:04}")), noise(n as u64, 1000 + n)).unwrap();
    }
    Some(Source {
        files: files.to_vec(),
        directory: add(&["-r"], &many),
        daemon,
        content,
        kubo,
    })
}

/// Brings a DAG to a new node, which must never wait for long.
pub(crate) async fn bring(from: &str, root: &Cid, wants: usize) -> Peer {
    let peer = Peer::new().await;
    peer.swarm.connect(from, LONG).await.unwrap();
    let settings = FetchSettings {
        width: wants,
        ..FetchSettings::new(Class::Replication)
    };
    let mut fetch = peer.network.fetch(*root, settings);
    let mut progress = fetch.progress();
    let fetched = {
        let mut work = std::pin::pin!(fetch.finish());
        loop {
            tokio::select! {
                done = &mut work => break done.unwrap(),
                moved = tokio::time::timeout(STALL, progress.changed()) => {
                    let at = *progress.borrow();
                    moved.unwrap_or_else(|_| panic!("stalled: {root} with {wants} wants at {at:?}"))
                        .unwrap();
                }
            }
        }
    };
    let holder = "test".parse().unwrap();
    peer.store.pin(&holder, root, Audience::Members).unwrap();
    drop(fetched);
    peer
}

async fn read(peer: &Peer, file: &Cid) -> Vec<u8> {
    read_all(&peer.blocks(), file, 1 << 30)
        .await
        .unwrap()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubo_gives_blocks_of_every_size_without_a_stall() {
    let folder = tempfile::tempdir().unwrap();
    let Some(source) = source(folder.path()).await else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let from = source.daemon.address().await.unwrap();
    for round in 0..rounds() {
        for (block, root) in &source.files {
            for wants in WANTS {
                let peer = bring(&from, root, wants).await;
                assert!(
                    read(&peer, root).await == source.content,
                    "round {round}: {block} bytes a block, {wants} wants"
                );
            }
        }
        let peer = bring(&from, &source.directory, 256).await;
        let files = list(&peer.blocks(), &source.directory).await.unwrap();
        assert_eq!(files.len(), FILES);
        for (n, entry) in files.iter().enumerate().step_by(97) {
            assert_eq!(read(&peer, &entry.cid).await, noise(n as u64, 1000 + n));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubo_takes_blocks_of_every_size_without_a_stall() {
    let folder = tempfile::tempdir().unwrap();
    let Some(source) = source(folder.path()).await else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let peer = Peer::new().await;
    let roots = source.files.iter().map(|(_, root)| root);
    let roots: Vec<Cid> = roots.chain([&source.directory]).copied().collect();
    for root in &roots {
        let car = folder.path().join("dag.car");
        source.kubo.export(&root.to_string(), &car).unwrap();
        let holder = "test".parse().unwrap();
        let car = std::fs::File::open(car).unwrap();
        peer.store
            .import_car(car, &holder, Audience::Anyone)
            .unwrap();
    }
    let sink = Kubo::find(&folder.path().join("sink")).unwrap().unwrap();
    let daemon = sink.online().await.unwrap();
    let address = peer.address().await;
    for round in 0..rounds() {
        daemon
            .rpc(&format!("swarm/connect?arg={address}"))
            .await
            .unwrap();
        for root in &roots {
            let pin = format!("pin/add?arg={root}");
            // 4 MiB take a fraction of a second; there is no progress to look at.
            let pinned = tokio::time::timeout(STALL * 2, daemon.rpc(&pin)).await;
            pinned
                .unwrap_or_else(|_| panic!("round {round}: stalled at {root}"))
                .unwrap();
        }
        let (_, first) = source.files[round % source.files.len()];
        let copy = folder.path().join(format!("copy-{round}"));
        sink.run(&["get", &first.to_string(), "-o", copy.to_str().unwrap()])
            .unwrap();
        assert!(std::fs::read(copy).unwrap() == source.content);
        for root in &roots {
            daemon.rpc(&format!("pin/rm?arg={root}")).await.unwrap();
        }
        daemon.rpc("repo/gc?quiet=true").await.unwrap();
    }
}
