//! What is published outlives the node that published it.

use std::time::Instant;

use cidcast_testkit::{Node, clip, media};
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, address, id, meet, root, start};

/// Peers are asked what they have so often that a story need not wait for it.
pub(crate) const EAGER: &str = "discovery: {ask_every: 1s}\nnetwork: {fetch_timeout: 3s}\n";

pub(crate) async fn get(node: &Node, path: &str) -> Value {
    let text = node.text(&node.api(path)).await.unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) async fn post(node: &Node, path: &str, body: &Value) {
    let answer = node.http().post(node.api(path)).json(body).send().await;
    let answer = answer.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status}: {text}");
}

/// Looks at an answer until it is as it should be.
pub(crate) async fn see(node: &Node, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let seen = get(node, path).await;
        if is_so(&seen) {
            return seen;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{path} stays {seen:#}\n{}",
            node.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn is_listed(found: &Value, asset: &str) -> bool {
    let items = found["items"].as_array().unwrap();
    items.iter().any(|item| item["id"] == asset)
}

/// A public asset on a node; its id and root CID.
pub(crate) async fn publish(node: &Node) -> (String, String) {
    let asset = node.upload(&clip::shipped()).await.unwrap();
    let asset = id(&asset);
    let root = root(&node.ready(&asset).await.unwrap());
    let change = json!({ "title": "Rabbits of the meadow", "visibility": "public" });
    let at = node.api(&format!("/api/v1/assets/{asset}"));
    let answer = node.http().patch(at).json(&change).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (asset, root)
}

/// Follows, takes everything, and has the asset whole.
async fn copies(node: &Node, target: &str, asset: &str) {
    let follow = json!({ "target": target, "replicate": "all" });
    post(node, "/api/v1/follows", &follow).await;
    see(node, "/api/v1/replicas", |seen| {
        let held = seen["incoming"].as_array().unwrap().iter();
        held.filter(|copy| copy["asset"] == asset)
            .any(|copy| copy["state"] == "pinned")
    })
    .await;
}

pub(crate) fn plays(node: &Node, root: &str) {
    let whole = media::pictures(clip::shipped().to_str().unwrap()).unwrap();
    let url = node.gateway(&format!("/play/{root}/master.m3u8"));
    assert_eq!(media::pictures(&url).unwrap().len(), whole.len());
}

#[tokio::test]
async fn an_asset_is_listed_found_and_played_when_its_origin_is_gone_for_good() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", EAGER).await;
    let (asset, root) = publish(&origin).await;
    let publisher = get(&origin, "/api/v1/publisher").await["publisher"].clone();
    let publisher = publisher.as_str().unwrap();

    let replica = stage.node_named("replica", EAGER).await;
    copies(&replica, &address(&origin).await, &asset).await;

    let wiped = origin.data_dir().to_owned();
    origin.kill();
    std::fs::remove_dir_all(&wiped).unwrap();
    let kept = replica.data_dir().to_owned();
    replica.stop().await.unwrap();
    let replica = start(&kept, EAGER).await;
    let found = get(&replica, "/api/v1/discover?q=rabbits").await;
    assert!(is_listed(&found, &asset), "{found:#}");
    plays(&replica, &root);

    // Who knows only the key and the replica learns it all, and has a copy of the copy.
    let late = stage.node_named("late", EAGER).await;
    meet(&late, &replica).await;
    copies(&late, publisher, &asset).await;
    replica.kill();
    let found = get(&late, "/api/v1/discover?q=meadow").await;
    assert!(is_listed(&found, &asset), "{found:#}");
    plays(&late, &root);
}

#[tokio::test]
async fn what_is_retracted_goes_from_those_who_hold_it_and_the_origin_sees_that() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", EAGER).await;
    let (asset, root) = publish(&origin).await;
    let replica = stage.node_named("replica", EAGER).await;
    copies(&replica, &address(&origin).await, &asset).await;
    see(&origin, "/api/v1/replicas", |seen| {
        seen["outgoing"].to_string().contains(&asset)
    })
    .await;

    let retract = format!("/api/v1/assets/{asset}/retract");
    post(&origin, &retract, &json!({ "reason": "the wrong meadow" })).await;
    see(&replica, "/api/v1/discover", |found| {
        !is_listed(found, &asset)
    })
    .await;
    see(&origin, &format!("/api/v1/assets/{asset}"), |seen| {
        seen["announcement"]["holders"]
            .to_string()
            .contains("deleted")
    })
    .await;
    origin.kill();
    let gone = replica.gateway(&format!("/ipfs/{root}/master.m3u8"));
    let answer = replica.http().get(gone).send().await.unwrap();
    assert!(!answer.status().is_success(), "{answer:?}");
}
