//! Pins that are on their way, with two nodes.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use cidcast_ipfs::unixfs::add::add_bytes;
use cidcast_store::Audience;
use serde_json::{Value, json};

use super::{ABSENT, PATIENCE, TestNode};

/// Looks until the first pin of the root is in this state.
async fn becomes(node: &TestNode, root: &str, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let status = node.get(&format!("/api/v1/pins/{root}")).await.json();
        if status["members"][0]["state"] == state {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "not {state}: {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_fetched_pinned_shown_and_let_go_of() {
    let (here, there) = (TestNode::new().await, TestNode::new().await);
    let root = {
        let store = &there.store;
        let guard = store.in_flight();
        let root = add_bytes(store, &guard, &vec![7; 3 << 20]).unwrap().cid;
        let holder = "test".parse().unwrap();
        store.pin(&holder, &root, Audience::Anyone).unwrap();
        root.to_string()
    };
    let address = there.swarm.listen_addresses().await.remove(0);
    let to = json!({ "address": address });
    assert_eq!(
        here.send_json("POST", "/api/v1/peers", &to).await.status,
        200
    );

    let request = json!({ "cid": root, "holder": "me", "audience": "anyone" });
    let added = here.send_json("POST", "/api/v1/pins", &request).await;
    assert_eq!(added.status, 202, "{added:?}");
    let status = becomes(&here, &root, "pinned").await;
    let pin = &status["pins"][0];
    assert_eq!(
        (&pin["holder"], &pin["audience"], &pin["error"]),
        (&json!("me"), &json!("anyone"), &Value::Null)
    );
    assert!(status["members"][0]["bytes"].as_u64().unwrap() > 3 << 20 || pin["blocks"] == 2);
    // Once more changes nothing but the audience.
    let request = json!({ "cid": root, "holder": "me", "audience": "members" });
    assert_eq!(
        here.send_json("POST", "/api/v1/pins", &request)
            .await
            .status,
        202
    );
    let began = Instant::now();
    while here.store.pins().unwrap()[0].audience != Audience::Members {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let path = format!("/api/v1/pins/{root}");
    let other = here.send(Request::delete(&path), Body::empty()).await;
    assert_eq!(
        (other.status.as_u16(), other.problem().as_str()),
        (404, "not-found")
    );
    let gone = here
        .send(Request::delete(format!("{path}?holder=me")), Body::empty())
        .await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(here.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_an_error_that_is_tried_again_until_it_is_let_go_of() {
    let node = TestNode::new().await;
    let request = json!({ "cid": ABSENT });
    let added = node.send_json("POST", "/api/v1/pins", &request).await;
    assert_eq!(added.status, 202, "{added:?}");
    let status = becomes(&node, ABSENT, "error").await;
    let pin = &status["pins"][0];
    assert!(
        pin["error"].as_str().unwrap().contains("no peer gave it"),
        "{pin}"
    );
    assert!(pin["retry_at"].as_u64().is_some(), "{pin}");
    assert_eq!(node.store.partials().unwrap().len(), 1);
    let path = format!("/api/v1/pins/{ABSENT}");
    let gone = node.send(Request::delete(&path), Body::empty()).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(node.store.partials().unwrap(), []);
    assert_eq!(node.get(&path).await.status, 404);
}

#[tokio::test]
async fn holders_of_others_and_unknown_wishes_are_refused() {
    let node = TestNode::new().await;
    for (request, code) in [
        (
            json!({ "cid": ABSENT, "holder": "01j9z3k5v8q2w4e6r7t9y0a1b2" }),
            "invalid",
        ),
        (
            json!({ "cid": ABSENT, "holder": "cidcast:fetch" }),
            "invalid",
        ),
        (json!({ "cid": ABSENT, "holder": "a b" }), "bad-request"),
        (json!({ "cid": "nope" }), "bad-request"),
    ] {
        let answer = node.send_json("POST", "/api/v1/pins", &request).await;
        assert_eq!(answer.problem(), code, "{request}");
    }
    let replicas = json!({ "cid": ABSENT, "replicas": 2 });
    let answer = node.send_json("POST", "/api/v1/pins", &replicas).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
}
