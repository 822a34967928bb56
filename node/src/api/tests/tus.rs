//! The tus 1.0.0 protocol, rule by rule.

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::{Answer, MAX_SOURCE, TestNode};

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("tus-resumable", "1.0.0")
}

fn patch(path: &str, offset: u64) -> axum::http::request::Builder {
    request("PATCH", path)
        .header("upload-offset", offset)
        .header("content-type", "application/offset+octet-stream")
}

async fn create(node: &TestNode, length: u64) -> String {
    let answer = node
        .send(
            request("POST", "/api/v1/uploads")
                .header("upload-length", length)
                .header("upload-metadata", "filename Y2xpcC5tcDQ=,title SMO8"),
            Body::empty(),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("upload-offset"), "0");
    assert!(answer.header("upload-expires").ends_with("GMT"));
    answer.header("location").to_owned()
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn head(node: &TestNode, path: &str) -> Answer {
    node.send(request("HEAD", path), Body::empty()).await
}

#[tokio::test]
async fn options_say_what_the_server_can() {
    let node = TestNode::new().await;
    let answer = node
        .send(Request::options("/api/v1/uploads"), Body::empty())
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("tus-version"), "1.0.0");
    assert_eq!(answer.header("tus-max-size"), MAX_SOURCE.to_string());
    assert_eq!(answer.header("tus-checksum-algorithm"), "sha1,sha256");
    for extension in [
        "creation",
        "creation-with-upload",
        "checksum",
        "expiration",
        "termination",
    ] {
        let offered = answer
            .header("tus-extension")
            .split(',')
            .any(|name| name == extension);
        assert!(offered, "{extension}");
    }
}

#[tokio::test]
async fn another_version_is_refused() {
    let node = TestNode::new().await;
    for version in [None, Some("0.2.2")] {
        let mut post = Request::post("/api/v1/uploads").header("upload-length", 5);
        if let Some(version) = version {
            post = post.header("tus-resumable", version);
        }
        let answer = node.send(post, Body::empty()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (412, "tus-version")
        );
        assert_eq!(answer.header("tus-version"), "1.0.0");
    }
}

#[tokio::test]
async fn an_upload_in_parts_becomes_an_asset_at_its_last_byte() {
    let node = TestNode::new().await;
    let path = create(&node, 10).await;
    let first = node.send(patch(&path, 0), "01234").await;
    assert_eq!(
        (first.status.as_u16(), first.header("upload-offset")),
        (204, "5")
    );
    assert_eq!(first.header("tus-resumable"), "1.0.0");
    assert!(!first.headers.contains_key("cidcast-asset"));
    let between = head(&node, &path).await;
    assert_eq!(between.header("upload-offset"), "5");
    assert_eq!(between.header("upload-length"), "10");
    assert_eq!(
        between.header("upload-metadata"),
        "filename Y2xpcC5tcDQ=,title SMO8"
    );
    assert_eq!(between.header("cache-control"), "no-store");
    let last = node.send(patch(&path, 5), "56789").await;
    assert_eq!(last.header("upload-offset"), "10");
    let id = last.header("cidcast-asset");
    assert_eq!(head(&node, &path).await.header("cidcast-asset"), id);
    let asset = node.get(&format!("/api/v1/assets/{id}")).await.json();
    assert_eq!(
        (&asset["title"], &asset["source"]["name"]),
        (&"Hü".into(), &"clip.mp4".into())
    );
}

#[tokio::test]
async fn an_upload_can_bring_its_bytes_along() {
    let node = TestNode::new().await;
    let post = request("POST", "/api/v1/uploads")
        .header("upload-length", 5)
        .header("content-length", 5)
        .header("content-type", "application/offset+octet-stream");
    let answer = node.send(post, "01234").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("upload-offset")),
        (201, "5")
    );
    assert!(answer.headers.contains_key("cidcast-asset"));
}

