//! Invariant 8: private content is never shown to anyone who is not trusted.

use axum::Router;
use cidcast_gateway::{Reach, Settings};
use cidcast_ipfs::unixfs::DAG_PB;
use cidcast_store::{Audience, Holder};
use cidcast_types::Cid;

use crate::dag::{DIRECTORY, FILE_OF_7, identity, node};
use crate::world::{Ask, TOKEN, World, get, noise};

/// What a stranger is told of content that is nowhere.
async fn told_of_nothing(router: &Router) -> (u16, String) {
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let answer = get(format!("/ipfs/{absent}")).send(router).await;
    (answer.status, answer.detail().replace(absent, ""))
}

async fn assert_hidden(ask: Ask, cid: &Cid, router: &Router) {
    let answer = ask.send(router).await;
    let told = (answer.status, answer.detail().replace(&cid.to_string(), ""));
    assert_eq!(told, told_of_nothing(router).await);
    assert_eq!(answer.header("etag"), "");
}

#[tokio::test]
async fn private_and_unpinned_content_read_like_absent_content() {
    let world = World::new().await;
    let router = world.router();
    let (private, unpinned) = (world.add(b"private"), world.add(b"unpinned"));
    world.pin("owner", &private, Audience::Members);
    for cid in [private, unpinned] {
        let target = format!("/ipfs/{cid}");
        assert_hidden(get(&target), &cid, &router).await;
        assert_hidden(get(&target).header("if-none-match", "*"), &cid, &router).await;
        assert_hidden(get(&target).header("range", "bytes=0-0"), &cid, &router).await;
        assert_hidden(get(format!("{target}?format=raw")), &cid, &router).await;
        assert_hidden(get(format!("/play/{cid}/master.m3u8")), &cid, &router).await;
        assert_hidden(get(&target).peer("192.0.2.1:9"), &cid, &router).await;
    }
}

#[tokio::test]
async fn a_token_opens_private_content_to_its_bearer_and_to_no_shared_cache() {
    let world = World::new().await;
    let router = world.router_with(Settings::new(Reach::Network));
    let cid = world.add(b"private");
    world.pin("owner", &cid, Audience::Members);
    let target = format!("/ipfs/{cid}");
    let by_header = get(&target).header("authorization", &format!("Bearer {TOKEN}"));
    let by_query = get(format!("{target}?token=secret%2B1%2F2"));
    for ask in [by_header, by_query] {
        let answer = ask.send(&router).await;
        assert_eq!((answer.status, answer.text()), (200, "private"));
        assert!(answer.header("cache-control").starts_with("private"));
    }
    let answer = get(&target)
        .header("authorization", "Bearer wrong")
        .send(&router)
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (401, "bad-token")
    );
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let answer = get(format!("{target}?token=wrong")).send(&router).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn loopback_is_trusted_only_on_loopback_and_not_for_foreign_pages() {
    let world = World::new().await;
    let (near, far) = (
        world.router(),
        world.router_with(Settings::new(Reach::Network)),
    );
    let cid = world.add(b"private");
    world.pin("owner", &cid, Audience::Members);
    let ask = || get(format!("/ipfs/{cid}")).near();
    let answer = ask().send(&near).await;
    assert_eq!((answer.status, answer.text()), (200, "private"));
    assert!(answer.header("cache-control").starts_with("private"));
    assert_eq!(answer.header("vary"), "origin, authorization");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-site");
    assert_hidden(ask().header("x-forwarded-for", "192.0.2.1"), &cid, &near).await;
    assert_eq!(
        ask()
            .header("origin", "http://127.0.0.1:7878")
            .send(&near)
            .await
            .status,
        200
    );
    assert_hidden(ask(), &cid, &far).await;
    assert_hidden(ask().header("origin", "https://evil.example"), &cid, &near).await;
    assert_hidden(ask().header("origin", "null"), &cid, &near).await;
}

#[tokio::test]
async fn open_content_is_open_to_anyone_and_closes_again() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_tree(&[("video/a.m4s", &noise(3 << 20))]);
    world.pin("owner", &root, Audience::Anyone);
    let target = format!("/ipfs/{root}/video/a.m4s");
    let answer = get(&target).send(&router).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("cache-control").starts_with("public"));
    assert_eq!(answer.header("vary"), "");
    assert_eq!(
        answer.header("cross-origin-resource-policy"),
        "cross-origin"
    );
    let owner: Holder = "owner".parse().unwrap();
    world.store.set_audience(&owner, Audience::Members).unwrap();
    assert_hidden(get(&target), &root, &router).await;
}

#[tokio::test]
async fn an_identity_cid_opens_nothing_that_it_links_to() {
    let world = World::new().await;
    let router = world.router();
    let private = world.add(b"private");
    world.pin("owner", &private, Audience::Members);
    let folder = identity(&node("x", &private, DIRECTORY));
    assert_hidden(get(format!("/ipfs/{folder}/x")), &private, &router).await;
    let file = identity(&node("", &private, FILE_OF_7));
    assert_hidden(get(format!("/ipfs/{file}")), &file, &router).await;
    // The very same links work for those who may follow them.
    let answer = get(format!("/ipfs/{folder}/x")).near().send(&router).await;
    assert_eq!((answer.status, answer.text()), (200, "private"));
    let answer = get(format!("/ipfs/{file}")).near().send(&router).await;
    assert_eq!((answer.status, answer.text()), (200, "private"));
}

#[tokio::test]
async fn a_raw_block_read_as_a_node_opens_nothing_that_it_seems_to_link_to() {
    let world = World::new().await;
    let router = world.router();
    let private = world.add(b"private");
    world.pin("owner", &private, Audience::Members);
    for (block, path) in [
        (node("x", &private, DIRECTORY), "/x"),
        (node("", &private, FILE_OF_7), ""),
    ] {
        let raw = world.file(&block);
        let disguised = Cid::new_v1(DAG_PB, *raw.hash());
        let answer = get(format!("/ipfs/{disguised}{path}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-here")
        );
        let answer = get(format!("/ipfs/{disguised}{path}"))
            .near()
            .send(&router)
            .await;
        assert_eq!((answer.status, answer.text()), (200, "private"));
    }
}
