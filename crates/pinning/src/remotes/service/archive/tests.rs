//! Roots written to a bucket in memory, and read back.

use std::sync::Arc;

use cidcast_store::StoreSettings;
use cidcast_types::{PinState, Timestamp};
use multihash_codetable::{Code, MultihashDigest as _};
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::*;

const DAG_PB: u64 = 0x70;
const RAW: u64 = 0x55;

/// A node with a store, over a bucket.
struct Node {
    archive: Archive,
    _folder: TempDir,
}

fn node(objects: &Arc<InMemory>, name: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    let archive = Archive::over(
        Box::new(Arc::clone(objects)),
        Path::from("cold"),
        store,
        (name.to_owned(), Clock::System),
    );
    Node {
        archive,
        _folder: folder,
    }
}

/// A root over leaves of 1 MiB each, in the node's store.
fn fill(node: &Node, leaves: u8) -> Cid {
    let store = &node.archive.store;
    let guard = store.in_flight();
    let mut root = Vec::new();
    for number in 0..leaves {
        let data = vec![number; 1 << 20];
        let cid = Cid::new_v1(RAW, Code::Sha2_256.digest(&data));
        store.put(&cid, &data, &guard).unwrap();
        let hash = cid.to_bytes();
        // PBLink { Hash } in PBNode.Links.
        let len = u8::try_from(hash.len()).unwrap();
        root.extend([0x12, len + 2, 0x0a, len]);
        root.extend(hash);
    }
    let cid = Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&root));
    store.put(&cid, &root, &guard).unwrap();
    let holder = "test".parse().unwrap();
    store.pin(&holder, &cid, Audience::Members).unwrap();
    cid
}

fn pin(cid: Cid) -> RemotePin {
    RemotePin {
        id: 1,
        service: "cold".to_owned(),
        cid,
        name: "holiday".to_owned(),
        audience: RemoteAudience::Members,
        asset: None,
        state: PinState::Queued,
        request: None,
        error: None,
        failures: 0,
        since: Timestamp::from_millis(0),
        next_at: None,
    }
}

async fn names(objects: &InMemory) -> Vec<String> {
    let all = objects.list(None).map_ok(|object| object.location);
    let mut all: Vec<Path> = all.try_collect().await.unwrap();
    all.sort();
    let name = |path: &Path| path.filename().unwrap().to_owned();
    all.iter().map(name).collect()
}

async fn state(node: &Node, root: Cid) -> There {
    node.archive.look(&pin(root)).await.unwrap().state
}

#[tokio::test]
async fn a_root_is_written_in_cars_and_comes_back_onto_a_node_that_never_had_it() {
    let objects = Arc::new(InMemory::new());
    let here = node(&objects, "here");
    let root = fill(&here, 40);
    assert_eq!(state(&here, root).await, There::Unknown);
    here.archive.pin(&pin(root)).await.unwrap();
    assert_eq!(state(&here, root).await, There::Pinned);
    let written = ["00000.car", "00001.car", "00002.car", "manifest.json"];
    assert_eq!(names(&objects).await, written);

    let there = node(&objects, "there");
    let found = there.archive.list().await.unwrap();
    assert_eq!((found.len(), found[0].root), (1, root));
    assert_eq!((&*found[0].name, &*found[0].node), ("holiday", "here"));
    let restored = there.archive.restore(&root, "a".parse().unwrap()).await;
    assert_eq!(restored.unwrap().as_ref(), found.first());
    let store = &there.archive.store;
    assert_eq!(store.audience(&root).unwrap(), Some(Audience::Members));
    let mut cars = [Vec::new(), Vec::new()];
    here.archive.store.export_car(&root, &mut cars[0]).unwrap();
    store.export_car(&root, &mut cars[1]).unwrap();
    assert!(cars[0] == cars[1], "every byte");

    // It belongs to the node that wrote it: another one takes nothing away.
    there.archive.unpin(&pin(root)).await.unwrap();
    assert_eq!(names(&objects).await, written);
    here.archive.unpin(&pin(root)).await.unwrap();
    assert!(names(&objects).await.is_empty());
    let gone = there.archive.restore(&root, "b".parse().unwrap()).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn a_car_that_is_missing_is_seen_and_only_it_is_written_again() {
    let objects = Arc::new(InMemory::new());
    let here = node(&objects, "here");
    let root = fill(&here, 40);
    here.archive.pin(&pin(root)).await.unwrap();
    let path = |name: &str| here.archive.of(&root).join(name);
    let written = |name: &'static str| {
        let (objects, path) = (Arc::clone(&objects), path(name));
        async move { objects.head(&path).await.unwrap().e_tag }
    };
    let before = written("00000.car").await;
    objects.delete(&path("00001.car")).await.unwrap();
    let There::Failed(why) = state(&here, root).await else {
        panic!("not seen");
    };
    assert!(why.contains("1 of 3") && why.contains("00001.car"), "{why}");
    // Left over from something else.
    objects.put(&path("00009.car"), "x".into()).await.unwrap();
    here.archive.pin(&pin(root)).await.unwrap();
    assert_eq!(state(&here, root).await, There::Pinned);
    assert_eq!(written("00000.car").await, before);
    assert_eq!(names(&objects).await.len(), 4);
}

#[tokio::test]
async fn other_bytes_in_the_storage_are_never_pinned() {
    let objects = Arc::new(InMemory::new());
    let here = node(&objects, "here");
    let root = fill(&here, 20);
    here.archive.pin(&pin(root)).await.unwrap();
    let path = here.archive.of(&root).join("00001.car");
    let bytes = objects.get(&path).await.unwrap().bytes().await.unwrap();
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    objects.put(&path, bytes.into()).await.unwrap();
    let there = node(&objects, "there");
    let restored = there.archive.restore(&root, "a".parse().unwrap()).await;
    let error = restored.unwrap_err().to_string();
    assert!(error.contains("00001.car is not what was"), "{error}");
    assert!(there.archive.store.pins().unwrap().is_empty());

    let path = here.archive.of(&root).join(MANIFEST);
    objects.put(&path, "{}".into()).await.unwrap();
    let error = there.archive.list().await.unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn what_is_not_whole_here_is_not_written() {
    let objects = Arc::new(InMemory::new());
    let there = node(&objects, "there");
    let root = fill(&there, 2);
    let here = node(&objects, "here");
    let error = here.archive.pin(&pin(root)).await.unwrap_err().to_string();
    assert!(error.contains("add or fetch it first"), "{error}");
    assert!(names(&objects).await.is_empty());
}

#[test]
fn an_endpoint_has_a_bucket_and_perhaps_folders() {
    let place = Place::of("https://s3.example.org:9000/media/a/b").unwrap();
    assert_eq!(place.host, "https://s3.example.org:9000");
    assert_eq!((&*place.bucket, place.folder.as_ref()), ("media", "a/b"));
    assert_eq!(Place::of("http://h/media").unwrap().folder, Path::default());
    for wrong in ["http://h", "http://h/", "h/media"] {
        assert!(Place::of(wrong).is_err(), "{wrong}");
    }
    assert!(check_archive("http://h/media", Some("id:key")).is_ok());
    assert!(check_archive("http://h/media", Some("id")).is_err());
    assert!(check_archive("http://h/media", None).is_err());
}
