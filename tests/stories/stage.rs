//! What every story needs: a directory, clips, a node.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, NodeSettings, Remains, cli};
use serde_json::Value;
use tempfile::TempDir;

/// Only a stuck node takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The states of an asset that is worked on, in order.
pub(crate) const WORKING: [&str; 5] = ["queued", "probing", "transcoding", "packaging", "pinning"];

/// A directory for one story, removed at its end.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a node of this name keeps everything.
    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn clip(&self, clip: &Clip) -> PathBuf {
        let name = format!("clip-{}x{}-{}s", clip.width, clip.height, clip.seconds);
        clip.make(self.path(), &name).unwrap()
    }

    /// A clip of several chunks, long enough to be caught in the middle.
    pub(crate) fn slow_clip(&self) -> PathBuf {
        self.clip(&Clip {
            seconds: 20,
            width: 640,
            height: 360,
            ..Clip::default()
        })
    }

    pub(crate) async fn node(&self, config: &str) -> Node {
        self.node_named("node", config).await
    }

    pub(crate) async fn node_named(&self, name: &str, config: &str) -> Node {
        start(&self.data_dir(name), config).await
    }
}

pub(crate) async fn start(data_dir: &Path, config: &str) -> Node {
    let settings = NodeSettings {
        config: config.to_owned(),
    };
    Node::start(data_dir, &settings).await.unwrap()
}

/// One encoder at a time, and a slow one: units end one after another.
pub(crate) const ONE_BY_ONE: &str = "transcode: {parallel: 1, preset: slower}\n";

pub(crate) fn id(asset: &Value) -> String {
    asset["id"].as_str().unwrap().to_owned()
}

pub(crate) fn root(asset: &Value) -> String {
    asset["root"].as_str().unwrap().to_owned()
}

/// What a node says about itself.
pub(crate) async fn about(node: &Node) -> Value {
    let text = node.text(&node.api("/api/v1/node")).await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Where other nodes reach it.
pub(crate) async fn address(node: &Node) -> String {
    let about = about(node).await;
    about["addresses"][0].as_str().unwrap().to_owned()
}

/// Connects to what is at the address.
pub(crate) fn connect(node: &Node, address: &str) {
    let said = cli(node.data_dir(), &["peer", "connect", address]).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Connects two nodes.
pub(crate) async fn meet(here: &Node, there: &Node) {
    connect(here, &address(there).await);
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until nothing is left of any asset: encoders that were killed take a moment to be gone.
pub(crate) async fn nothing_remains(data_dir: &Path) {
    let began = Instant::now();
    loop {
        let remains = Remains::of(data_dir).unwrap();
        if remains.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "left behind: {remains:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The node has no assets.
pub(crate) async fn no_rows(node: &Node) {
    let list = node.text(&node.api("/api/v1/assets")).await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["items"], serde_json::json!([]));
    let jobs = node.text(&node.api("/api/v1/jobs")).await.unwrap();
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    assert_eq!(jobs["items"], serde_json::json!([]), "{jobs}");
}

/// Waits until this many units are encoded or the asset is no longer transcoding.
pub(crate) async fn units(node: &Node, at_least: u64) -> u64 {
    let began = Instant::now();
    loop {
        let done = node
            .metric("cidcast_ingest_units_encoded_total")
            .await
            .unwrap();
        if done >= at_least {
            return done;
        }
        assert!(began.elapsed() < PATIENCE, "only {done} units");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
