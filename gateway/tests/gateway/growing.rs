//! `/play/{asset}` while the asset is being transcoded.

use cidcast_catalog::{Failure, Permanence, UnitName};
use cidcast_store::Audience;
use cidcast_types::{AssetState, Cid, RootCid, Visibility};
use m3u8_rs::{MediaPlaylist, MediaPlaylistType};

use crate::show::now;
use crate::world::{TOKEN, World, get};

fn audio() -> UnitName {
    UnitName::Audio("audio".parse().unwrap())
}

fn media(text: &str) -> MediaPlaylist {
    m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn there_is_no_master_before_each_rendition_has_its_first_segment() {
    let world = World::new().await;
    let router = world.router();
    let queued = world.asset(Visibility::Public).await;
    let asset = world.planned(Visibility::Unlisted).await;
    let master = format!("/play/{}/master.m3u8", asset.id);
    let too_early = async |target: &str| {
        let answer = get(target).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (503, "not-yet"),
            "{target}"
        );
        assert_eq!(answer.header("retry-after"), "2");
    };
    too_early(&format!("/play/{}/master.m3u8", queued.id)).await;
    too_early(&master).await;
    world.unit(&asset, UnitName::Chunk(0), 0..1).await;
    too_early(&master).await;
    too_early(&format!("/play/{}/audio/audio/playlist.m3u8", asset.id)).await;
    too_early(&format!("/play/{}/poster.jpg", asset.id)).await;
    world.unit(&asset, audio(), 0..3).await;
    let answer = get(&master).send(&router).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(answer.header("cache-control"), "no-cache");
    let parsed = m3u8_rs::parse_master_playlist_res(&answer.body).unwrap();
    assert_eq!(parsed.variants[0].uri, "video/180p/playlist.m3u8");
    assert_eq!(
        parsed.alternatives[0].uri.as_deref(),
        Some("audio/audio/playlist.m3u8")
    );
    let codecs = parsed.variants[0].codecs.clone().unwrap();
    assert!(
        codecs.contains("avc1.") && codecs.contains("mp4a.40.2"),
        "{codecs}"
    );
}

#[tokio::test]
async fn a_growing_playlist_lists_the_contiguous_segments_and_never_takes_one_back() {
    let world = World::new().await;
    let router = world.router();
    let asset = world.planned(Visibility::Unlisted).await;
    let target = format!("/play/{}/video/180p/playlist.m3u8", asset.id);
    let mut expected = world.unit(&asset, UnitName::Chunk(0), 0..1).await;
    let late = world.unit(&asset, UnitName::Chunk(2), 3..4).await;
    let answer = get(&target).send(&router).await;
    let first = media(answer.text());
    assert_eq!(first.playlist_type, Some(MediaPlaylistType::Event));
    assert!(!first.end_list && first.independent_segments);
    let uris = |playlist: &MediaPlaylist| -> Vec<String> {
        playlist
            .segments
            .iter()
            .map(|segment| segment.uri.clone())
            .collect()
    };
    assert_eq!(uris(&first), [segment_url(0, &expected[0])]);
    let map = first.segments[0].map.as_ref().unwrap().uri.clone();
    let init = world.add(crate::show::VIDEO_INIT);
    assert_eq!(map, format!("/ipfs/{init}?filename=init.mp4"));
    let etag = answer.header("etag").to_owned();
    let same = get(&target)
        .header("if-none-match", &etag)
        .send(&router)
        .await;
    assert_eq!(same.status, 304);
    expected.extend(world.unit(&asset, UnitName::Chunk(1), 1..3).await);
    expected.extend(late);
    let grown = get(&target)
        .header("if-none-match", &etag)
        .send(&router)
        .await;
    assert_eq!(grown.status, 200);
    let second = media(grown.text());
    assert_eq!(
        uris(&second),
        expected
            .iter()
            .zip(0..)
            .map(|(cid, number)| segment_url(number, cid))
            .collect::<Vec<_>>()
    );
    assert_eq!(second.target_duration, first.target_duration);
}

