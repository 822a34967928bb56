//! `/openapi.json` against the router.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::TestNode;

async fn description(node: &TestNode) -> Value {
    node.get("/openapi.json").await.json()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_routed() {
    let node = TestNode::new().await;
    let description = description(&node).await;
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    // axum lists its routes in its debug form only.
    let debug = format!("{:?}", node.router);
    // The fallback, which is the web app, stands in it as `/` and `/{*__private__axum_fallback}`.
    let quoted = debug.split('"').skip(1).step_by(2);
    let routed: BTreeSet<String> = quoted
        .filter(|text| text.starts_with('/') && *text != "/" && !text.contains("fallback"))
        .map(str::to_owned)
        .collect();
    assert!(described.len() > 15, "{described:?}");
    assert_eq!(described, routed);
}

#[tokio::test]
async fn every_described_method_is_answered_by_its_route() {
    let node = TestNode::new().await;
    for (path, operations) in description(&node).await["paths"].as_object().unwrap() {
        let names = path.split('/').map(|name| match name.starts_with('{') {
            true => "x",
            false => name,
        });
        let uri = names.collect::<Vec<_>>().join("/");
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let request = Request::builder().method(method.as_str()).uri(&uri);
            let status = node
                .respond("127.0.0.1:1", request, Body::empty())
                .await
                .status();
            // 405 is also tus's own answer to an override without a method.
            let is_override = method == "POST" && path.ends_with("{upload}");
            assert!(status != 405 || is_override, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_every_shape_is_there() {
    let node = TestNode::new().await;
    let description = description(&node).await;
    let mut names = BTreeSet::new();
    for operations in description["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
        }
    }
    let text = description.to_string();
    let shapes = description["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(shapes.contains_key(name), "{name} is not described");
    }
}
