//! The Pinning Service API, with two nodes.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use cidcast_ipfs::unixfs::add::add_bytes;
use cidcast_pinning::service::HOLDER;
use cidcast_store::Audience;
use serde_json::{Value, json};

use super::{ABSENT, PATIENCE, TestNode, token};
use crate::config::Scope;

/// Puts something into a node's store under a pin of its own; answers its root.
fn put(node: &TestNode, bytes: &[u8]) -> String {
    let guard = node.store.in_flight();
    let root = add_bytes(&node.store, &guard, bytes).unwrap().cid;
    let holder = "test".parse().unwrap();
    node.store.pin(&holder, &root, Audience::Anyone).unwrap();
    root.to_string()
}

/// Asks for a pin; answers the id of the request.
async fn add(node: &TestNode, pin: Value) -> String {
    let added = node.send_json("POST", "/psa/pins", &pin).await;
    assert_eq!(added.status, 202, "{added:?}");
    let status = added.json();
    for (name, value) in pin.as_object().unwrap() {
        assert_eq!(&status["pin"][name], value);
    }
    assert!(!status["delegates"].as_array().unwrap().is_empty());
    status["requestid"].as_str().unwrap().to_owned()
}

async fn becomes(node: &TestNode, id: &str, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let status = node.get(&format!("/psa/pins/{id}")).await.json();
        if status["status"] == state {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "not {state}: {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the pin of a request is there, or is not.
async fn is_held(node: &TestNode, id: &str, held: bool) {
    let holder = format!("{HOLDER}{id}").parse().unwrap();
    let began = Instant::now();
    while node.store.pinned_roots(&holder).unwrap().is_empty() == held {
        assert!(began.elapsed() < PATIENCE, "{id} held is not {held}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn listed(node: &TestNode, query: &str) -> (u64, Vec<String>) {
    let answer = node.get(&format!("/psa/pins?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let page = answer.json();
    let names = page["results"].as_array().unwrap().iter();
    let names = names.map(|pin| pin["pin"]["name"].as_str().unwrap_or("-").to_owned());
    (page["count"].as_u64().unwrap(), names.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_origin_has_is_fetched_from_there_and_open_to_anyone() {
    let (here, there) = (TestNode::new().await, TestNode::new().await);
    let root = put(&there, &vec![7; 3 << 20]);
    let origins = there.swarm.listen_addresses().await;
    // Nobody connects the two: the hint is enough.
    let pin = json!({ "cid": root, "name": "a film", "origins": origins });
    let id = add(&here, pin).await;
    let status = becomes(&here, &id, "pinned").await;
    assert!(status.get("info").is_none(), "{status}");
    let pins = here.get(&format!("/api/v1/pins/{root}")).await.json();
    assert_eq!(pins["pins"][0]["audience"], "anyone");
    // By hand it cannot be removed under another's name.
    let path = format!("/api/v1/pins/{root}?holder={HOLDER}{id}");
    assert_eq!(
        here.send_json("DELETE", &path, &Value::Null).await.status,
        422
    );

    let gone = here
        .send_json("DELETE", &format!("/psa/pins/{id}"), &Value::Null)
        .await;
    assert_eq!(gone.status, 202);
    let missing = here.get(&format!("/psa/pins/{id}")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["reason"], "NOT_FOUND");
    is_held(&here, &id, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_the_newest_first() {
    let node = TestNode::new().await;
    let root = put(&node, b"here");
    let mut last = String::new();
    for (name, kind) in [("Ada", "a"), ("ada", "b"), ("ÄDA 2", "a")] {
        let pin = json!({ "cid": root, "name": name, "meta": { "kind": kind, "by": "me" } });
        last = add(&node, pin).await;
    }
    add(&node, json!({ "cid": ABSENT })).await;
    let created = becomes(&node, &last, "pinned").await["created"].clone();
    let created = created.as_str().unwrap();
    let all = "status=queued,pinning,pinned,failed";
    for (query, count, names) in [
        ("", 3, vec!["ÄDA 2", "ada", "Ada"]),
        (all, 4, vec!["-", "ÄDA 2", "ada", "Ada"]),
        (&format!("{all}&limit=1"), 4, vec!["-"]),
        (&format!("{all}&before={created}"), 2, vec!["ada", "Ada"]),
        (&format!("{all}&after={created}"), 1, vec!["-"]),
        (&format!("{all}&cid={ABSENT}"), 1, vec!["-"]),
        (
            &format!("status=pinned&cid={ABSENT},{root}&limit=1000"),
            3,
            vec!["ÄDA 2", "ada", "Ada"],
        ),
        (
            &format!("cid={ABSENT}&cid={root}"),
            4,
            vec!["-", "ÄDA 2", "ada", "Ada"],
        ),
        (
            "status=failed&status=pinned",
            3,
            vec!["ÄDA 2", "ada", "Ada"],
        ),
        ("name=ada", 1, vec!["ada"]),
        ("name=ADA&match=iexact", 2, vec!["ada", "Ada"]),
        ("name=da&match=partial", 2, vec!["ada", "Ada"]),
        ("name=%C3%A4d&match=ipartial", 1, vec!["ÄDA 2"]),
        (
            "meta=%7B%22kind%22%3A%22a%22%2C%22by%22%3A%22me%22%7D",
            2,
            vec!["ÄDA 2", "Ada"],
        ),
        (
            "meta=%7B%22kind%22%3A%22a%22%2C%22by%22%3A%22you%22%7D",
            0,
            vec![],
        ),
    ] {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        assert_eq!(listed(&node, query).await, (count, names), "{query}");
    }
    let metrics = node.get("/metrics").await;
    assert_eq!(metrics.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_replaced_stays_until_the_new_one_is_complete_or_given_up() {
    let node = TestNode::new().await;
    let root = put(&node, b"first");
    let first = add(&node, json!({ "cid": root })).await;
    becomes(&node, &first, "pinned").await;
    let path = format!("/psa/pins/{first}");
    let replaced = node
        .send_json("POST", &path, &json!({ "cid": ABSENT }))
        .await;
    assert_eq!(replaced.status, 202, "{replaced:?}");
    let second = replaced.json()["requestid"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(
        node.get(&path).await.status,
        404,
        "it is gone for the client"
    );
    assert_eq!(
        node.send_json("POST", &path, &json!({ "cid": root }))
            .await
            .status,
        404
    );
    becomes(&node, &second, "pinning").await;
    is_held(&node, &first, true).await;
    // Given up before it was complete.
    let path = format!("/psa/pins/{second}");
    assert_eq!(
        node.send_json("DELETE", &path, &Value::Null).await.status,
        202
    );
    is_held(&node, &first, false).await;

    let first = add(&node, json!({ "cid": root })).await;
    becomes(&node, &first, "pinned").await;
    let path = format!("/psa/pins/{first}");
    let second = node
        .send_json("POST", &path, &json!({ "cid": root }))
        .await
        .json();
    becomes(&node, second["requestid"].as_str().unwrap(), "pinned").await;
    is_held(&node, &first, false).await;
    is_held(&node, second["requestid"].as_str().unwrap(), true).await;
}

#[tokio::test]
async fn nonsense_is_refused_in_the_form_of_the_specification() {
    let node = TestNode::new().await;
    let long = "x".repeat(256);
    for pin in [
        json!({}),
        json!({ "cid": "no" }),
        json!({ "cid": ABSENT, "name": long }),
        json!({ "cid": ABSENT, "origins": ["nonsense"] }),
        json!({ "cid": ABSENT, "origins": ["/ip4/127.0.0.1/tcp/1"] }),
        json!({ "cid": ABSENT, "meta": { "cidcast-audience": "nobody" } }),
        json!({ "cid": ABSENT, "meta": { "n": 1 } }),
    ] {
        let answer = node.send_json("POST", "/psa/pins", &pin).await;
        assert!(answer.status.is_client_error(), "{pin}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        let error = &answer.json()["error"];
        assert_eq!(error["reason"], "BAD_REQUEST", "{pin}: {error}");
        assert!(!error["details"].as_str().unwrap().is_empty());
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "status=gone",
        "match=fuzzy",
        "cid=no",
        "before=yesterday",
        "after=1",
        "meta=%5B%5D",
        &format!("name={long}"),
    ] {
        let answer = node.get(&format!("/psa/pins?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_eq!(answer.json()["error"]["reason"], "BAD_REQUEST", "{query}");
    }
    assert_eq!(listed(&node, "status=queued,pinning").await.0, 0);
    for path in ["/psa/pins/x", "/psa", "/psa/nothing"] {
        let answer = node.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["error"]["reason"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn tokens_and_scopes_are_those_of_the_api() {
    let tokens = [token("r", Scope::Read), token("w", Scope::Write)];
    let node = TestNode::with_tokens(&tokens).await;
    for (token, get, post, reason) in [
        (None, 401, 401, "UNAUTHORIZED"),
        (Some("x"), 401, 401, "UNAUTHORIZED"),
        (Some("r"), 200, 403, "SCOPE"),
        (Some("w"), 200, 202, ""),
    ] {
        let with = |request: axum::http::request::Builder| match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let answer = node
            .send(with(Request::get("/psa/pins")), Body::empty())
            .await;
        assert_eq!(answer.status, get, "{token:?}");
        let request = with(Request::post("/psa/pins").header("content-type", "application/json"));
        let answer = node
            .send(request, json!({ "cid": ABSENT }).to_string())
            .await;
        assert_eq!(answer.status, post, "{token:?}");
        if post != 202 {
            assert_eq!(answer.json()["error"]["reason"], reason);
        }
    }
}
