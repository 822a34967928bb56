//! A copy on its way, and what becomes of it when the node is paused, killed and started again.

use std::time::{Duration, Instant};

use cidcast_testkit::{Node, Remains};
use serde_json::{Value, json};

use crate::publishing::{EAGER, get, plays, post, publish, see};
use crate::stage::{PATIENCE, Stage, address, start, until};

/// Slow enough to be cut off in the middle of the clip.
const SLOW: &str =
    "discovery: {ask_every: 1s}\nnetwork: {fetch_timeout: 3s}\nreplication: {rate: 200 KB}\n";

const FETCHED: &str = "cidcast_replication_fetched_bytes_total";
const CHECKPOINTS: &str = "cidcast_replication_checkpoints_total";

/// Directories and what was on its way at the moment: a block of each of a few files.
const MARGIN: u64 = 128 << 10;

fn copy<'a>(replicas: &'a Value, asset: &str) -> Option<&'a Value> {
    let mut all = replicas["incoming"].as_array().unwrap().iter();
    all.find(|copy| copy["asset"] == asset)
}

async fn until_checkpoint(node: &Node) {
    let began = Instant::now();
    while node.metric(CHECKPOINTS).await.unwrap() == 0 {
        assert!(began.elapsed() < PATIENCE, "no checkpoint\n{}", node.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn bytes_of_blocks(node: &Node) -> u64 {
    let blocks = Remains::of(node.data_dir()).unwrap().blocks.into_iter();
    let sizes = blocks.filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
    sizes.sum()
}

#[tokio::test]
async fn a_paused_copy_outlives_a_kill_and_goes_on_where_it_was() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", EAGER).await;
    let (asset, root) = publish(&origin).await;
    let replica = stage.node_named("replica", SLOW).await;
    let follow = json!({ "target": address(&origin).await, "replicate": "all" });
    post(&replica, "/api/v1/follows", &follow).await;
    see(&replica, "/api/v1/replicas", |seen| {
        copy(seen, &asset).is_some_and(|copy| copy["done"].as_u64() > Some(300_000))
    })
    .await;
    post(&replica, "/api/v1/replication/pause", &json!({})).await;
    until_checkpoint(&replica).await;
    let seen = get(&replica, "/api/v1/replicas").await;
    let cut = copy(&seen, &asset).unwrap().clone();
    assert_eq!(cut["state"], "pinning", "{cut:#}");
    let kept = replica.metric(FETCHED).await.unwrap();
    let data_dir = replica.data_dir().to_owned();
    replica.kill();

    let replica = start(&data_dir, EAGER).await;
    let seen = see(&replica, "/api/v1/replication", |seen| {
        seen["paused"] == true
    })
    .await;
    assert_eq!(seen["pinned"], 0, "{seen:#}");
    post(&replica, "/api/v1/replication/resume", &json!({})).await;
    let seen = see(&replica, "/api/v1/replicas", |seen| {
        copy(seen, &asset).is_some_and(|copy| copy["state"] == "pinned")
    })
    .await;
    let whole = copy(&seen, &asset).unwrap()["bytes"].as_u64().unwrap();
    let again = replica.metric(FETCHED).await.unwrap();
    assert!(
        kept + again <= whole + MARGIN,
        "{kept} before the kill and {again} after it, of {whole}"
    );

    origin.kill();
    plays(&replica, &root);
    // Nothing of it is left when it is not wanted any more.
    let follows = get(&replica, "/api/v1/follows").await;
    let follow = &follows["items"][0]["id"];
    let end = replica.api(&format!("/api/v1/follows/{follow}"));
    let answer = replica.http().delete(end).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    until("the blocks of the copy are gone", || {
        bytes_of_blocks(&replica) < MARGIN
    })
    .await;
}

#[tokio::test]
async fn a_follow_that_is_paused_stays_so_and_fetches_nothing() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", EAGER).await;
    let (asset, _) = publish(&origin).await;
    let replica = stage.node_named("replica", SLOW).await;
    let follow = json!({ "target": address(&origin).await, "replicate": "all" });
    post(&replica, "/api/v1/follows", &follow).await;
    see(&replica, "/api/v1/replicas", |seen| {
        copy(seen, &asset).is_some_and(|copy| copy["done"].as_u64() > Some(100_000))
    })
    .await;
    let follows = get(&replica, "/api/v1/follows").await;
    let id = follows["items"][0]["id"].clone();
    let one = |node: &Node| node.api(&format!("/api/v1/follows/{id}"));
    let patch = json!({ "paused": true });
    let request = replica.http().patch(one(&replica)).json(&patch);
    assert_eq!(request.send().await.unwrap().status(), 200);
    see(&replica, "/api/v1/replication", |seen| {
        seen["transfers"] == 0
    })
    .await;
    let data_dir = replica.data_dir().to_owned();
    replica.kill();

    let replica = start(&data_dir, EAGER).await;
    let follows = get(&replica, "/api/v1/follows").await;
    assert_eq!(follows["items"][0]["paused"], true, "{follows:#}");
    // The plan is made, and the copy is left as it is.
    see(&replica, "/api/v1/replication", |seen| {
        seen["planned"].as_u64() > Some(0)
    })
    .await;
    let seen = get(&replica, "/api/v1/replicas").await;
    assert_eq!(copy(&seen, &asset).unwrap()["state"], "pinning", "{seen:#}");
    assert_eq!(replica.metric(FETCHED).await.unwrap(), 0);

    let patch = json!({ "paused": false });
    let request = replica.http().patch(one(&replica)).json(&patch);
    assert_eq!(request.send().await.unwrap().status(), 200);
    see(&replica, "/api/v1/replicas", |seen| {
        copy(seen, &asset).is_some_and(|copy| copy["state"] == "pinned")
    })
    .await;
}