#[tokio::test]
async fn a_part_at_the_wrong_place_or_of_the_wrong_type_is_refused() {
    let node = TestNode::new().await;
    let path = create(&node, 10).await;
    let conflict = node.send(patch(&path, 3), "345").await;
    assert_eq!(
        (conflict.status.as_u16(), conflict.problem().as_str()),
        (409, "offset-conflict")
    );
    let untyped = request("PATCH", &path).header("upload-offset", 0);
    assert_eq!(node.send(untyped, "x").await.status, 415);
    let nowhere = request("PATCH", &path).header("content-type", "application/offset+octet-stream");
    assert_eq!(node.send(nowhere, "x").await.status, 400);
    let over = node.send(patch(&path, 0), "0123456789+").await;
    assert_eq!(over.status, 413);
    assert_eq!(head(&node, &path).await.header("upload-offset"), "0");
}

#[tokio::test]
async fn a_part_counts_only_if_its_checksum_is_right() {
    let node = TestNode::new().await;
    let path = create(&node, 10).await;
    let right = base64(&Sha256::digest(b"01234"));
    let wrong = base64(&Sha256::digest(b"other"));
    let send =
        |checksum: String| node.send(patch(&path, 0).header("upload-checksum", checksum), "01234");
    let mismatch = send(format!("sha256 {wrong}")).await;
    assert_eq!(
        (mismatch.status.as_u16(), mismatch.problem().as_str()),
        (460, "checksum-mismatch")
    );
    assert_eq!(head(&node, &path).await.header("upload-offset"), "0");
    for malformed in ["crc9 AAAA", "sha256", "sha256 ***"] {
        assert_eq!(send(malformed.to_owned()).await.status, 400, "{malformed}");
    }
    let fine = send(format!("sha256 {right}")).await;
    assert_eq!(
        (fine.status.as_u16(), fine.header("upload-offset")),
        (204, "5")
    );
}

#[tokio::test]
async fn a_terminated_upload_is_gone() {
    let node = TestNode::new().await;
    let path = create(&node, 10).await;
    assert_eq!(
        node.send(request("DELETE", &path), Body::empty())
            .await
            .status,
        204
    );
    assert_eq!(head(&node, &path).await.status, 404);
    assert_eq!(node.send(patch(&path, 0), "0").await.problem(), "not-found");
    assert_eq!(head(&node, "/api/v1/uploads/not-an-id").await.status, 404);
}

#[tokio::test]
async fn a_client_that_can_only_post_names_the_method() {
    let node = TestNode::new().await;
    let path = create(&node, 5).await;
    let post = |method: &str| {
        request("POST", &path)
            .header("x-http-method-override", method)
            .header("upload-offset", 0)
            .header("content-type", "application/offset+octet-stream")
    };
    assert_eq!(node.send(post("PUT"), "01234").await.status, 405);
    let answer = node.send(post("PATCH"), "01234").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("upload-offset")),
        (204, "5")
    );
    assert_eq!(
        node.send(post("HEAD"), Body::empty())
            .await
            .header("upload-offset"),
        "5"
    );
}

#[tokio::test]
async fn an_upload_that_cannot_be_kept_is_refused_at_once() {
    let node = TestNode::new().await;
    let post = |length: &str| request("POST", "/api/v1/uploads").header("upload-length", length);
    let large = node
        .send(post(&(MAX_SOURCE + 1).to_string()), Body::empty())
        .await;
    assert_eq!(
        (large.status.as_u16(), large.problem().as_str()),
        (413, "too-large")
    );
    assert_eq!(large.header("tus-resumable"), "1.0.0");
    assert_eq!(node.send(post("0"), Body::empty()).await.status, 422);
    assert_eq!(node.send(post("many"), Body::empty()).await.status, 400);
    let unknown = node
        .send(request("POST", "/api/v1/uploads"), Body::empty())
        .await;
    assert_eq!(unknown.status, 400);
    let garbled = post("5").header("upload-metadata", "title ***");
    assert_eq!(node.send(garbled, Body::empty()).await.status, 400);
}
