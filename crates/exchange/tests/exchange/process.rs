//! What a peer can cost a real `cidcast serve`: its memory and its open files stay where they are.
//!
//! `CIDCAST_TEST_ROUNDS` makes it longer (default 1; 100 take some minutes).

use std::collections::HashSet;
use std::fs::File;
use std::time::Instant;

use cid::Cid;
use cidcast_store::{Audience, Store, StoreSettings};
use cidcast_testkit::{NodeSettings, cli};
use futures::AsyncWriteExt;
use libp2p::Multiaddr;
use multihash_codetable::{Code, MultihashDigest};
use serde_json::Value;
use tempfile::TempDir;

use crate::content::{MIB, blocks, cid_of};
use crate::node::LONG;
use crate::raw::Raw;
use crate::wire::{self, Want, wants};

/// What the node has: more than anybody may be owed at a time.
const BLOCKS: u64 = 64;
/// What may come on top once everything has been used: 20 peers at their bounds would be this.
const SLACK: u64 = 64 << 20;
/// What may come on top of that, however often it is repeated: allocators keep some.
const CREEP: u64 = 16 << 20;

fn rounds() -> usize {
    let given = std::env::var("CIDCAST_TEST_ROUNDS").ok();
    given.map_or(1, |rounds| rounds.parse().unwrap())
}

/// A node in a process of its own, with blocks for anyone.
struct Serving {
    node: cidcast_testkit::Node,
    address: Multiaddr,
    content: Vec<Cid>,
    _folder: TempDir,
}

impl Serving {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("node");
        let settings = NodeSettings::default();
        let node = cidcast_testkit::Node::start(&dir, &settings);
        let node = node.await.unwrap();
        let content = give(&folder, &node);
        let about = node.text(&node.api("/api/v1/node")).await.unwrap();
        let about: Value = serde_json::from_str(&about).unwrap();
        let address = about["addresses"][0].as_str().unwrap();
        Self {
            address: address.parse().unwrap(),
            node,
            content,
            _folder: folder,
        }
    }

    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.node.pid());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }

    fn open_files(&self) -> usize {
        let open = format!("/proc/{}/fd", self.node.pid());
        std::fs::read_dir(open).unwrap().count()
    }

    async fn sent(&self) -> u64 {
        let name = "cidcast_exchange_blocks_sent_total";
        self.node.metric(name).await.unwrap()
    }
}

/// Imports a DAG and opens it to anyone; its leaves.
fn give(folder: &TempDir, node: &cidcast_testkit::Node) -> Vec<Cid> {
    let store = Store::open(&folder.path().join("made"), StoreSettings::default()).unwrap();
    let guard = store.in_flight();
    let content = blocks(BLOCKS, MIB);
    for (cid, data) in &content {
        store.put(cid, data, &guard).unwrap();
    }
    let leaves: Vec<Cid> = content.into_iter().map(|(cid, _)| cid).collect();
    let data = wire::node(&leaves);
    let root = Cid::new_v1(0x70, Code::Sha2_256.digest(&data));
    store.put(&root, &data, &guard).unwrap();
    let holder = "test".parse().unwrap();
    store.pin(&holder, &root, Audience::Anyone).unwrap();
    let car = folder.path().join("content.car");
    store
        .export_car(&root, File::create(&car).unwrap())
        .unwrap();
    let root = root.to_string();
    for arguments in [
        &["store", "import", car.to_str().unwrap()][..],
        &["pin", "add", &root, "--audience", "anyone"],
    ] {
        let said = cli(node.data_dir(), arguments).unwrap();
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    leaves
}

/// Gets every block, and is told that other CIDs are not there.
async fn use_it(serving: &Serving, peer: &mut Raw) {
    let absent = cid_of(b"nobody has this");
    for cid in serving.content.iter().chain([&absent]) {
        peer.send(&wants([cid], Want::Block)).await;
    }
    let mut missing: HashSet<Cid> = serving.content.iter().copied().collect();
    let mut is_refused = false;
    while !missing.is_empty() || !is_refused {
        let seen = peer.next().await;
        for data in seen.blocks {
            missing.remove(&cid_of(&data));
        }
        is_refused |= seen.dont_haves.contains(&absent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_wants_again_and_again_do_not_make_a_node_grow() {
    let serving = Serving::start().await;
    let mut peer = Raw::reading_from(&serving.address).await;
    use_it(&serving, &mut peer).await;
    let (before, mut first) = (serving.memory(), None);
    for round in 0..5 * rounds() as u64 {
        let cids: Vec<Cid> = (0..10_000_u64)
            .map(|n| cid_of(&(round * 10_000 + n).to_le_bytes()))
            .collect();
        for part in cids.chunks(2500) {
            peer.send(&wants(part, Want::Block)).await;
        }
        let mut refused = 0;
        while refused < 9000 {
            refused += peer.next().await.dont_haves.len();
        }
        let now = serving.memory();
        assert!(now < before + SLACK, "round {round}: {before} became {now}");
        let first = *first.get_or_insert(now);
        assert!(now < first + CREEP, "round {round}: {first} became {now}");
    }
    println!("{before} bytes became {}", serving.memory());
    use_it(&serving, &mut Raw::reading_from(&serving.address).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_ask_for_much_and_never_read_do_not_make_a_node_grow() {
    let serving = Serving::start().await;
    let mut peer = Raw::reading_from(&serving.address).await;
    use_it(&serving, &mut peer).await;
    let before = serving.memory();
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let sent = serving.sent().await;
        let mut slow = Raw::deaf_to(&serving.address).await;
        for _ in 0..4 {
            slow.send(&wants(&serving.content, Want::Block)).await;
        }
        let began = Instant::now();
        while serving.sent().await == sent {
            assert!(began.elapsed() < LONG, "nothing is sent to it");
        }
        deaf.push(slow);
    }
    // Others are served as before, and the deaf ones are owed no more than their share meanwhile.
    for _ in 0..2 * rounds() {
        use_it(&serving, &mut peer).await;
    }
    let now = serving.memory();
    println!("{before} bytes became {now} with 8 slow readers");
    assert!(now < before + SLACK, "{before} became {now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_messages_leave_no_stream_or_file_open() {
    let serving = Serving::start().await;
    let mut peer = Raw::reading_from(&serving.address).await;
    use_it(&serving, &mut peer).await;
    let absent: Vec<Cid> = (0..100_u64).map(|n| cid_of(&n.to_be_bytes())).collect();
    let (mut memory, mut files) = (Vec::new(), Vec::new());
    for _ in 0..4 * rounds() {
        for n in 0..1000 {
            // A stream for every message, as Kubo does; every tenth is never finished.
            let cid = &absent[n % absent.len()];
            let frame = wants([cid], Want::Have);
            if n % 10 == 0 {
                let mut stream = peer.open().await;
                stream.write_all(&frame[..3]).await.unwrap();
                stream.flush().await.unwrap();
            } else {
                peer.send(&frame).await;
            }
        }
        use_it(&serving, &mut peer).await;
        memory.push(serving.memory());
        files.push(serving.open_files());
    }
    println!("memory {memory:?}, open files {files:?}");
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last < first + CREEP, "memory: {memory:?}");
    // The disk may be in use at one look and not at the other.
    assert!(files[files.len() - 1] <= files[0] + 4, "{files:?}");
}
