//! `/embed/…`: the player page and what it loads.

use crate::world::{World, get};

const ASSET: &str = "01j9z3k5v8q2w4e6r7t9y0a1b2";

#[tokio::test]
async fn the_player_page_may_be_framed_and_loads_nothing_from_elsewhere() {
    let world = World::new().await;
    let router = world.router();
    let root = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    for subject in [ASSET, root] {
        let answer = get(format!("/embed/{subject}")).send(&router).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().starts_with("<!doctype html>") && answer.text().ends_with("player"));
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors *"));
        assert_eq!(answer.header("x-frame-options"), "");
        let etag = answer.header("etag");
        let ask = get(format!("/embed/{subject}")).header("if-none-match", etag);
        assert_eq!(ask.send(&router).await.status, 304);
    }
    let answer = get("/embed/nonsense").send(&router).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "bad-subject")
    );
}

#[tokio::test]
async fn files_of_the_player_are_kept_for_ever() {
    let world = World::new().await;
    let router = world.router();
    for path in ["/embed-assets/player-1a2b.js"] {
        let answer = get(path).send(&router).await;
        assert_eq!((answer.status, answer.text()), (200, "play()"), "{path}");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=29030400, immutable"
        );
        assert_eq!(answer.header("content-type"), "text/javascript");
    }
    for path in [
        "/embed-assets/none.js",
        "/embed-assets/../embed.html",
        "/embed-assets/%2e%2e/x",
    ] {
        assert_eq!(get(path).send(&router).await.status, 404, "{path}");
    }
}
