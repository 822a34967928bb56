//! Publishers, feeds, follows, blocks, copies.

use axum::body::Body;
use axum::http::Request;
use cidcast_announce::{
    Announcement, BlockList, Draft, MediaKind, Op, Profile, Publish, Rendition, Replication,
    SigningKey, ViewSharing,
};
use cidcast_catalog::FeedLimits;
use cidcast_types::{AssetId, RootCid, Timestamp};
use serde_json::{Value, json};

use super::{Answer, TestNode, token};
use crate::config::Scope;

const ASSET: &str = "01j9z3k5v8q2w4e6r7t9y0a1b2";
const ROOT: &str = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

fn stranger() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn publish(asset: AssetId, title: &str) -> Op {
    let video = MediaKind::Video {
        width: 1280,
        height: 720,
    };
    Op::Publish(Box::new(Publish {
        asset,
        root: RootCid::new(ROOT.parse().unwrap()),
        title: title.to_owned(),
        description: "A film".to_owned(),
        tags: vec!["animation".to_owned()],
        created_at: Timestamp::from_millis(1_700_000_000_000),
        duration_ms: 5_300,
        bytes: 4_000,
        renditions: vec![Rendition {
            name: "720p".parse().unwrap(),
            kind: video,
            bytes: 3_000,
            path: "video/720p".to_owned(),
        }],
        poster: Some("poster.jpg".to_owned()),
        language: None,
        replication: Replication { min: 2, max: 5 },
        views: ViewSharing::Share,
    }))
}

impl TestNode {
    /// Records one announcement of a stranger: a profile and a video.
    async fn announced(&self) -> String {
        let key = stranger();
        let profile = Op::Profile(Profile {
            name: "Meadow".to_owned(),
            about: "Films".to_owned(),
            nodes: Vec::new(),
            web: None,
        });
        let draft = Draft {
            seq: 0,
            prev: None,
            at: Timestamp::from_millis(1_700_000_000_000),
            ops: vec![profile, publish(ASSET.parse().unwrap(), "Rabbit & friends")],
        };
        let announcement = Announcement::sign(&key, draft).unwrap();
        let limits = FeedLimits {
            publisher_bytes: 1 << 20,
            total_bytes: 1 << 20,
            publishers: 9,
        };
        let now = Timestamp::from_millis(1_700_000_001_000);
        self.catalog
            .record(&[announcement], &limits, now)
            .await
            .unwrap();
        key.publisher().to_string()
    }

    async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path), Body::empty()).await
    }
}

