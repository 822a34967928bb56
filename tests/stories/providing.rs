//! What the DHT is told, and what it is told no more.

use std::time::Instant;

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, cli};
use serde_json::Value;

use crate::stage::{PATIENCE, Stage, about, id, meet, root};

/// Every file and directory, told to whoever is there.
const ENTITIES: &str = "network: {provide: entities, dht: server}\n";
const HUB: &str = "network: {dht: server}\n";

/// Looks until so many CIDs are wanted, and the DHT knows of them all.
async fn provides(node: &Node, is_right: impl Fn(u64) -> bool) -> u64 {
    let began = Instant::now();
    loop {
        let providing = about(node).await["providing"].clone();
        let number = |key: &str| providing[key].as_u64().unwrap();
        let wanted = number("wanted");
        if is_right(wanted) && number("provided") >= wanted {
            return wanted;
        }
        assert!(began.elapsed() < PATIENCE, "{providing}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// What a doctor says of provider records, if anything.
fn doctor(node: &Node) -> Option<Value> {
    let said = cli(node.data_dir(), &["doctor", "--json"]).unwrap();
    let findings = said.json().unwrap();
    let mut findings = findings.as_array().unwrap().iter();
    findings
        .find(|found| found["what"] == "provider records")
        .cloned()
}

fn set(node: &Node, asset: &str, visibility: &str) {
    let edit = ["asset", "edit", asset, "--visibility", visibility];
    let said = cli(node.data_dir(), &edit).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn every_file_of_an_open_asset_is_provided_until_it_is_closed_or_deleted() {
    let stage = Stage::new();
    let hub = stage.node_named("hub", HUB).await;
    let node = stage.node_named("origin", ENTITIES).await;
    let reader = stage.node_named("reader", "").await;
    meet(&node, &hub).await;
    meet(&reader, &hub).await;
    let clip = stage.clip(&Clip {
        seconds: 2,
        width: 320,
        height: 180,
        ..Clip::default()
    });
    let asset = id(&node.upload(&clip).await.unwrap());
    let root = root(&node.ready(&asset).await.unwrap());
    assert_eq!(provides(&node, |_| true).await, 0, "it is private");
    assert_eq!(doctor(&node), None);

    set(&node, &asset, "unlisted");
    // Playlists, manifest, init and media segments, and the folders that they are in.
    assert!(provides(&node, |wanted| wanted > 8).await > 8);
    assert_eq!(doctor(&node).unwrap()["state"], "fine");
    // Whoever knows the CID of one of them finds it, without having met its node.
    let entry = node.api(&format!("/api/v1/store/entry/{root}"));
    let entry: Value = serde_json::from_str(&node.text(&entry).await.unwrap()).unwrap();
    let entries = entry["entries"].as_array().unwrap();
    let one = entries
        .iter()
        .find(|entry| entry["name"] == "asset.json")
        .unwrap();
    let to = stage.path().join("asset.json");
    let cid = one["cid"].as_str().unwrap();
    let get = ["store", "get", cid, "-o", to.to_str().unwrap()];
    let said = cli(reader.data_dir(), &get).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");

    set(&node, &asset, "private");
    provides(&node, |wanted| wanted == 0).await;
    set(&node, &asset, "public");
    provides(&node, |wanted| wanted > 8).await;
    node.delete(&asset).await.unwrap();
    provides(&node, |wanted| wanted == 0).await;
}
