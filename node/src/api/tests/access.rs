//! Who may call what, from where.

use axum::body::Body;
use axum::http::Request;

use super::{TestNode, token};
use crate::config::Scope;

const FAR: &str = "192.0.2.1:50000";

#[tokio::test]
async fn without_tokens_another_machine_gets_nothing_but_health() {
    let node = TestNode::new().await;
    let list = node
        .send_from(FAR, Request::get("/api/v1/assets"), Body::empty())
        .await;
    assert_eq!(
        (list.status.as_u16(), list.problem().as_str()),
        (403, "loopback-only")
    );
    let health = node
        .send_from(FAR, Request::get("/healthz"), Body::empty())
        .await;
    assert_eq!(health.status, 200);
    assert_eq!(node.get("/api/v1/assets").await.status, 200);
}

#[tokio::test]
async fn with_tokens_every_caller_needs_one_with_the_right_scope() {
    let node = TestNode::with_tokens(&[token("r", Scope::Read), token("w", Scope::Write)]).await;
    let none = node.get("/api/v1/assets").await;
    assert_eq!(
        (none.status.as_u16(), none.problem().as_str()),
        (401, "unauthorized")
    );
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    let with = |method: &str, path: &str, token: &str| {
        let request = Request::builder().method(method).uri(path);
        request.header("authorization", format!("Bearer {token}"))
    };
    for (method, path, token, expected) in [
        ("GET", "/api/v1/assets", "r", 200),
        ("GET", "/api/v1/assets", "wrong", 401),
        ("PUT", "/api/v1/uploads/x.mp4", "r", 403),
        ("PUT", "/api/v1/uploads/x.mp4", "w", 201),
        ("POST", "/api/v1/store/verify", "w", 403),
        ("POST", "/api/v1/store/verify", "local-admin", 200),
        ("GET", "/metrics", "r", 200),
    ] {
        let answer = node.send_from(FAR, with(method, path, token), "data").await;
        assert_eq!(
            answer.status, expected,
            "{method} {path} {token}: {answer:?}"
        );
    }
    assert_eq!(node.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let node = TestNode::new().await;
    for (host, expected) in [
        ("evil.example", 421),
        ("localhost:7878", 200),
        ("media.example.org", 200),
    ] {
        let request = Request::get("/api/v1/assets").header("host", host);
        let answer = node.send(request, Body::empty()).await;
        assert_eq!(answer.status, expected, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let node = TestNode::new().await;
    for (origin, expected) in [
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:7878", 201),
        ("https://app.example.org", 201),
    ] {
        let request = Request::post("/api/v1/assets?filename=x.mp4").header("origin", origin);
        let answer = node.send(request, "data").await;
        assert_eq!(answer.status, expected, "{origin}");
    }
}

#[tokio::test]
async fn an_allowed_origin_passes_its_preflight_and_may_read_answers() {
    let node = TestNode::new().await;
    let origin = "https://app.example.org";
    let preflight = Request::options("/api/v1/uploads")
        .header("origin", origin)
        .header("access-control-request-method", "POST");
    let answer = node.send(preflight, Body::empty()).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("upload-offset")
    );
    let list = Request::get("/api/v1/assets").header("origin", origin);
    let answer = node.send(list, Body::empty()).await;
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("cidcast-asset")
    );
}
