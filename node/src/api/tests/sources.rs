//! Whole sources in one request.

use axum::body::Body;
use axum::http::Request;

use super::{MAX_SOURCE, TestNode};

#[tokio::test]
async fn a_put_becomes_an_asset_named_after_its_file() {
    let node = TestNode::new().await;
    let request = Request::put("/api/v1/uploads/My%20Trip.mp4?visibility=unlisted&tags=a,b");
    let answer = node.send(request, "data").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let asset = answer.json();
    let id = asset["id"].as_str().unwrap();
    assert_eq!(answer.header("cidcast-asset"), id);
    assert_eq!(answer.header("location"), format!("/api/v1/assets/{id}"));
    assert_eq!(asset["title"], "My Trip");
    assert_eq!(asset["source"]["name"], "My Trip.mp4");
    assert_eq!(asset["source"]["bytes"], 4);
    assert_eq!(asset["visibility"], "unlisted");
    assert_eq!(asset["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(
        asset["play_url"],
        format!("http://127.0.0.1:8787/play/{id}/master.m3u8")
    );
    assert_eq!(
        asset["embed_url"],
        format!("http://127.0.0.1:8787/embed/{id}")
    );
    assert_eq!(asset["root"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_form_becomes_an_asset() {
    let node = TestNode::new().await;
    let form = "--x\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nA title\r\n\
        --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\
        content-type: video/mp4\r\n\r\nthe bytes\r\n--x--\r\n";
    let post = || {
        Request::post("/api/v1/assets").header("content-type", "multipart/form-data; boundary=x")
    };
    let asset = node.send(post(), form).await;
    assert_eq!(asset.status, 201, "{asset:?}");
    assert_eq!(asset.json()["title"], "A title");
    assert_eq!(asset.json()["source"]["bytes"], 9);
    let unknown = form.replace("\"title\"", "\"titel\"");
    let refused = node.send(post(), unknown).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("`titel`")
    );
    let cut = form.strip_suffix("\r\n--x--\r\n").unwrap().to_owned();
    assert_eq!(node.send(post(), cut).await.status, 400);
}

#[tokio::test]
async fn empty_too_large_and_badly_described_sources_are_refused() {
    let node = TestNode::new().await;
    let put = |query: &str| Request::put(format!("/api/v1/uploads/x.mp4{query}"));
    let empty = node.send(put(""), Body::empty()).await;
    assert_eq!(
        (empty.status.as_u16(), empty.problem().as_str()),
        (422, "invalid")
    );
    let large = vec![0u8; usize::try_from(MAX_SOURCE).unwrap() + 1];
    let announced = put("").header("content-length", large.len());
    let announced = node.send(announced, large.clone()).await;
    assert_eq!(
        (announced.status.as_u16(), announced.problem().as_str()),
        (413, "too-large")
    );
    let unannounced = node.send(put(""), large).await;
    assert_eq!(unannounced.status, 413);
    assert_eq!(node.send(put("?visibility=open"), "x").await.status, 400);
    assert_eq!(node.send(put("?titel=x"), "x").await.status, 400);
    let long = "x".repeat(300);
    assert_eq!(
        node.send(put(&format!("?title={long}")), "x").await.status,
        422
    );
    assert_eq!(
        node.get("/api/v1/assets").await.json()["items"],
        serde_json::json!([])
    );
}
