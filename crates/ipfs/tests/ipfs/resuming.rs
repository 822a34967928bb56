//! A node that is killed while it fetches goes on where it was. The node is a real process; its
//! source is one of the test's own, at the end of a narrow line.

use std::path::Path;
use std::time::{Duration, Instant};

use cidcast_store::Audience;
use cidcast_testkit::{Line, Node, NodeSettings, SlowLine, cli};
use futures::StreamExt as _;
use serde_json::Value;

use crate::peer::{LONG, Package, Peer};

/// Slow enough to be caught in the middle.
const NARROW: Line = Line {
    round_trip: Duration::from_millis(20),
    lost_per_mille: 0,
    bytes_per_second: Some(4 << 20),
};

struct Scene {
    folder: tempfile::TempDir,
    _source: Peer,
    _line: SlowLine,
    package: Package,
    settings: NodeSettings,
}

impl Scene {
    async fn new() -> Self {
        let source = Peer::new().await;
        let package = source.add_package(64, 256 << 10, Audience::Anyone);
        let line = SlowLine::to_node(&source.address().await, NARROW).await;
        let (line, address) = line.unwrap();
        let config = format!("swarm: {{bootstrap: [{address}]}}\n");
        Self {
            folder: tempfile::tempdir().unwrap(),
            _source: source,
            _line: line,
            package,
            settings: NodeSettings { config },
        }
    }

    async fn node(&self) -> Node {
        let dir = self.folder.path().join("node");
        let node = Node::start(&dir, &self.settings).await.unwrap();
        let began = Instant::now();
        while get(&node, "/api/v1/peers").await["items"] == serde_json::json!([]) {
            assert!(began.elapsed() < LONG, "the source is not found");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node
    }

    /// What came over the network in this process is no more than what was missing.
    async fn assert_went_on(&self, node: &Node, before: u64) {
        let name = "cidcast_exchange_blocks_received_total";
        let received = node.metric(name).await.unwrap();
        let missing = self.package.blocks - before;
        assert!(received <= missing, "{received} of {missing} missing ones");
    }
}

async fn get(node: &Node, path: &str) -> Value {
    serde_json::from_str(&node.text(&node.api(path)).await.unwrap()).unwrap()
}

fn run(node: &Node, arguments: &[&str]) -> Value {
    let said = cli(node.data_dir(), &[arguments, &["--json"]].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said.json().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_completed_by_the_next_process_and_nothing_is_fetched_twice() {
    let scene = Scene::new().await;
    let root = scene.package.root.to_string();
    let node = scene.node().await;
    let pin = run(&node, &["pin", "add", &root, "--no-wait"]);
    assert_ne!(pin["state"], "pinned");
    let status = format!("/api/v1/pins/{root}");
    let began = Instant::now();
    let before = loop {
        let pin = &get(&node, &status).await["pins"][0];
        assert_eq!(pin["state"], "pinning", "{pin}");
        let blocks = pin["blocks"].as_u64().unwrap();
        if blocks >= 10 {
            break blocks;
        }
        assert!(began.elapsed() < LONG, "nothing comes: {pin}");
    };
    node.kill();

    let node = scene.node().await;
    // Nobody asked again; this only waits.
    let pinned = run(&node, &["pin", "add", &root]);
    assert_eq!(pinned["state"], "pinned");
    assert_eq!(pinned["blocks"], scene.package.blocks);
    scene.assert_went_on(&node, before).await;
    let report = run(&node, &["store", "verify"]);
    assert_eq!(report["missing"], serde_json::json!([]));

    run_quiet(&node, &["pin", "rm", &root]);
    assert_eq!(run(&node, &["pin", "ls"])["total"], 0);
    nothing_is_left(&node.data_dir().join("store/blocks")).await;
}

fn run_quiet(node: &Node, arguments: &[&str]) {
    let said = cli(node.data_dir(), arguments).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
}

fn block_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let count = |path: &Path| match path.is_dir() {
        true => block_files(path),
        false => usize::from(path.extension().is_some_and(|ending| ending == "data")),
    };
    entries.map(|path| count(&path)).sum()
}

async fn nothing_is_left(blocks: &Path) {
    let began = Instant::now();
    while block_files(blocks) > 0 {
        assert!(began.elapsed() < LONG, "blocks stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_cut_off_goes_on_in_the_next_process() {
    let scene = Scene::new().await;
    let root = scene.package.root.to_string();
    let node = scene.node().await;
    let fetch = node.api(&format!("/api/v1/store/fetch/{root}"));
    let mut answer = node.http().post(fetch).send().await.unwrap().bytes_stream();
    let mut seen = String::new();
    let before = loop {
        let piece = answer.next().await.unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&piece));
        let last = seen
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "));
        let last = last.and_then(|data| serde_json::from_str::<Value>(data).ok());
        match last.and_then(|progress| progress["blocks"].as_u64()) {
            Some(blocks) if blocks >= 10 => break blocks,
            _ => {}
        }
    };
    assert!(!seen.contains("event: done"), "{seen}");
    drop(answer);
    node.kill();

    let node = scene.node().await;
    let folder = scene.folder.path().join("package");
    run_quiet(
        &node,
        &["store", "get", &root, "-o", folder.to_str().unwrap()],
    );
    scene.assert_went_on(&node, before).await;
    for (path, content) in &scene.package.files {
        assert!(
            std::fs::read(folder.join(path)).unwrap() == *content,
            "{path}"
        );
    }
    // Whole and not pinned: nothing of it stays.
    nothing_is_left(&node.data_dir().join("store/blocks")).await;
}