#[tokio::test]
async fn anyone_may_ask_whom_a_node_announces_as() {
    let node = TestNode::with_tokens(&[token("secret", Scope::Read)]).await;
    let answer = node
        .send_from(
            "192.0.2.9:1",
            Request::get("/api/v1/publisher"),
            Body::empty(),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let own = answer.json();
    assert!(
        own["publisher"].as_str().unwrap().starts_with("k51"),
        "{own}"
    );
    assert_eq!(
        (&own["seq"], &own["state"]),
        (&json!(null), &json!("empty"))
    );
    assert!(
        own["nodes"].as_array().unwrap()[0]
            .as_str()
            .unwrap()
            .contains("/p2p/")
    );
    let others = node
        .send_from("192.0.2.9:1", Request::get("/api/v1/feeds"), Body::empty())
        .await;
    assert_eq!(others.status, 401);
}

#[tokio::test]
async fn a_profile_is_announced_and_changed_in_part() {
    let node = TestNode::new().await;
    let first = json!({ "name": "Meadow", "web": "https://meadow.example/" });
    let answer = node.json("PUT", "/api/v1/publisher", &first).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let second = json!({ "about": "Films", "web": null });
    let own = node.json("PUT", "/api/v1/publisher", &second).await.json();
    assert_eq!(
        (&own["name"], &own["about"], &own["web"]),
        (&json!("Meadow"), &json!("Films"), &json!(null))
    );
    // Where the node can be reached is announced by itself, before or after.
    assert!(own["seq"].as_u64().unwrap() >= 1, "{own}");
    let feed = node
        .get(&format!(
            "/api/v1/feeds/{}",
            own["publisher"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!((&feed["own"], &feed["lag"]), (&json!(true), &json!(0)));
    assert_eq!(feed["announcements"][0]["ops"][0], "profile “Meadow”");
    let odd = node
        .json(
            "PUT",
            "/api/v1/publisher",
            &json!({ "name": "x".repeat(999) }),
        )
        .await;
    assert_eq!(
        (odd.status.as_u16(), odd.problem()),
        (422, "invalid".to_owned())
    );
}

#[tokio::test]
async fn what_others_announce_is_listed_searched_shown_and_removed() {
    let node = TestNode::new().await;
    let publisher = node.announced().await;
    let feeds = node.get("/api/v1/feeds").await.json();
    let feed = feeds["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|feed| feed["publisher"] == publisher)
        .unwrap();
    assert_eq!(
        (
            &feed["name"],
            &feed["have"],
            &feed["assets"],
            &feed["state"]
        ),
        (&json!("Meadow"), &json!(1), &json!(1), &json!("current"))
    );
    let found = node.get("/api/v1/discover?q=rabbit").await.json();
    let asset = &found["items"][0];
    assert_eq!(
        (&asset["title"], &asset["publisher_name"], &asset["here"]),
        (&json!("Rabbit & friends"), &json!("Meadow"), &json!("none"))
    );
    assert_eq!(
        asset["play_url"],
        format!("http://127.0.0.1:8787/play/{ROOT}/master.m3u8")
    );
    let none = node.get("/api/v1/discover?q=nothing").await.json();
    assert_eq!(none["items"], json!([]));
    let path = format!("/api/v1/discover/{publisher}/{ASSET}");
    let shown = node.get(&path).await.json();
    assert_eq!(
        (&shown["wanted_copies"], &shown["holders"]),
        (&json!(2), &json!([]))
    );
    assert_eq!(shown["renditions"][0]["height"], 720);

    assert_eq!(node.delete(&path).await.status, 204);
    let gone = node.get("/api/v1/discover").await.json();
    assert_eq!(gone["items"], json!([]));
    let other = format!("/api/v1/discover/{publisher}/01j9z3k5v8q2w4e6r7t9y0a1b3");
    assert_eq!(node.delete(&other).await.problem(), "not-found");
}

#[tokio::test]
async fn a_follow_is_added_changed_listed_and_ended() {
    let node = TestNode::new().await;
    let publisher = stranger().publisher().to_string();
    let request = json!({ "target": publisher, "replicate": "newest:3", "renditions": ["480p"] });
    let follow = node.json("POST", "/api/v1/follows", &request).await;
    assert_eq!(follow.status, 201, "{follow:?}");
    let follow = follow.json();
    assert_eq!(
        (&follow["publisher"], &follow["state"], &follow["replicate"]),
        (&json!(publisher), &json!("resolved"), &json!("newest:3"))
    );
    let again = node.json("POST", "/api/v1/follows", &request).await;
    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (409, "already-followed".to_owned())
    );
    let unheard = node.get(&format!("/api/v1/feeds/{publisher}")).await.json();
    assert_eq!(
        (&unheard["state"], &unheard["followed"], &unheard["have"]),
        (&json!("unknown"), &json!(true), &json!(0))
    );
    let path = format!("/api/v1/follows/{}", follow["id"]);
    let patch = json!({ "replicate": "budget:1GiB", "strategy": "rare" });
    let changed = node.json("PATCH", &path, &patch).await.json();
    assert_eq!(
        (
            &changed["replicate"],
            &changed["strategy"],
            &changed["renditions"]
        ),
        (
            &json!("budget:1073741824"),
            &json!("rare"),
            &json!(["480p"])
        )
    );
    for (body, status) in [
        (json!({ "replicate": "some" }), 422),
        (json!({ "strategy": "best" }), 422),
        (json!({ "whom": "x" }), 400),
    ] {
        assert_eq!(
            node.json("PATCH", &path, &body).await.status,
            status,
            "{body}"
        );
    }
    let nobody = node
        .json(
            "POST",
            "/api/v1/follows",
            &json!({ "target": "hello world" }),
        )
        .await;
    assert_eq!(nobody.problem(), "bad-request");
    assert_eq!(node.delete(&path).await.status, 204);
    assert_eq!(node.delete(&path).await.problem(), "not-found");
    assert_eq!(node.get("/api/v1/follows").await.json()["items"], json!([]));
    assert_eq!(
        node.get("/api/v1/followers").await.json()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_block_hides_a_publisher_and_is_taken_back() {
    let node = TestNode::new().await;
    let publisher = node.announced().await;
    let request = json!({ "kind": "publisher", "subject": publisher, "reason": "spam" });
    assert_eq!(
        node.json("POST", "/api/v1/blocks", &request).await.status,
        204
    );
    let blocks = node.get("/api/v1/blocks").await.json();
    assert_eq!(
        (&blocks["items"][0]["name"], &blocks["items"][0]["reason"]),
        (&json!("Meadow"), &json!("spam"))
    );
    let feed = node.get(&format!("/api/v1/feeds/{publisher}")).await.json();
    assert_eq!(feed["state"], "blocked");
    let path = format!("/api/v1/blocks/publisher/{publisher}");
    assert_eq!(node.delete(&path).await.status, 204);
    assert_eq!(node.delete(&path).await.problem(), "not-found");
    for (kind, subject) in [("thing", publisher.as_str()), ("peer", "hello")] {
        let request = json!({ "kind": kind, "subject": subject });
        let refused = node.json("POST", "/api/v1/blocks", &request).await;
        assert_eq!(refused.problem(), "bad-request");
    }
    let own = node.get("/api/v1/publisher").await.json();
    let request = json!({ "kind": "publisher", "subject": own["publisher"] });
    let refused = node.json("POST", "/api/v1/blocks", &request).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "oneself".to_owned())
    );
}

#[tokio::test]
async fn a_block_list_is_exported_signed_and_imported_elsewhere() {
    let (here, there) = (TestNode::new().await, TestNode::new().await);
    let publisher = stranger().publisher().to_string();
    let request = json!({ "kind": "publisher", "subject": publisher, "reason": "spam" });
    here.json("POST", "/api/v1/blocks", &request).await;
    let exported = here.get("/api/v1/blocklists/own?title=mine").await;
    assert_eq!(exported.status, 200, "{exported:?}");
    let list = BlockList::verify(&exported.body).unwrap();
    let imported = there
        .send(Request::post("/api/v1/blocklists"), exported.body.clone())
        .await;
    assert_eq!(imported.status, 201, "{imported:?}");
    let author = list.author().to_string();
    assert_eq!(imported.json()["publisher"], author);
    let blocks = there.get("/api/v1/blocks").await.json();
    assert_eq!(
        (&blocks["items"][0]["subject"], &blocks["items"][0]["list"]),
        (&json!(publisher), &json!(author))
    );
    let damaged = there
        .send(Request::post("/api/v1/blocklists"), "not a list")
        .await;
    assert_eq!(damaged.problem(), "invalid");
    let path = format!("/api/v1/blocklists/{author}");
    assert_eq!(there.delete(&path).await.status, 204);
    assert_eq!(there.get("/api/v1/blocks").await.json()["items"], json!([]));
    assert_eq!(there.delete(&path).await.problem(), "not-found");
}

#[tokio::test]
async fn replication_is_paused_and_resumed_and_lists_are_lists() {
    let node = TestNode::new().await;
    assert_eq!(
        node.get("/api/v1/replication").await.json()["paused"],
        false
    );
    let post = |path: &'static str| node.send(Request::post(path), Body::empty());
    let paused = post("/api/v1/replication/pause").await.json();
    assert_eq!(
        (&paused["paused"], &paused["fills"]),
        (&json!(true), &json!([]))
    );
    let resumed = post("/api/v1/replication/resume").await.json();
    assert_eq!(resumed["paused"], false);
    let replicas = node.get("/api/v1/replicas").await.json();
    assert_eq!(
        (&replicas["incoming"], &replicas["outgoing"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(replicas["outgoing_next"], json!(null));
    let place = format!("/api/v1/replicas?outgoing_after={ASSET}/nobody");
    assert_eq!(node.get(&place).await.problem(), "invalid");
    let waiting = node.get("/api/v1/deliveries").await.json();
    assert_eq!(
        (&waiting["items"], &waiting["waiting"]),
        (&json!([]), &json!(0))
    );
    let nothing = format!("/api/v1/replicas/{}/{ASSET}", stranger().publisher());
    assert_eq!(node.delete(&nothing).await.problem(), "not-found");
}

#[tokio::test]
async fn a_peer_s_score_is_shown_and_reset() {
    let node = TestNode::new().await;
    let peer = stranger().publisher().peer_id();
    let score = node
        .get(&format!("/api/v1/peers/{peer}/score"))
        .await
        .json();
    assert_eq!(
        (&score["value"], &score["revoked"]),
        (&json!(100), &json!(false))
    );
    let reset = node
        .send(
            Request::post(format!("/api/v1/peers/{peer}/score/reset")),
            Body::empty(),
        )
        .await;
    assert_eq!(reset.status, 200, "{reset:?}");
    let peers = node.get("/api/v1/peers").await.json();
    assert_eq!(peers["items"][0]["id"], peer);
    assert_eq!(peers["items"][0]["score"]["value"], 100);
}

#[tokio::test]
async fn only_what_is_public_can_be_retracted() {
    let node = TestNode::new().await;
    let id = node.add("a.mp4").await;
    let path = format!("/api/v1/assets/{id}/retract");
    let refused = node.json("POST", &path, &json!({})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "not-public".to_owned())
    );
    node.json("POST", &format!("/api/v1/assets/{id}/publish"), &json!({}))
        .await;
    let asset = node.get(&format!("/api/v1/assets/{id}")).await.json();
    assert_eq!(asset["announcement"]["state"], "waiting");
    let retracted = node
        .json("POST", &path, &json!({ "reason": "wrong" }))
        .await;
    assert_eq!(retracted.status, 200, "{retracted:?}");
    let asset = retracted.json();
    assert_eq!(
        (&asset["visibility"], &asset["announcement"]),
        (&json!("private"), &json!(null))
    );
}
