//! `/play/{root CID or asset}` of a finished package.

use std::collections::BTreeSet;

use cidcast_gateway::{Lookup, LookupLabels};
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::resolve;
use cidcast_store::{Audience, PinScope, links};
use cidcast_types::{RootCid, Visibility};

use crate::show::{now, segment};
use crate::world::{World, get};

#[tokio::test]
async fn a_player_finds_its_way_from_the_master_to_every_segment() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    let base = format!("/play/{root}");
    let answer = get(format!("{base}/master.m3u8")).send(&router).await;
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=29030400, immutable"
    );
    let master = m3u8_rs::parse_master_playlist_res(&answer.body).unwrap();
    let sound = master.alternatives[0].uri.clone().unwrap();
    for (uri, rendition) in [(&master.variants[0].uri, "180p"), (&sound, "audio")] {
        let answer = get(format!("{base}/{uri}")).send(&router).await;
        assert_eq!(
            answer.header("content-type"),
            "application/vnd.apple.mpegurl"
        );
        let playlist = m3u8_rs::parse_media_playlist_res(&answer.body).unwrap();
        assert!(playlist.end_list);
        assert_eq!(playlist.segments.len(), 3);
        for (index, listed) in (0..).zip(&playlist.segments) {
            assert!(listed.uri.starts_with("/ipfs/bafk"), "{}", listed.uri);
            let got = get(&listed.uri).send(&router).await;
            assert_eq!((got.status, &*got.body), (200, &*segment(rendition, index)));
            assert_eq!(got.header("content-type"), "video/mp4");
            assert_eq!(
                got.header("cache-control"),
                "public, max-age=29030400, immutable"
            );
        }
        let map = &playlist.segments[0].map.as_ref().unwrap().uri;
        assert_eq!(
            get(map).send(&router).await.header("content-type"),
            "video/mp4"
        );
    }
}

#[tokio::test]
async fn an_asset_plays_by_its_id_and_keeps_answers_only_briefly() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    let asset = world.planned(Visibility::Public).await;
    world
        .catalog
        .save_package(&asset.id, &RootCid::new(root), 1, now())
        .await
        .unwrap();
    let by_id = get(format!("/play/{}/master.m3u8", asset.id))
        .send(&router)
        .await;
    let by_root = get(format!("/play/{root}/master.m3u8")).send(&router).await;
    assert_eq!(by_id.status, 200);
    assert_eq!(by_id.body, by_root.body);
    assert_eq!(by_id.header("etag"), by_root.header("etag"));
    assert_eq!(by_id.header("cache-control"), "public, max-age=10");
    let etag = by_id.header("etag");
    let ask = get(format!("/play/{}/master.m3u8", asset.id)).header("if-none-match", etag);
    assert_eq!(ask.send(&router).await.status, 304);
}

#[tokio::test]
async fn other_files_of_the_package_come_as_they_are() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    for (path, expected) in [
        ("manifest.mpd", "application/dash+xml"),
        ("poster.jpg", "image/jpeg"),
        ("video/180p/00001.m4s", "video/mp4"),
        ("audio/audio/init.mp4", "audio/mp4"),
    ] {
        let answer = get(format!("/play/{root}/{path}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, expected),
            "{path}"
        );
    }
    let part = get(format!("/play/{root}/video/180p/00001.m4s")).header("range", "bytes=4-7");
    let part = part.send(&router).await;
    assert_eq!((part.status, part.text()), (206, "styp"));
    for (path, problem) in [
        ("nope.m3u8", "no-such-name"),
        ("video/nope/playlist.m3u8", "no-such-name"),
        ("video/180p/99999.m4s", "no-such-name"),
        ("video", "no-route"),
    ] {
        let answer = get(format!("/play/{root}/{path}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, problem),
            "{path}"
        );
    }
    let bare = get(format!("/play/{root}")).send(&router).await;
    assert_eq!(
        (bare.status, bare.header("location")),
        (301, &*format!("/play/{root}/master.m3u8"))
    );
    let other = get("/play/nonsense/master.m3u8").send(&router).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (400, "bad-subject")
    );
}

#[tokio::test]
async fn a_rewritten_playlist_is_made_once_and_still_guarded() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    let target = format!("/play/{root}/video/180p/playlist.m3u8");
    let first = get(&target).send(&router).await;
    let second = get(&target).send(&router).await;
    assert_eq!(first, second);
    let count = |result| {
        world
            .metrics
            .playlist_lookups
            .get_or_create_owned(&LookupLabels { result })
            .get()
    };
    assert_eq!((count(Lookup::miss), count(Lookup::hit)), (1, 1));
    world
        .store
        .set_audience(&"owner".parse().unwrap(), Audience::Members)
        .unwrap();
    assert_eq!(get(&target).send(&router).await.problem(), "not-here");
    let near = get(&target).near().send(&router).await;
    assert_eq!((near.status, near.body), (200, first.body));
    assert!(
        near.headers["cache-control"]
            .to_str()
            .unwrap()
            .starts_with("private")
    );
}

#[tokio::test]
async fn a_private_asset_with_a_package_is_guarded_by_its_own_visibility_too() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("someone-else", &root, Audience::Anyone);
    let asset = world.planned(Visibility::Private).await;
    world
        .catalog
        .save_package(&asset.id, &RootCid::new(root), 1, now())
        .await
        .unwrap();
    let answer = get(format!("/play/{}/master.m3u8", asset.id))
        .send(&router)
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "unknown-asset")
    );
    assert_eq!(
        get(format!("/play/{root}/master.m3u8"))
            .send(&router)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_is_not_a_playlist_is_not_sent_as_one() {
    let world = World::new().await;
    let root = world.tree(&[
        ("a.m3u8", b"not a playlist"),
        ("b.m3u8", b"#EXTM3U\n#EXT\xff\n"),
    ]);
    for name in ["a.m3u8", "b.m3u8"] {
        let answer = get(format!("/play/{root}/{name}"))
            .send(&world.router())
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (502, "malformed"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_a_copy_of_a_part_has_plays_and_the_rest_is_not_found() {
    let (origin, copy) = (World::new().await, World::new().await);
    let root = origin.add_package();
    let blocks = Blocks::new(origin.store.clone());
    let sound = resolve(&blocks, &root, "audio/audio").await.unwrap().cid;
    let guard = copy.store.in_flight();
    let mut pending = vec![root];
    while let Some(cid) = pending.pop() {
        let data = origin.store.get(&cid).unwrap();
        copy.store.put(&cid, &data, &guard).unwrap();
        if cid != sound {
            pending.extend(links(&cid, &data).unwrap());
        }
    }
    let scope = PinScope::Without(BTreeSet::from([sound]));
    let holder = "replica/test".parse().unwrap();
    copy.store
        .pin_part(&holder, &root, Audience::Anyone, &scope)
        .unwrap();
    drop(guard);
    copy.store.flush_deletes().unwrap();

    let router = copy.router();
    for (path, status) in [
        ("master.m3u8", 200),
        ("video/180p/playlist.m3u8", 200),
        ("video/180p/00002.m4s", 200),
        ("audio/audio/00000.m4s", 404),
    ] {
        for base in ["play", "ipfs"] {
            let got = get(format!("/{base}/{root}/{path}")).send(&router).await;
            assert_eq!(got.status, status, "/{base}/…/{path}");
        }
    }
}
