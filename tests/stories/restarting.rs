//! Stop, and start again on the same data.

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, cli, media};
use serde_json::Value;

use crate::stage::{ONE_BY_ONE, Stage, id, root, start, units};

async fn get(node: &Node, path: &str) -> Value {
    let text = node.text(&node.api(path)).await.unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_node_that_is_stopped_and_started_is_the_same_node() {
    let stage = Stage::new();
    let node = stage.node(ONE_BY_ONE).await;
    let data_dir = node.data_dir().to_owned();
    let done = node.upload(&stage.clip(&Clip::default())).await.unwrap();
    let done = node.ready(&id(&done)).await.unwrap();
    let working = id(&node.upload(&stage.slow_clip()).await.unwrap());
    let peer = get(&node, "/api/v1/node").await["peer_id"].clone();
    assert!(peer.as_str().unwrap().starts_with("12D3Koo"), "{peer}");
    let encoded = node.metric("cidcast_ingest_units_encoded_total").await;
    units(&node, encoded.unwrap() + 1).await;
    node.stop().await.unwrap();
    assert!(!data_dir.join("run.json").exists(), "run.json is left");

    // Nobody runs: the command line opens the store itself.
    let report = cli(&data_dir, &["store", "verify", "--json"]).unwrap();
    assert_eq!(report.code, Some(0), "{report:?}");
    assert!(report.json().unwrap()["checked"].as_u64().unwrap() > 5);

    let node = start(&data_dir, ONE_BY_ONE).await;
    assert_eq!(get(&node, "/api/v1/node").await["peer_id"], peer);
    let list = get(&node, "/api/v1/assets").await;
    let listed: Vec<_> = list["items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(listed, [working.clone(), id(&done)], "newest first");
    let kept = node.asset(&id(&done)).await.unwrap();
    assert_eq!(root(&kept), root(&done));
    let url = kept["play_url"].as_str().unwrap();
    assert_eq!(media::pictures(url).unwrap().len(), 250);
    node.ready(&working).await.unwrap();
    let report = cli(&data_dir, &["store", "verify", "--json"]).unwrap();
    assert_eq!(report.code, Some(0), "{report:?}");
    node.stop().await.unwrap();
}
