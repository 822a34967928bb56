//! From bytes to a pinned package.

use std::collections::BTreeMap;
use std::path::Path;

use cidcast_catalog::{Asset, ListQuery, Permanence};
use cidcast_ipfs::unixfs::read::{Kind, list, read_all, resolve};
use cidcast_store::Audience;
use cidcast_testkit::clip::{Clip, shipped};
use cidcast_types::{AssetState, Cid, Visibility};

use crate::path::{WritePath, about, body};

#[tokio::test]
async fn a_clip_becomes_a_package_that_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let id = path.add(&shipped()).await;
    let asset = path.ready(&id).await;
    let root = asset.root.expect("a ready asset has a root");
    let master = resolve(&path.blocks, &root.cid(), "master.m3u8")
        .await
        .unwrap();
    let text = read_all(&path.blocks, &master.cid, 1 << 20).await.unwrap();
    let master = m3u8_rs::parse_master_playlist_res(&text).unwrap();
    assert_eq!(master.variants.len(), 3, "720, 480 and 360 lines");
    for variant in &master.variants {
        let playlist = resolve(&path.blocks, &root.cid(), &variant.uri)
            .await
            .unwrap();
        let text = read_all(&path.blocks, &playlist.cid, 1 << 20)
            .await
            .unwrap();
        let media = m3u8_rs::parse_media_playlist_res(&text).unwrap();
        assert!(media.end_list);
        let total: f32 = media.segments.iter().map(|segment| segment.duration).sum();
        assert!((total - 5.28).abs() < 0.1, "{total}");
    }
    assert_eq!(
        path.store.audience(&root.cid()).unwrap(),
        Some(Audience::Members)
    );
    assert!(
        nothing_lies_around(dir.path()),
        "sources and work are empty"
    );
    path.close().await;
}

#[tokio::test]
async fn the_same_source_is_encoded_once_and_has_one_root() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let clip = Clip::default().make(dir.path(), "twice").unwrap();
    let (one, two) = (path.add(&clip).await, path.add(&clip).await);
    let (first, second) = (path.ready(&one).await, path.ready(&two).await);
    assert_eq!(first.root, second.root);
    let encoded = path.metrics.units_encoded.get();
    assert_eq!(
        encoded,
        path.metrics.units_reused.get(),
        "the second found every unit"
    );
    // The first is deleted; the second still has every block.
    path.ingest.delete(&one).await.unwrap();
    let root = second.root.unwrap().cid();
    let holder = "check".parse().unwrap();
    path.store
        .pin(&holder, &root, Audience::Members)
        .expect("complete");
    path.store.unpin(&holder, None).unwrap();
    path.ingest.delete(&two).await.unwrap();
    assert_eq!(path.store.disk_usage().unwrap().blocks, 0);
    assert!(path.store.pins().unwrap().is_empty());
    path.close().await;
}

#[tokio::test]
async fn what_is_no_media_fails_once_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "not a film\n".repeat(1000)).unwrap();
    let id = path.add(&text).await;
    let asset = path.settled(&id).await;
    let failure = asset.failure.expect("it failed");
    assert_eq!(
        (asset.state, failure.permanence),
        (AssetState::Failed, Permanence::Permanent)
    );
    assert_eq!(asset.attempt, 1, "a permanent failure is not tried again");
    path.ingest.delete(&id).await.unwrap();
    assert!(nothing_lies_around(dir.path()));
    path.close().await;
}

#[tokio::test]
async fn stopping_at_every_state_and_going_on_gives_the_undisturbed_root() {
    let dir = tempfile::tempdir().unwrap();
    let clip = Clip {
        seconds: 40,
        ..Clip::default()
    }
    .make(dir.path(), "long")
    .unwrap();
    let calm = dir.path().join("calm");
    std::fs::create_dir(&calm).unwrap();
    let path = WritePath::open(&calm).await;
    let id = path.add(&clip).await;
    let wanted = package(&path, path.ready(&id).await).await;
    let units = path.metrics.units_encoded.get();
    path.close().await;

    let stormy = dir.path().join("stormy");
    std::fs::create_dir(&stormy).unwrap();
    let path = WritePath::open(&stormy).await;
    let id = path.add(&clip).await;
    path.wait(&id, |asset| asset.state != AssetState::Queued)
        .await;
    path.close().await;
    let mut encoded = 0;
    for state in [
        AssetState::Transcoding,
        AssetState::Packaging,
        AssetState::Pinning,
    ] {
        let path = WritePath::open(&stormy).await;
        path.wait(&id, |asset| {
            asset.state == state || asset.state.is_settled()
        })
        .await;
        encoded += path.metrics.units_encoded.get();
        path.close().await;
    }
    let path = WritePath::open(&stormy).await;
    let asset = path.ready(&id).await;
    encoded += path.metrics.units_encoded.get();
    assert_eq!(package(&path, asset).await, wanted);
    assert_eq!(encoded, units, "no finished unit was encoded again");
    path.close().await;
}

