//! Bounds and counts.

use axum::http::StatusCode;
use cidcast_gateway::{Limits, Reach, Route, RouteLabels, Settings};
use prometheus_client::encoding::text::encode;

use crate::world::{World, get, noise};

#[tokio::test]
async fn a_request_counts_until_its_body_is_dropped() {
    let world = World::new().await;
    let cid = world.file(&noise(3 << 20));
    let limits = Limits {
        concurrent_requests: 2,
        ..Limits::default()
    };
    let router = world.router_with(Settings {
        limits,
        ..Settings::new(Reach::Loopback)
    });
    let target = format!("/ipfs/{cid}");
    let first = get(&target).start(&router).await;
    let second = get(&target).start(&router).await;
    assert_eq!(world.metrics.in_flight.get(), 2);
    let refused = get(&target).send(&router).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), "1");
    drop(first);
    assert_eq!(get(&target).send(&router).await.status, 200);
    drop(second);
    assert_eq!(world.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn requests_and_bytes_are_counted_by_route() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"0123456789"), world.router());
    get(format!("/ipfs/{cid}")).send(&router).await;
    get(format!("/ipfs/{cid}"))
        .header("range", "bytes=0-3")
        .send(&router)
        .await;
    get("/ipfs/nonsense").send(&router).await;
    get("/play/nonsense/x").send(&router).await;
    let mut text = String::new();
    encode(&mut text, &world.registry).unwrap();
    for line in [
        "cidcast_gateway_requests_total{route=\"ipfs\",class=\"2\"} 2",
        "cidcast_gateway_requests_total{route=\"ipfs\",class=\"4\"} 1",
        "cidcast_gateway_requests_total{route=\"play\",class=\"4\"} 1",
        "cidcast_gateway_requests_in_flight 0",
        "cidcast_gateway_response_seconds_count{route=\"ipfs\"} 3",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let sent = world
        .metrics
        .sent_bytes
        .get_or_create_owned(&RouteLabels { route: Route::ipfs });
    assert!(sent.get() > 14);
}

#[tokio::test]
async fn a_body_is_read_only_as_it_is_taken() {
    let world = World::new().await;
    let (cid, router) = (world.file(&noise(8 << 20)), world.router());
    let response = get(format!("/ipfs/{cid}")).start(&router).await;
    assert_eq!(response.status(), StatusCode::OK);
    let sent = world
        .metrics
        .sent_bytes
        .get_or_create_owned(&RouteLabels { route: Route::ipfs });
    assert_eq!(sent.get(), 0);
    let mut body = response.into_body();
    http_body_util::BodyExt::frame(&mut body)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sent.get(), 1 << 20);
}
