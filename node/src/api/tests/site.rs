//! The web app, health and metrics, and refusals outside of any resource.

use axum::body::Body;
use axum::http::Request;

use super::TestNode;

#[tokio::test]
async fn the_app_is_its_page_at_every_address_of_its_own() {
    let node = TestNode::new().await;
    for path in ["/", "/watch/01j9z3k5v8q2w4e6r7t9y0a1b2", "/index.html"] {
        let page = node.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-cache");
    }
}

#[tokio::test]
async fn a_watch_page_names_its_oembed_document_for_those_who_run_no_scripts() {
    let node = TestNode::new().await;
    let id = "01j9z3k5v8q2w4e6r7t9y0a1b2";
    for path in [format!("/watch/{id}"), format!("/discover/k51abc/{id}")] {
        let page = node.get(&path).await;
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let href = "href=\"http://127.0.0.1:8787/oembed?url=http%3A%2F%2F127%2E0%2E0%2E1%3A7878%2F";
        assert!(text.contains(href), "{text}");
        assert!(text.contains("application/json+oembed"), "{text}");
    }
    let page = node.get("/watch/nothing").await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("oembed"), "{text}");
}

#[tokio::test]
async fn the_page_may_load_from_itself_and_the_gateway_only() {
    let node = TestNode::new().await;
    let page = node.get("/").await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(
        policy.contains("connect-src 'self' http://127.0.0.1:8787"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let node = TestNode::new().await;
    let etag = node.get("/").await.header("etag").to_owned();
    let again = Request::get("/").header("if-none-match", etag);
    let answer = node.send(again, Body::empty()).await;
    assert_eq!(answer.status, 304);
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn what_is_neither_a_page_nor_a_file_nor_a_route_is_a_problem() {
    let node = TestNode::new().await;
    for path in [
        "/static/old-1234.js",
        "/favicon.missing",
        "/api/v1/nothing",
        "/api",
    ] {
        let answer = node.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (404, "not-found"),
            "{path}"
        );
    }
    let post = node.send(Request::post("/watch/x"), Body::empty()).await;
    assert_eq!(post.status, 404);
    let wrong = node
        .send(Request::delete("/api/v1/node"), Body::empty())
        .await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.problem().as_str()),
        (405, "method-not-allowed")
    );
}

#[tokio::test]
async fn a_stopping_node_is_alive_but_not_ready() {
    let node = TestNode::new().await;
    assert_eq!(node.get("/readyz").await.json()["ready"], true);
    node.shutdown.trigger();
    assert_eq!(node.get("/healthz").await.status, 200);
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ready"], false);
}

#[tokio::test]
async fn metrics_count_uploads_and_requests_by_route() {
    let node = TestNode::new().await;
    node.add("x.mp4").await;
    let metrics = node.get("/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("cidcast_ingest_uploads_total 1"), "{text}");
    let line = "cidcast_api_requests_total{route=\"/api/v1/uploads/{upload}\",method=\"PUT\",status=\"201\"} 1";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn the_node_says_who_it_is_and_what_it_holds() {
    let node = TestNode::new().await;
    let shown = node.get("/api/v1/node").await.json();
    assert_eq!(shown["peer_id"], node.swarm.peer_id());
    assert_eq!(shown["gateway_url"], "http://127.0.0.1:8787");
    assert!(shown["store"]["free_bytes"].as_u64().unwrap() > 0);
}
