//! What no handler should ever see: bad targets, methods and hosts.

use axum::http::Method;
use cidcast_gateway::{Reach, Settings};

use crate::world::{World, get};

#[tokio::test]
async fn what_is_not_a_cid_is_refused_with_a_hint() {
    let world = World::new().await;
    for bad in ["hello", "bafy", "Qm123", "..", "bafybei%20"] {
        let answer = get(format!("/ipfs/{bad}")).send(&world.router()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "bad-cid"),
            "{bad}"
        );
        assert!(answer.detail().contains("a CID looks like"));
    }
    let answer = get("/ipfs/").send(&world.router()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "bad-path")
    );
}

#[tokio::test]
async fn a_cid_that_is_not_here_is_not_found() {
    let world = World::new().await;
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    for ask in [
        get(format!("/ipfs/{absent}")),
        get(format!("/ipfs/{absent}")).near(),
    ] {
        let answer = ask.send(&world.router()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-here")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn paths_cannot_climb_or_smuggle() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("a/b.txt", b"x")]);
    for up in [
        "..",
        "../..",
        "a/../b",
        "a/%2e%2e/%2e%2e/etc/passwd",
        ".",
        "a/./b.txt",
    ] {
        let answer = get(format!("/ipfs/{root}/{up}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "no-such-name"),
            "{up}"
        );
    }
    for bad in [
        "%",
        "%4",
        "%gg",
        "%ff%fe",
        "a%2fb.txt",
        "a%2Fb.txt",
        "a%00",
        "%c3%28",
    ] {
        let answer = get(format!("/ipfs/{root}/{bad}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "bad-path"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn targets_are_bounded_in_length_and_depth() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("a", b"x")]);
    let answer = get(format!("/ipfs/{root}/{}", "x/".repeat(100)))
        .send(&router)
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "bad-path")
    );
    let answer = get(format!("/ipfs/{root}?{}", "x".repeat(9000)))
        .send(&router)
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (414, "uri-too-long")
    );
}

#[tokio::test]
async fn only_reading_is_possible() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"x"), world.router());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = get(format!("/ipfs/{cid}"))
            .method(method)
            .send(&router)
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method-not-allowed")
        );
        assert!(answer.header("allow").contains("GET"));
    }
    let answer = get("/nothing").send(&router).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "no-route")
    );
}

#[tokio::test]
async fn a_preflight_opens_reading_to_every_page() {
    let world = World::new().await;
    let ask = get("/ipfs/x")
        .method(Method::OPTIONS)
        .header("origin", "https://player.example");
    let ask = ask.header("access-control-request-method", "GET");
    let answer = ask
        .header("access-control-request-headers", "range")
        .send(&world.router())
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("GET")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("range")
    );
    let cid = world.file(b"x");
    let ask = get(format!("/ipfs/{cid}")).header("origin", "https://player.example");
    let answer = ask.send(&world.router()).await;
    let exposed = answer.header("access-control-expose-headers");
    assert!(
        ["content-range", "x-ipfs-path", "etag"]
            .iter()
            .all(|name| exposed.contains(name))
    );
}

#[tokio::test]
async fn a_rebound_name_is_not_served_on_loopback() {
    let world = World::new().await;
    let cid = world.file(b"x");
    let target = format!("/ipfs/{cid}");
    let answer = get(&target)
        .header("host", "evil.example:8787")
        .send(&world.router())
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (421, "foreign-host")
    );
    let public = Settings {
        public_hosts: vec!["media.example".to_owned()],
        ..Settings::new(Reach::Loopback)
    };
    let ask = get(&target).header("host", "media.example");
    assert_eq!(ask.send(&world.router_with(public)).await.status, 200);
    let network = world.router_with(Settings::new(Reach::Network));
    assert_eq!(
        get(&target)
            .header("host", "any.example")
            .send(&network)
            .await
            .status,
        200
    );
}
