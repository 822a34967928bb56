//! A node as a whole, with real sockets.

use axum::http::StatusCode;

use super::*;
use crate::config::{Config, Locations};

fn config() -> Config {
    let mut config = Config::default();
    config.api.listen.set_port(0);
    config.gateway.listen.set_port(0);
    config.swarm.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.upload.max_bytes = "1 MiB".parse().unwrap();
    config
}

fn data_dir(scratch: &tempfile::TempDir) -> DataDir {
    let locations = Locations {
        data_dir: Some(scratch.path().join("data")),
        config: None,
    };
    let data_dir = DataDir::locate(&locations).unwrap();
    data_dir.create().unwrap();
    data_dir
}

async fn status(url: &str) -> StatusCode {
    reqwest::get(url).await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_where_run_json_says_and_leaves_a_directory_that_starts_again() {
    let scratch = tempfile::tempdir().unwrap();
    let data_dir = data_dir(&scratch);
    let mut peer = None;
    for _ in 0..2 {
        let node = start(&config(), data_dir.clone()).await.unwrap();
        let run = RunFile::read(&data_dir).unwrap().unwrap();
        assert_eq!(run.pid, std::process::id());
        assert_eq!(status(&format!("http://{}/readyz", run.api)).await, 200);
        assert_eq!(status(&format!("http://{}/ipfs/x", run.gateway)).await, 400);
        assert!(run.swarm.iter().all(|address| address.contains("/p2p/")) && !run.swarm.is_empty());
        // The same identity every time.
        let id = node.addresses().peer_id.clone();
        assert_eq!(*peer.get_or_insert(id.clone()), id);
        assert_eq!(node.stop().await, Stopped::Clean);
        assert_eq!(RunFile::read(&data_dir).unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_directory_is_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let data_dir = data_dir(&scratch);
    let node = start(&config(), data_dir.clone()).await.unwrap();
    let Err(refused) = start(&config(), data_dir.clone()).await else {
        panic!("two nodes")
    };
    let expected = format!(
        "another cidcast (process {}) is running",
        std::process::id()
    );
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    assert_eq!(
        status(&format!("http://{}/healthz", node.addresses().api)).await,
        200
    );
    assert_eq!(node.stop().await, Stopped::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_waits_for_no_event_stream_and_no_idle_connection() {
    let scratch = tempfile::tempdir().unwrap();
    let node = start(&config(), data_dir(&scratch)).await.unwrap();
    let api = node.addresses().api;
    let mut stream = reqwest::get(format!("http://{api}/api/v1/events"))
        .await
        .unwrap();
    let idle = tokio::net::TcpStream::connect(api).await.unwrap();
    assert_eq!(node.stop().await, Stopped::Clean);
    // Whole, not cut: the node ended it.
    while stream.chunk().await.unwrap().is_some() {}
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_key() {
    let scratch = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    config.gateway.listen = taken.local_addr().unwrap();
    let Err(refused) = start(&config, data_dir(&scratch)).await else {
        panic!("port is taken")
    };
    assert!(
        refused.to_string().contains("(gateway.listen)"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_ffmpeg_says_how_to_get_it() {
    let scratch = tempfile::tempdir().unwrap();
    let mut config = config();
    config.transcode.ffmpeg = Some(scratch.path().join("no-ffmpeg"));
    let Err(refused) = start(&config, data_dir(&scratch)).await else {
        panic!("no ffmpeg")
    };
    assert!(
        refused.to_string().contains("apt-get install ffmpeg"),
        "{refused}"
    );
}
