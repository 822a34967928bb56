//! Peers, with two nodes that meet.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{Answer, TestNode};

async fn connect(node: &TestNode, address: &str) -> Answer {
    node.send_json("POST", "/api/v1/peers", &json!({ "address": address }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_connected_listed_pinged_and_disconnected() {
    let (here, there) = (TestNode::new().await, TestNode::new().await);
    assert_eq!(here.get("/api/v1/peers").await.json()["items"], json!([]));
    let address = there.swarm.listen_addresses().await.remove(0);
    let peer = there.swarm.peer_id();

    let connected = connect(&here, &address).await;
    assert_eq!(connected.status, 200, "{connected:?}");
    assert_eq!(connected.json()["id"], peer);
    assert_eq!(connected.json()["connections"][0]["direction"], "outbound");
    // Once more changes nothing.
    assert_eq!(connect(&here, &address).await.status, 200);
    let listed = here.get("/api/v1/peers").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        listed["items"][0]["connections"].as_array().unwrap().len(),
        1
    );
    let node = here.get("/api/v1/node").await.json();
    assert_eq!(node["reach"]["peers"], 1);
    assert_eq!(node["reach"]["network"], "open");

    let ping = format!("/api/v1/peers/{peer}/ping");
    let times = here.send_json("POST", &ping, &json!({ "count": 3 })).await;
    assert_eq!(times.status, 200, "{times:?}");
    let times = times.json();
    let times = times["rtts_ms"].as_array().unwrap();
    assert_eq!(times.len(), 3);
    assert!(
        times.iter().all(|time| time.as_f64().unwrap() > 0.0),
        "{times:?}"
    );

    let path = format!("/api/v1/peers/{peer}");
    let gone = here.send_json("DELETE", &path, &Value::Null).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let again = here.send_json("DELETE", &path, &Value::Null).await;
    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (404, "not-found".to_owned())
    );
    let silent = here.send_json("POST", &ping, &json!({})).await;
    assert_eq!(
        (silent.status.as_u16(), silent.problem()),
        (404, "not-found".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_or_understood_is_refused_with_a_reason() {
    let (here, there) = (TestNode::new().await, TestNode::new().await);
    let address = there.swarm.listen_addresses().await.remove(0);
    let (without_peer, peer) = address.split_once("/p2p/").unwrap();
    let own = here.swarm.listen_addresses().await.remove(0);
    let (own, _) = own.split_once("/p2p/").unwrap();
    for (address, status, problem) in [
        ("here", 400, "bad-request"),
        (without_peer, 400, "bad-request"),
        (
            &format!("/dns4/nobody.invalid/tcp/1/p2p/{peer}"),
            400,
            "bad-request",
        ),
        // Somebody else answers there.
        (&format!("{own}/p2p/{peer}"), 502, "peer-unreachable"),
    ] {
        let refused = connect(&here, address).await;
        assert_eq!(refused.status, status, "{address}: {refused:?}");
        assert_eq!(refused.problem(), problem, "{address}");
    }
    let ping = format!("/api/v1/peers/{peer}/ping");
    let many = here
        .send_json("POST", &ping, &json!({ "count": 101 }))
        .await;
    assert_eq!(many.problem(), "invalid");
    let nobody = here
        .send_json("DELETE", "/api/v1/peers/nobody", &Value::Null)
        .await;
    assert_eq!(nobody.problem(), "bad-request");
    let body = here
        .send(Request::post("/api/v1/peers"), Body::empty())
        .await;
    assert_eq!(body.problem(), "media-type");
}
