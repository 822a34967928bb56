//! Content moves between nodes, and to and from the reference IPFS node, for those who may have it.

use std::path::Path;

use cidcast_testkit::{Kubo, Node, cli, clip, media};
use serde_json::json;

use crate::stage::{Stage, address, id, meet, root};

/// Nobody who has a block needs this long on one machine; who has not is given up soon.
const SOON: &str = "network: {fetch_timeout: 3s}\n";

/// Uploads the shipped clip; its id and root CID when it is ready.
async fn ready(node: &Node) -> (String, String) {
    let asset = node.upload(&clip::shipped()).await.unwrap();
    let id = id(&asset);
    let root = root(&node.ready(&id).await.unwrap());
    (id, root)
}

async fn show_to(node: &Node, id: &str, visibility: &str) {
    let asset = node.api(&format!("/api/v1/assets/{id}"));
    let change = node
        .http()
        .patch(asset)
        .json(&json!({ "visibility": visibility }));
    assert_eq!(change.send().await.unwrap().status(), 200);
}

/// Whether the node brings the whole DAG here.
fn gets(node: &Node, cid: &str, to: &Path) -> bool {
    let to = to.to_str().unwrap();
    let said = cli(node.data_dir(), &["store", "export", cid, "-o", to]).unwrap();
    if said.code != Some(0) {
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
    said.code == Some(0)
}

#[tokio::test]
async fn a_node_plays_what_another_one_has_and_still_does_when_that_one_is_gone() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", "").await;
    let (id, root) = ready(&origin).await;
    show_to(&origin, &id, "unlisted").await;
    let viewer = stage.node_named("viewer", SOON).await;
    meet(&viewer, &origin).await;

    let pictures = media::pictures(clip::shipped().to_str().unwrap()).unwrap();
    for (path, seen) in [("ipfs", "first"), ("play", "again")] {
        let url = viewer.gateway(&format!("/{path}/{root}/master.m3u8"));
        let found = media::pictures(&url).unwrap();
        assert_eq!(found.len(), pictures.len(), "{path}, seen {seen}");
    }
    let asked = origin.metric("cidcast_exchange_blocks_sent_total").await;
    assert!(asked.unwrap() > 0, "it came from somewhere else");

    origin.kill();
    let url = viewer.gateway(&format!("/ipfs/{root}/master.m3u8"));
    assert_eq!(media::pictures(&url).unwrap().len(), pictures.len());
    let elsewhere = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    let missing = viewer.gateway(&format!("/ipfs/{elsewhere}"));
    let answer = viewer.http().get(missing).send().await.unwrap();
    // 404 once the node has noticed that it knows nobody any more, 504 before.
    let status = answer.status().as_u16();
    assert!([404, 504].contains(&status), "{status}");
}

#[tokio::test]
async fn a_stranger_who_knows_the_root_cid_gets_a_private_asset_from_nobody() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", "").await;
    let (id, root) = ready(&origin).await;
    let car = stage.path().join("package.car");
    let stranger = stage.node_named("stranger", SOON).await;
    meet(&stranger, &origin).await;
    assert!(!gets(&stranger, &root, &car), "it was private");

    show_to(&origin, &id, "unlisted").await;
    assert!(gets(&stranger, &root, &car), "it was opened");

    show_to(&origin, &id, "private").await;
    let late = stage.node_named("late", SOON).await;
    meet(&late, &origin).await;
    assert!(!gets(&late, &root, &car), "it was closed again");
}

#[tokio::test]
async fn kubo_takes_a_package_and_gives_files() {
    let stage = Stage::new();
    let Some(kubo) = Kubo::find(&stage.data_dir("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let daemon = kubo.online().await.unwrap();
    let node = stage.node("").await;
    let (id, root) = ready(&node).await;
    show_to(&node, &id, "unlisted").await;
    let at = address(&node).await;
    daemon
        .rpc(&format!("swarm/connect?arg={at}"))
        .await
        .unwrap();
    daemon.rpc(&format!("pin/add?arg={root}")).await.unwrap();
    let there = daemon
        .rpc(&format!("dag/stat?arg={root}&progress=false"))
        .await;
    assert!(there.unwrap().contains(&root));

    let source = clip::shipped();
    let added = kubo.run(&[
        "add",
        "-Q",
        "--chunker=size-65536",
        source.to_str().unwrap(),
    ]);
    let copy = stage.path().join("copy.mp4");
    let (cid, to) = (added.unwrap(), copy.to_str().unwrap());
    let said = cli(node.data_dir(), &["store", "get", &cid, "-o", to]).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(std::fs::read(&copy).unwrap() == std::fs::read(&source).unwrap());
}
