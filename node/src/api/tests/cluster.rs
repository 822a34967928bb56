//! The cluster, with three nodes that meet.

use std::time::Instant;

use axum::body::Body;
use axum::http::Request;
use cidcast_ipfs::unixfs::add::add_bytes;
use cidcast_store::Audience;
use serde_json::{Value, json};

use super::{ABSENT, PATIENCE, TestNode};

/// Puts something into a node's store under a pin of its own; answers its root.
fn put(node: &TestNode, bytes: &[u8]) -> String {
    let guard = node.store.in_flight();
    let root = add_bytes(&node.store, &guard, bytes).unwrap().cid;
    let holder = "test".parse().unwrap();
    node.store.pin(&holder, &root, Audience::Members).unwrap();
    root.to_string()
}

async fn token(node: &TestNode, role: &str) -> String {
    let asked = json!({ "role": role });
    let made = node
        .send_json("POST", "/api/v1/cluster/tokens", &asked)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn join(node: &TestNode, token: &str, name: &str) {
    let asked = json!({ "token": token, "name": name });
    let joined = node.send_json("POST", "/api/v1/cluster/join", &asked).await;
    assert_eq!(joined.status, 201, "{joined:?}");
}

async fn found(node: &TestNode) {
    let asked = json!({ "name": "attics" });
    let made = node.send_json("POST", "/api/v1/cluster", &asked).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["role"], "writer");
}

