//! Assets, jobs, pins and events.

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt as _;
use serde_json::json;

use super::TestNode;

fn patch(id: &str) -> axum::http::request::Builder {
    Request::patch(format!("/api/v1/assets/{id}")).header("content-type", "application/json")
}

#[tokio::test]
async fn assets_are_listed_in_pages_newest_first() {
    let node = TestNode::new().await;
    let mut ids = Vec::new();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        ids.push(node.add(name).await);
    }
    ids.reverse();
    let first = node.get("/api/v1/assets?limit=2").await.json();
    let next = first["next"].as_str().unwrap();
    let second = node
        .get(&format!("/api/v1/assets?limit=2&cursor={next}"))
        .await
        .json();
    let all: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|asset| asset["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(all, ids);
    assert_eq!(second["next"], json!(null));
    let found = node.get("/api/v1/assets?q=b").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_that_is_asked_for_wrongly_is_explained() {
    let node = TestNode::new().await;
    for query in [
        "state=done",
        "visibility=open",
        "cursor=x",
        "limit=many",
        "page=2",
    ] {
        let answer = node.get(&format!("/api/v1/assets?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (400, "bad-request"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_asset_is_edited_published_and_deleted() {
    let node = TestNode::new().await;
    let id = node.add("a.mp4").await;
    let body = json!({ "title": "New", "tags": ["x"] }).to_string();
    let edited = node.send(patch(&id), body).await.json();
    assert_eq!(
        (&edited["title"], &edited["tags"]),
        (&json!("New"), &json!(["x"]))
    );
    let published = node
        .send(
            Request::post(format!("/api/v1/assets/{id}/publish")),
            Body::empty(),
        )
        .await;
    assert_eq!(published.json()["visibility"], "public");
    let gone = node
        .send(
            Request::delete(format!("/api/v1/assets/{id}")),
            Body::empty(),
        )
        .await;
    assert_eq!(gone.status, 204);
    let missing = node.get(&format!("/api/v1/assets/{id}")).await;
    assert_eq!(
        (missing.status.as_u16(), missing.problem().as_str()),
        (404, "not-found")
    );
    let again = node
        .send(
            Request::delete(format!("/api/v1/assets/{id}")),
            Body::empty(),
        )
        .await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn a_bad_edit_is_refused_and_changes_nothing() {
    let node = TestNode::new().await;
    let id = node.add("a.mp4").await;
    for (body, expected) in [
        ("{", 400),
        (r#"{"titel":"x"}"#, 400),
        (r#"{"title":""}"#, 422),
        (r#"{"visibility":"open"}"#, 400),
    ] {
        let answer = node.send(patch(&id), body).await;
        // axum calls JSON of the wrong shape 422 and broken JSON 400: both are 400 here.
        assert_eq!(answer.status, expected, "{body}: {answer:?}");
        answer.problem();
    }
    let untyped = node
        .send(Request::patch(format!("/api/v1/assets/{id}")), "{}")
        .await;
    assert_eq!(untyped.status, 415);
    assert_eq!(
        node.get(&format!("/api/v1/assets/{id}")).await.json()["title"],
        "a"
    );
}

#[tokio::test]
async fn something_that_is_no_video_fails_for_good_and_says_why() {
    let node = TestNode::new().await;
    let mut events = node.ingest.events();
    let id = node.add("a.mp4").await;
    let asset = loop {
        let asset = node.get(&format!("/api/v1/assets/{id}")).await.json();
        if asset["state"] == "failed" {
            break asset;
        }
        events.recv().await.unwrap();
    };
    assert_eq!(asset["error"]["permanent"], true);
    assert!(
        asset["error"]["type"]
            .as_str()
            .unwrap()
            .starts_with("urn:cidcast:problem:")
    );
    let retried = node
        .send(
            Request::post(format!("/api/v1/assets/{id}/retry")),
            Body::empty(),
        )
        .await;
    assert_eq!(retried.status, 200, "{retried:?}");
}

#[tokio::test]
async fn an_event_stream_begins_with_the_asset_and_tells_its_end() {
    let node = TestNode::new().await;
    let id = node.add("a.mp4").await;
    let request = Request::get(format!("/api/v1/events?asset={id}"));
    let response = node.respond("127.0.0.1:1", request, Body::empty()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut pieces = response.into_body().into_data_stream();
    let first = pieces.next().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(
        first.starts_with("event: asset\ndata: {") && first.contains(&id),
        "{first}"
    );
    node.send(
        Request::delete(format!("/api/v1/assets/{id}")),
        Body::empty(),
    )
    .await;
    let told = format!("event: deleted\ndata: {{\"id\":\"{id}\"}}");
    loop {
        let piece = pieces.next().await.expect("the stream goes on").unwrap();
        if String::from_utf8_lossy(&piece).contains(&told) {
            break;
        }
    }
    node.shutdown.trigger();
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn jobs_and_pins_are_lists() {
    let node = TestNode::new().await;
    assert!(node.get("/api/v1/jobs").await.json()["items"].is_array());
    let pins = node.get("/api/v1/pins").await.json();
    assert_eq!((&pins["items"], &pins["total"]), (&json!([]), &json!(0)));
}