#[tokio::test]
async fn a_finished_asset_becomes_vod_at_the_same_address() {
    let world = World::new().await;
    let router = world.router();
    let asset = world.planned(Visibility::Unlisted).await;
    let segments = world.unit(&asset, UnitName::Chunk(0), 0..3).await;
    let target = format!("/play/{}/video/180p/playlist.m3u8", asset.id);
    assert!(!media(get(&target).send(&router).await.text()).end_list);
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    world
        .catalog
        .save_package(&asset.id, &RootCid::new(root), 1, now())
        .await
        .unwrap();
    let answer = get(&target).send(&router).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=10");
    let finished = media(answer.text());
    assert!(finished.end_list);
    assert_eq!(finished.playlist_type, Some(MediaPlaylistType::Vod));
    let uris: Vec<_> = finished
        .segments
        .iter()
        .map(|segment| segment.uri.clone())
        .collect();
    assert_eq!(
        uris,
        segments
            .iter()
            .zip(0..)
            .map(|(cid, number)| segment_url(number, cid))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_private_asset_plays_for_the_trusted_only() {
    let world = World::new().await;
    let router = world.router();
    let asset = world.planned(Visibility::Private).await;
    world.unit(&asset, UnitName::Chunk(0), 0..1).await;
    world.unit(&asset, audio(), 0..1).await;
    let master = format!("/play/{}/master.m3u8", asset.id);
    let hidden = get(&master).send(&router).await;
    assert_eq!(
        (hidden.status, hidden.problem().as_str()),
        (404, "unknown-asset")
    );
    let absent = get("/play/01j9z3k5v8q2w4e6r7t9y0a1b2/master.m3u8")
        .send(&router)
        .await;
    let told = hidden.detail().replace(&asset.id.to_string(), "");
    assert_eq!(
        told,
        absent.detail().replace("01j9z3k5v8q2w4e6r7t9y0a1b2", "")
    );
    let near = get(&master).near().send(&router).await;
    assert_eq!(
        (near.status, near.header("cache-control")),
        (200, "private, no-cache")
    );
    let bearer = format!("Bearer {TOKEN}");
    let answer = get(&master)
        .header("authorization", &bearer)
        .send(&router)
        .await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("token="));
}

#[tokio::test]
async fn a_token_in_the_address_is_repeated_in_every_link() {
    let world = World::new().await;
    let router = world.router();
    let asset = world.planned(Visibility::Private).await;
    let segments = world.unit(&asset, UnitName::Chunk(0), 0..1).await;
    world.unit(&asset, audio(), 0..1).await;
    world.pin("owner", &segments[0], Audience::Members);
    let token = "token=secret%2B1%2F2";
    let answer = get(format!("/play/{}/master.m3u8?{token}", asset.id))
        .send(&router)
        .await;
    let parsed = m3u8_rs::parse_master_playlist_res(&answer.body).unwrap();
    let variant = &parsed.variants[0].uri;
    assert_eq!(*variant, format!("video/180p/playlist.m3u8?{token}"));
    let answer = get(format!("/play/{}/{variant}", asset.id))
        .send(&router)
        .await;
    assert!(answer.header("cache-control").starts_with("private"));
    let playlist = media(answer.text());
    let link = &playlist.segments[0].uri;
    assert_eq!(
        *link,
        format!("/ipfs/{}?{token}&filename=00000.m4s", segments[0])
    );
    assert!(
        playlist.segments[0]
            .map
            .as_ref()
            .unwrap()
            .uri
            .contains(&format!("?{token}&"))
    );
    assert_eq!(get(link).send(&router).await.status, 200);
    assert_eq!(get(link.replace(token, "")).send(&router).await.status, 404);
}

#[tokio::test]
async fn a_failed_asset_says_so() {
    let world = World::new().await;
    let asset = world.planned(Visibility::Public).await;
    let failure = Failure {
        code: "source-truncated".to_owned(),
        title: "t".to_owned(),
        detail: "d".to_owned(),
        permanence: Permanence::Permanent,
    };
    world
        .catalog
        .fail(&asset.id, &failure, 1, None, now())
        .await
        .unwrap();
    let failed = world.catalog.get(&asset.id).await.unwrap().unwrap();
    assert_eq!(failed.state, AssetState::Failed);
    let answer = get(format!("/play/{}/master.m3u8", asset.id))
        .send(&world.router())
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "asset-failed")
    );
}

/// Players that go by the extension find one at the end of the URL.
fn segment_url(number: u32, cid: &Cid) -> String {
    format!("/ipfs/{cid}?filename={number:05}.m4s")
}