/// Looks until what is read there is as wanted.
async fn until(node: &TestNode, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = node.get(path).await;
        if answer.status == 200 && is_so(&answer.json()) {
            return answer.json();
        }
        assert!(began.elapsed() < PATIENCE, "{path}: {answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn until_pinned(node: &TestNode, root: &str, copies: u64) -> Value {
    let path = format!("/api/v1/cluster/pins/{root}");
    until(node, &path, |pin| pin["copies"] == copies).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_no_cluster_says_so_and_how_to_come_into_one() {
    let node = TestNode::new().await;
    for path in ["", "/members", "/pins"] {
        let answer = node.get(&format!("/api/v1/cluster{path}")).await;
        assert_eq!(answer.status, 404);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("cidcast cluster init"), "{detail}");
    }
    let wrong = json!({ "token": "cidcast-join-nonsense" });
    let refused = node.send_json("POST", "/api/v1/cluster/join", &wrong).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (422, "invalid".to_owned())
    );
    found(&node).await;
    let again = json!({ "name": "other" });
    let again = node.send_json("POST", "/api/v1/cluster", &again).await;
    assert_eq!(again.problem(), "in-cluster");
    let left = node
        .send(Request::delete("/api/v1/cluster"), Body::empty())
        .await;
    assert_eq!(left.status, 204, "{left:?}");
    assert_eq!(node.get("/api/v1/cluster").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_keep_what_one_of_them_pins_and_let_go_of_it_again() {
    let (one, two) = (TestNode::new().await, TestNode::new().await);
    found(&one).await;
    let invitation = token(&one, "writer").await;
    join(&two, &invitation, "two").await;
    let members = until(&one, "/api/v1/cluster/members", |members| {
        let alive = members["items"].as_array().unwrap().iter();
        alive.filter(|member| member["state"] == "alive").count() == 2
    });
    let members = members.await;
    let named = members["items"].as_array().unwrap().iter();
    assert_eq!(named.filter(|member| member["name"] == "two").count(), 1);

    let root = put(&one, &vec![7; 3 << 20]);
    let asked = json!({ "cid": root, "name": "sevens" });
    let added = two.send_json("POST", "/api/v1/cluster/pins", &asked).await;
    assert_eq!(added.status, 202, "{added:?}");
    let pin = until_pinned(&one, &root, 2).await;
    assert_eq!(
        (&pin["name"], &pin["wanted"]),
        (&json!("sevens"), &json!(2))
    );
    until_pinned(&two, &root, 2).await;
    let status = two.get(&format!("/api/v1/pins/{root}")).await.json();
    assert_eq!(status["members"].as_array().unwrap().len(), 2, "{status}");

    // A used token lets nobody in.
    let third = TestNode::new().await;
    let asked = json!({ "token": invitation });
    let refused = third
        .send_json("POST", "/api/v1/cluster/join", &asked)
        .await;
    assert_eq!(refused.problem(), "not-let-in", "{refused:?}");

    // Each proves its copy to the other.
    let audited = one
        .send_json("POST", "/api/v1/cluster/audit", &json!({}))
        .await;
    assert_eq!(audited.json()["challenges"], 1, "{audited:?}");
    let path = format!("/api/v1/cluster/pins/{root}");
    until(&one, &path, |pin| {
        let mut members = pin["members"].as_array().unwrap().iter();
        members.any(|member| member["proved_bytes"].as_u64() > Some(0))
    })
    .await;

    let gone = two.send(Request::delete(&path), Body::empty()).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    until(&one, "/api/v1/cluster", |cluster| cluster["held"] == 0).await;
    until(&two, "/api/v1/cluster", |cluster| cluster["held"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_stores_and_changes_nothing() {
    let (one, two) = (TestNode::new().await, TestNode::new().await);
    found(&one).await;
    join(&two, &token(&one, "follower").await, "").await;
    let asked = json!({ "cid": ABSENT });
    let refused = two.send_json("POST", "/api/v1/cluster/pins", &asked).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "not-in-this-cluster".to_owned())
    );
    let refused = two
        .send_json("POST", "/api/v1/cluster/tokens", &json!({}))
        .await;
    assert_eq!(refused.problem(), "not-in-this-cluster");
    let root = put(&one, b"for members only");
    let asked = json!({ "cid": root });
    one.send_json("POST", "/api/v1/cluster/pins", &asked).await;
    until_pinned(&one, &root, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_out_hears_of_it_and_who_leaves_is_put_out() {
    let nodes = (
        TestNode::new().await,
        TestNode::new().await,
        TestNode::new().await,
    );
    let (one, two, three) = &nodes;
    found(one).await;
    join(two, &token(one, "writer").await, "").await;
    join(three, &token(two, "writer").await, "").await;
    let has = |many: usize| move |cluster: &Value| cluster["members"] == many;
    for node in [one, two, three] {
        until(node, "/api/v1/cluster", has(3)).await;
    }
    let path = format!("/api/v1/cluster/members/{}", two.swarm.peer_id());
    let removed = one.send(Request::delete(&path), Body::empty()).await;
    assert_eq!(removed.status, 204, "{removed:?}");
    until(two, "/api/v1/cluster", |cluster| {
        cluster["role"] == "removed"
    })
    .await;
    until(three, "/api/v1/cluster", has(2)).await;
    let again = one.send(Request::delete(&path), Body::empty()).await;
    assert_eq!(again.status, 404);

    let left = three
        .send(Request::delete("/api/v1/cluster"), Body::empty())
        .await;
    assert_eq!(left.status, 204, "{left:?}");
    until(one, "/api/v1/cluster", has(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_is_found_and_mended_from_another_member() {
    let (one, two) = (TestNode::new().await, TestNode::new().await);
    found(&one).await;
    join(&two, &token(&one, "writer").await, "").await;
    let root = put(&one, &vec![5; 3 << 20]);
    let asked = json!({ "cid": root });
    one.send_json("POST", "/api/v1/cluster/pins", &asked).await;
    until_pinned(&one, &root, 2).await;
    until_pinned(&two, &root, 2).await;
    let files = walk(two._dir.path());
    let block = files
        .iter()
        .max_by_key(|file| file.metadata().unwrap().len());
    std::fs::write(block.unwrap(), b"rot").unwrap();
    let found = two
        .send(Request::post("/api/v1/store/verify"), Body::empty())
        .await;
    assert_eq!(found.json()["corrupt"].as_array().unwrap().len(), 1);
    let events = until(&two, "/api/v1/cluster/events", |events| {
        let mut kinds = events["items"].as_array().unwrap().iter();
        kinds.any(|event| event["kind"] == "repaired")
    });
    events.await;
    let found = two
        .send(Request::post("/api/v1/store/verify"), Body::empty())
        .await;
    assert_eq!(
        (&found.json()["corrupt"], &found.json()["missing"]),
        (&json!([]), &json!([]))
    );
    until_pinned(&one, &root, 2).await;
}

/// Block files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|end| end == "data"))
        .collect()
}
