//! `/feeds/{publisher}.rss` and `/oembed`: the same rows, for the rest of the world.

use cidcast_announce::{
    Announcement, Draft, MediaKind, Op, Profile, Publish, Rendition, Replication, Retract,
    SigningKey, ViewSharing,
};
use cidcast_catalog::{FeedLimits, Recorded};
use cidcast_gateway::{Reach, Settings};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp};

use crate::world::{World, get};

const ASSET: &str = "01j9z3k5v8q2w4e6r7t9y0a1b2";

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn publish(root: &Cid) -> Op {
    let rendition = |name: &str, kind, bytes, path: &str| Rendition {
        name: name.parse().unwrap(),
        kind,
        bytes,
        path: path.to_owned(),
    };
    let video = MediaKind::Video {
        width: 1280,
        height: 720,
    };
    Op::Publish(Box::new(Publish {
        asset: ASSET.parse().unwrap(),
        root: RootCid::new(*root),
        title: "Rabbit & friends".to_owned(),
        description: "Two\nlines".to_owned(),
        tags: vec!["animation".to_owned()],
        created_at: Timestamp::from_millis(1_700_000_000_000),
        duration_ms: 5_300,
        bytes: 4_000,
        renditions: vec![
            rendition("720p", video, 3_000, "video/720p"),
            rendition("audio", MediaKind::Audio, 900, "audio/audio"),
        ],
        poster: Some("poster.jpg".to_owned()),
        language: None,
        replication: Replication { min: 0, max: 0 },
        views: ViewSharing::Share,
    }))
}

impl World {
    /// Records a feed of these batches, one announcement each.
    async fn announce(&self, batches: Vec<Vec<Op>>) {
        let limits = FeedLimits {
            publisher_bytes: 1 << 20,
            total_bytes: 1 << 20,
            publishers: 9,
        };
        let (mut prev, mut all) = (None, Vec::new());
        for (seq, ops) in (0..).zip(batches) {
            let at = Timestamp::from_millis(1_700_000_000_000 + seq);
            let draft = Draft { seq, prev, at, ops };
            let announcement = Announcement::sign(&key(), draft).unwrap();
            prev = Some(announcement.cid());
            all.push(announcement);
        }
        let now = Timestamp::from_millis(1_700_000_001_000);
        let recorded = self.catalog.record(&all, &limits, now).await.unwrap();
        let applied = |one: &Recorded| matches!(one, Recorded::Applied(_));
        assert!(recorded.iter().all(applied), "{recorded:?}");
    }
}

fn profile() -> Op {
    Op::Profile(Profile {
        name: "Meadow".to_owned(),
        about: "Films".to_owned(),
        nodes: Vec::new(),
        web: Some("https://meadow.example/".to_owned()),
    })
}

#[tokio::test]
async fn a_publisher_s_assets_are_an_rss_feed_with_absolute_urls() {
    let world = World::new().await;
    let settings = Settings {
        public_url: Some("https://media.example".to_owned()),
        ..Settings::new(Reach::Network)
    };
    let router = world.router_with(settings);
    let root = world.tree(&[("x", b"y")]);
    world.announce(vec![vec![profile(), publish(&root)]]).await;
    let target = format!("/feeds/{}.rss", key().publisher());
    let answer = get(&target).send(&router).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "application/rss+xml; charset=utf-8"
    );
    let text = answer.text();
    for expected in [
        "<title>Meadow</title>".to_owned(),
        "<title>Rabbit &amp; friends</title>".to_owned(),
        format!("url=\"https://media.example/play/{root}/audio/audio.mp4\" type=\"audio/mp4\""),
        format!("uri=\"https://media.example/play/{root}/master.m3u8\""),
        format!("uri=\"ipfs://{root}/master.m3u8\""),
        format!("href=\"https://media.example{target}\""),
    ] {
        assert!(text.contains(&expected), "{expected}\n{text}");
    }
    let again = get(&target).header("if-none-match", answer.header("etag"));
    assert_eq!(again.send(&router).await.status, 304);
}

#[tokio::test]
async fn what_is_retracted_leaves_the_feed_and_the_embedding() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("x", b"y")]);
    let retract = Op::Retract(Retract {
        asset: ASSET.parse::<AssetId>().unwrap(),
        reason: String::new(),
    });
    world
        .announce(vec![vec![publish(&root)], vec![retract]])
        .await;
    let feed = get(format!("/feeds/{}.rss", key().publisher()));
    assert!(!feed.send(&router).await.text().contains("<item>"));
    let oembed = get(format!("/oembed?url=http://localhost/embed/{root}"));
    assert_eq!(oembed.send(&router).await.status, 404);
}

#[tokio::test]
async fn a_feed_that_is_unknown_or_misnamed_is_a_problem() {
    let world = World::new().await;
    let router = world.router();
    let unknown = SigningKey::from_seed([9; 32]).publisher();
    for (target, status, code) in [
        (format!("/feeds/{unknown}.rss"), 404, "unknown-publisher"),
        ("/feeds/hello.rss".to_owned(), 400, "bad-publisher"),
        (format!("/feeds/{unknown}"), 404, "no-route"),
    ] {
        let answer = get(&target).send(&router).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
    }
}

#[tokio::test]
async fn an_address_of_a_player_is_answered_with_a_frame() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("x", b"y")]);
    world.announce(vec![vec![profile(), publish(&root)]]).await;
    let publisher = key().publisher();
    for url in [
        format!("http://localhost:8787/embed/{root}"),
        format!("http://localhost:8787/play/{root}/master.m3u8"),
        format!("http://localhost:7878/discover/{publisher}/{ASSET}"),
    ] {
        let ask = get(format!("/oembed?format=json&maxwidth=480&url={url}"));
        let answer = ask.send(&router).await;
        assert_eq!(answer.status, 200, "{url}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["type"], "video");
        assert_eq!(json["author_name"], "Meadow");
        assert_eq!(
            (&json["width"], &json["height"]),
            (&480.into(), &270.into())
        );
        let html = json["html"].as_str().unwrap();
        let frame = format!("src=\"http://localhost:8787/embed/{root}\"");
        assert!(html.contains(&frame), "{html}");
    }
    let xml = get(format!("/oembed?format=xml&url=http://x/embed/{root}"));
    let xml = xml.send(&router).await;
    assert_eq!(xml.header("content-type"), "text/xml; charset=utf-8");
    assert!(xml.text().contains("<author_name>Meadow</author_name>"));
    for (query, status) in [
        (format!("url=http://x/embed/{root}&format=yaml"), 501),
        ("url=http://x/elsewhere".to_owned(), 404),
        ("format=json".to_owned(), 404),
        (format!("url=http://x/embed/{root}&maxwidth=wide"), 404),
        (format!("url=http://x/watch/{ASSET}x"), 404),
    ] {
        let answer = get(format!("/oembed?{query}")).send(&router).await;
        assert_eq!(answer.status, status, "{query}");
    }
}

#[tokio::test]
async fn the_player_page_names_its_oembed_document() {
    let world = World::new().await;
    let router = world.router();
    let answer = get(format!("/embed/{ASSET}")).send(&router).await;
    let text = answer.text();
    assert!(text.contains("type=\"application/json+oembed\""), "{text}");
    assert!(text.contains("type=\"text/xml+oembed\""), "{text}");
    let page = "url=http%3A%2F%2Flocalhost%3A8787%2Fembed%2F";
    assert!(text.contains(page), "{text}");
}
