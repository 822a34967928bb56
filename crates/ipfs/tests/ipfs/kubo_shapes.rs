//! DAGs of any shape, from one Kubo to a node and from there to another Kubo: block sizes from 1 KiB
//! to 2 MiB, raw and dag-pb leaves, balanced and trickle, CIDv0 and CIDv1, deep and sharded
//! directories. `CIDCAST_TEST_SEED` repeats one, `CIDCAST_TEST_ROUNDS` takes more of them.

use std::path::Path;
use std::time::Duration;

use cid::Cid;
use cidcast_store::Audience;
use cidcast_testkit::{Dice, Kubo, noise};

use crate::kubo_transfer::{bring, rounds};

/// 8 MiB take a fraction of a second; nothing says how far Kubo is.
const PATIENCE: Duration = Duration::from_secs(20);

fn seeds() -> Vec<u64> {
    match std::env::var("CIDCAST_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=3 * rounds() as u64).collect(),
    }
}

/// What is added, and how.
struct Shape {
    options: Vec<String>,
    width: usize,
}

impl Shape {
    /// Makes files in `folder`, which does not exist yet.
    fn make(seed: u64, dice: &Dice, folder: &Path) -> Self {
        let is_raw = dice.roll().is_multiple_of(2);
        let version = dice.in_range(u64::from(is_raw)..2);
        // A dag-pb leaf has a few bytes on top, and 2 MiB are the most that travel.
        let most = if is_raw { 22 } else { 21 };
        let block = dice
            .in_range(1 << 10..1 << dice.in_range(11..most))
            .min(2 << 20);
        let mut options = vec![
            format!("--chunker=size-{block}"),
            format!("--raw-leaves={is_raw}"),
            format!("--cid-version={version}"),
        ];
        if dice.roll().is_multiple_of(3) {
            options.push("--trickle".to_owned());
        }
        let bytes = dice.in_range(1..(block * 600).min(8 << 20));
        match dice.roll() % 3 {
            0 => write(&folder.join("file"), seed, bytes),
            1 => {
                let mut deep = folder.to_owned();
                for level in 0..dice.in_range(20..60) {
                    deep.push(format!("level {level}"));
                    write(&deep.join("file"), seed ^ level, bytes / 60 + 1);
                }
            }
            _ => {
                // Names alone are more than the 256 KiB from which on a directory is sharded.
                for n in 0..dice.in_range(1500..3000) {
                    let name = format!("{n:0>150}");
                    write(&folder.join(name), seed ^ n, dice.in_range(0..300));
                }
            }
        }
        let width = usize::try_from(dice.in_range(1..300)).unwrap();
        Self { options, width }
    }
}

fn write(path: &Path, seed: u64, bytes: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, noise(seed, usize::try_from(bytes).unwrap())).unwrap();
}

/// Every file below `folder`, by its path there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.push((name.to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_shape_travels_from_kubo_to_a_node_and_on_to_another_kubo() {
    let folder = tempfile::tempdir().unwrap();
    let Some(first) = Kubo::find(&folder.path().join("first")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    // As Kubo has been for years: shards by 256 KiB of links, 174 links a node.
    first
        .run(&["config", "profile", "apply", "unixfs-v0-2015"])
        .unwrap();
    let second = Kubo::find(&folder.path().join("second")).unwrap().unwrap();
    let (source, sink) = (
        first.online().await.unwrap(),
        second.online().await.unwrap(),
    );
    let from = source.address().await.unwrap();
    for seed in seeds() {
        let dice = Dice::new(seed);
        let made = folder.path().join(format!("made-{seed}"));
        let shape = Shape::make(seed, &dice, &made);
        println!("seed {seed}: {:?}, {} wants", shape.options, shape.width);
        let mut add = vec!["add", "-r", "-Q"];
        add.extend(shape.options.iter().map(String::as_str));
        add.push(made.to_str().unwrap());
        let root: Cid = first.run(&add).unwrap().parse().unwrap();

        let peer = bring(&from, &root, shape.width).await;
        let holder = "test".parse().unwrap();
        peer.store.set_audience(&holder, Audience::Anyone).unwrap();
        let address = peer.address().await;
        let connect = format!("swarm/connect?arg={address}");
        sink.rpc(&connect).await.unwrap();
        let pin = format!("pin/add?arg={root}");
        let pinned = tokio::time::timeout(PATIENCE, sink.rpc(&pin)).await;
        pinned
            .unwrap_or_else(|_| panic!("seed {seed}: stalled"))
            .unwrap();
        let copy = folder.path().join(format!("copy-{seed}"));
        let root = root.to_string();
        second
            .run(&["get", &root, "-o", copy.to_str().unwrap()])
            .unwrap();
        assert!(files(&copy) == files(&made), "seed {seed}");
    }
}