#[tokio::test]
async fn an_asset_is_deleted_in_the_middle_of_its_work() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let clip = Clip {
        seconds: 60,
        ..Clip::default()
    }
    .make(dir.path(), "gone")
    .unwrap();
    for state in [
        AssetState::Queued,
        AssetState::Probing,
        AssetState::Transcoding,
    ] {
        let id = path.add(&clip).await;
        path.wait(&id, |asset| {
            asset.state == state || asset.state.is_settled() || asset.progress > 0.0
        })
        .await;
        path.ingest.delete(&id).await.unwrap();
        assert!(path.catalog.get(&id).await.unwrap().is_none());
        assert!(path.store.pins().unwrap().is_empty());
        path.store.flush_deletes().unwrap();
        assert_eq!(path.store.disk_usage().unwrap().blocks, 0, "{state}");
        assert!(nothing_lies_around(dir.path()), "{state}");
    }
    let left = path.catalog.list(&ListQuery::default()).await.unwrap();
    assert!(left.items.is_empty());
    path.close().await;
}

#[tokio::test]
async fn want_of_room_fails_the_job_and_room_resumes_it() {
    let dir = tempfile::tempdir().unwrap();
    let clip = Clip::default().make(dir.path(), "room").unwrap();
    let bytes = std::fs::read(&clip).unwrap();
    let path = WritePath::open(dir.path()).await;
    let id = path.add(&clip).await;
    path.close().await;
    // A minimum that no disk has, from before the first unit on.
    let path = WritePath::open_with(dir.path(), |s| s.min_free_bytes = u64::MAX / 4).await;
    let asset = path.settled(&id).await;
    let refused = path
        .ingest
        .receive(about("x"), Some(bytes.len() as u64), body(&bytes))
        .await;
    assert!(
        refused.is_err(),
        "uploads are refused before a byte is taken"
    );
    path.close().await;
    if asset.state == AssetState::Failed {
        assert_eq!(
            asset.failure.as_ref().map(|f| f.code.as_str()),
            Some("no-space")
        );
    }
    let path = WritePath::open(dir.path()).await;
    path.wait(&id, |asset| asset.state == AssetState::Ready)
        .await;
    path.close().await;
}

#[tokio::test]
async fn visibility_opens_and_closes_every_block() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let clip = Clip {
        seconds: 5,
        ..Clip::default()
    }
    .make(dir.path(), "seen")
    .unwrap();
    let id = path.add(&clip).await;
    let root = path.ready(&id).await.root.unwrap().cid();
    for (visibility, audience) in [
        (Visibility::Public, Audience::Anyone),
        (Visibility::Private, Audience::Members),
        (Visibility::Unlisted, Audience::Anyone),
    ] {
        let patch = cidcast_catalog::Patch {
            visibility: Some(visibility),
            ..Default::default()
        };
        path.ingest.edit(&id, patch).await.unwrap();
        for pin in path.store.pins().unwrap() {
            assert_eq!(pin.audience, audience);
        }
        assert_eq!(path.store.audience(&root).unwrap(), Some(audience));
    }
    path.close().await;
}

#[tokio::test]
async fn what_a_dead_process_left_is_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let clip = Clip {
        seconds: 2,
        ..Clip::default()
    };
    let id = path.add(&clip.make(dir.path(), "left").unwrap()).await;
    path.ready(&id).await;
    path.close().await;
    // Killed after `ready` was saved, while deleting another asset, and in the middle of a chunk.
    let gone = "01j9z3k5v8q2w4e6r7t9y0a1b2";
    for left in [id.to_string().as_str(), gone] {
        std::fs::write(dir.path().join("sources").join(left), b"left").unwrap();
        let work = dir.path().join("work").join(left).join("v-00000");
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(work.join("720p.mp4"), b"half").unwrap();
    }
    let path = WritePath::open(dir.path()).await;
    assert!(nothing_lies_around(dir.path()));
    path.ready(&id).await;
    path.close().await;
}

#[tokio::test]
async fn sound_alone_and_picture_alone_are_assets_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let silent = Clip {
        seconds: 5,
        audio: &[],
        ..Clip::default()
    };
    let silent = path.add(&silent.make(dir.path(), "silent").unwrap()).await;
    let deaf = Clip {
        seconds: 5,
        video: &["-vn"],
        ending: "m4a",
        ..Clip::default()
    };
    let deaf = path.add(&deaf.make(dir.path(), "deaf").unwrap()).await;
    for (id, video, audio) in [(silent, 1, 0), (deaf, 0, 1)] {
        let plan = path.ready(&id).await.plan.unwrap();
        assert_eq!((plan.video.len(), plan.audio.len()), (video, audio));
    }
    path.close().await;
}

/// Every file of an asset's package and its CID, and the root under the empty name.
async fn package(path: &WritePath, asset: Asset) -> BTreeMap<String, Cid> {
    let root = asset.root.expect("a ready asset has a root").cid();
    let mut files = BTreeMap::from([(String::new(), root)]);
    let mut folders = vec![(String::new(), root)];
    while let Some((folder, cid)) = folders.pop() {
        for entry in list(&path.blocks, &cid).await.unwrap() {
            let name = format!("{folder}/{}", entry.name);
            let node = resolve(&path.blocks, &entry.cid, "").await.unwrap();
            match node.kind {
                Kind::Directory { .. } => folders.push((name, entry.cid)),
                _ => drop(files.insert(name, entry.cid)),
            }
        }
    }
    files
}

fn nothing_lies_around(dir: &Path) -> bool {
    ["sources", "work"].iter().all(|name| {
        std::fs::read_dir(dir.join(name)).unwrap().all(|entry| {
            let entry = entry.unwrap();
            entry.file_type().unwrap().is_dir()
                && std::fs::read_dir(entry.path()).unwrap().next().is_none()
        })
    })
}
