//! Who may see and do what.

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, cli};
use serde_json::json;

use crate::stage::{Stage, id, root};

/// The status for a viewer elsewhere: a proxy on this machine asks for them.
async fn from_elsewhere(node: &Node, path: &str) -> u16 {
    let request = node.http().get(node.gateway(path));
    let request = request.header("x-forwarded-for", "203.0.113.9");
    request.send().await.unwrap().status().as_u16()
}

async fn status(node: &Node, url: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = node.http().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn visibility_opens_and_closes_the_blocks() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let clip = stage.clip(&Clip {
        seconds: 5,
        ..Clip::default()
    });
    let asset = node.upload(&clip).await.unwrap();
    let (id, asset) = (id(&asset), node.ready(&id(&asset)).await.unwrap());
    let root = root(&asset);
    let paths = [
        format!("/play/{id}/master.m3u8"),
        format!("/play/{root}/master.m3u8"),
        format!("/ipfs/{root}/master.m3u8"),
        format!("/ipfs/{root}/poster.jpg"),
    ];
    for (visibility, outside) in [
        ("private", 404),
        ("unlisted", 200),
        ("private", 404),
        ("public", 200),
    ] {
        let url = node.api(&format!("/api/v1/assets/{id}"));
        let patch = node.http().patch(url);
        let patch = patch.json(&json!({ "visibility": visibility }));
        assert_eq!(patch.send().await.unwrap().status(), 200);
        for path in &paths {
            assert_eq!(status(&node, &node.gateway(path), &[]).await, 200);
            let seen = from_elsewhere(&node, path).await;
            assert_eq!(seen, outside, "{visibility} {path}");
        }
    }
}

#[tokio::test]
async fn a_configured_token_is_needed_and_enough() {
    let stage = Stage::new();
    let made = cli(stage.path(), &["token", "new", "--scope", "read", "--json"]).unwrap();
    let made = made.json().unwrap();
    let (token, hash) = (made["token"].as_str().unwrap(), &made["sha256"]);
    let config = format!("api: {{tokens: [{{name: viewer, sha256: {hash}, scopes: [read]}}]}}\n");
    let node = stage.node(&config).await;
    let assets = node.api("/api/v1/assets");
    assert_eq!(status(&node, &assets, &[]).await, 401);
    let wrong = [("authorization", "Bearer 123")];
    assert_eq!(status(&node, &assets, &wrong).await, 401);
    let bearer = format!("Bearer {token}");
    let good = [("authorization", bearer.as_str())];
    assert_eq!(status(&node, &assets, &good).await, 200);
    let put = node.http().put(node.api("/api/v1/uploads/x.mp4"));
    let put = put.header("authorization", &bearer).body("x");
    assert_eq!(put.send().await.unwrap().status(), 403, "it may only read");
    assert_eq!(status(&node, &node.api("/healthz"), &[]).await, 200);

    // The node's own command line has a token of its own.
    let clip = stage.clip(&Clip {
        seconds: 5,
        ..Clip::default()
    });
    let added = cli(
        node.data_dir(),
        &["add", clip.to_str().unwrap(), "--wait", "--json"],
    )
    .unwrap();
    assert_eq!(added.code, Some(0), "{added:?}");
    let path = format!("/play/{}/master.m3u8", id(&added.json().unwrap()));
    assert_eq!(from_elsewhere(&node, &path).await, 404);
    assert_eq!(
        from_elsewhere(&node, &format!("{path}?token={token}")).await,
        200
    );
    assert_eq!(
        from_elsewhere(&node, &format!("{path}?token=no")).await,
        401
    );
}

#[tokio::test]
async fn foreign_names_and_pages_are_refused() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let url = node.api("/api/v1/assets");
    assert_eq!(status(&node, &url, &[]).await, 200);
    for headers in [
        [("host", "evil.example")],
        [("origin", "https://evil.example")],
        [("x-forwarded-for", "203.0.113.9")],
    ] {
        let refused = status(&node, &url, &headers).await;
        assert!([403, 421].contains(&refused), "{headers:?}: {refused}");
    }
    let own = node.api("");
    assert_eq!(status(&node, &url, &[("origin", &own)]).await, 200);
}
