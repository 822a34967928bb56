//! A disk that fills up in the middle of the work.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use cidcast_testkit::{Node, SmallDisk, is};

use crate::stage::{Stage, id, units};

const CONFIG: &str = "upload: {min_free: 2 MiB}\ntranscode: {parallel: 1, preset: slower}\n";

#[tokio::test]
async fn a_full_disk_fails_the_job_and_room_lets_it_go_on() {
    let stage = Stage::new();
    let disk = match SmallDisk::mount(&stage.data_dir("disk"), 64) {
        Ok(disk) => disk,
        Err(refusal) => {
            println!("skipped: a small disk cannot be mounted here ({refusal})");
            return;
        }
    };
    let mut node = stage.node_named("disk", CONFIG).await;
    let id = id(&node.upload(&stage.slow_clip()).await.unwrap());
    let done = units(&node, 1).await;
    let filler = disk.fill().unwrap();

    let asset = node.wait_for(&id, |asset| is(asset, "failed")).await;
    let error = &asset.unwrap()["error"];
    let kind = error["type"].as_str().unwrap();
    assert!(kind.ends_with("no-space"), "{error}");
    assert_eq!(error["permanent"], false);
    assert!(error["detail"].as_str().unwrap().len() > 20, "{error}");
    assert!(node.is_alive());
    assert_eq!(node.text(&node.api("/healthz")).await.unwrap(), "ok\n");

    std::fs::remove_file(filler).unwrap();
    // Nobody asks for it.
    let asset = node.wait_for(&id, |asset| is(asset, "ready")).await;
    assert_eq!(asset.unwrap()["error"], serde_json::Value::Null);
    let reused = node.metric("cidcast_ingest_units_reused_total").await;
    assert!(reused.unwrap() >= done, "finished units were done again");

    refused_before_it_is_taken(&node);
    drop(node);
    drop(disk);
}

/// What the encoder writes fills the disk, not somebody else.
#[tokio::test]
async fn an_asset_that_needs_more_room_than_there_is_waits_for_it() {
    let stage = Stage::new();
    let Ok(disk) = SmallDisk::mount(&stage.data_dir("disk"), 96) else {
        println!("skipped: a small disk cannot be mounted here");
        return;
    };
    let config = "upload: {min_free: 256 KiB}\ntranscode: {parallel: 1, preset: ultrafast}\n";
    let mut node = stage.node_named("disk", config).await;
    let source = stage.slow_clip();
    let room = source.metadata().unwrap().len() + (1 << 20);
    let filler = disk.fill_leaving(room).unwrap();
    let id = id(&node.upload(&source).await.unwrap());

    let asset = node.wait_for(&id, |asset| is(asset, "failed")).await;
    let error = &asset.unwrap()["error"];
    let kind = error["type"].as_str().unwrap();
    assert!(kind.ends_with("no-space"), "{error}");
    assert!(node.is_alive());

    std::fs::remove_file(filler).unwrap();
    let asset = node.wait_for(&id, |asset| is(asset, "ready")).await;
    assert_eq!(asset.unwrap()["error"], serde_json::Value::Null);
    drop(node);
    drop(disk);
}

/// The answer comes although not one byte of the body was sent.
fn refused_before_it_is_taken(node: &Node) {
    let host = node.api("");
    let host = host.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let head = format!(
        "PUT /api/v1/uploads/large.mp4 HTTP/1.1\r\nHost: {host}\r\n\
         Content-Length: 10000000000\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 507");
}
