//! Resumable uploads: offsets, checksums, breaks, expiry.

use std::io;

use bytes::Bytes;
use cidcast_ingest::{Algorithm, Checksum, NewUpload, UploadError};
use cidcast_testkit::clip::{Clip, shipped};
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::path::{WritePath, about, body};

fn new(length: u64) -> NewUpload {
    NewUpload {
        about: about("clip.mp4"),
        length,
        metadata: "filename Y2xpcC5tcDQ=".to_owned(),
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let bytes = std::fs::read(shipped()).unwrap();
    let uploads = path.ingest.uploads();
    let id = uploads.create(new(bytes.len() as u64)).await.unwrap().id;
    let broken = body(&bytes[..700_000]).chain(stream::iter([Err(io::Error::other("cut"))]));
    let status = uploads.append(&id, 0, broken, None).await.unwrap();
    assert_eq!(status.offset, 700_000);
    path.close().await;
    // Another process goes on.
    let path = WritePath::open(dir.path()).await;
    let uploads = path.ingest.uploads();
    assert_eq!(uploads.status(&id).await.unwrap().offset, 700_000);
    let conflict = uploads
        .append(&id, 0, body(&bytes), None)
        .await
        .unwrap_err();
    assert!(matches!(
        conflict,
        UploadError::OffsetConflict {
            expected: 700_000,
            given: 0
        }
    ));
    let done = uploads
        .append(&id, 700_000, body(&bytes[700_000..]), None)
        .await
        .unwrap();
    let asset = done.asset.expect("the last byte makes an asset");
    let resumed = path.ready(&asset).await;
    let whole = path.ready(&path.add(&shipped()).await).await;
    assert_eq!(
        resumed.source.cid, whole.source.cid,
        "hashed right across the break"
    );
    assert_eq!(uploads.status(&id).await.unwrap().asset, Some(asset));
    path.close().await;
}

#[tokio::test]
async fn a_part_with_a_wrong_checksum_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let clip = Clip {
        seconds: 2,
        ..Clip::default()
    }
    .make(dir.path(), "sum")
    .unwrap();
    let bytes = std::fs::read(clip).unwrap();
    let uploads = path.ingest.uploads();
    let id = uploads.create(new(bytes.len() as u64)).await.unwrap().id;
    let sum = |data: &[u8]| {
        Some(Checksum {
            algorithm: Algorithm::Sha256,
            digest: Sha256::digest(data).to_vec(),
        })
    };
    let half = bytes.len() / 2;
    let wrong = uploads
        .append(&id, 0, body(&bytes[..half]), sum(b"else"))
        .await
        .unwrap_err();
    assert!(matches!(wrong, UploadError::WrongChecksum));
    assert_eq!(uploads.status(&id).await.unwrap().offset, 0);
    let right = uploads
        .append(&id, 0, body(&bytes[..half]), sum(&bytes[..half]))
        .await
        .unwrap();
    assert_eq!(right.offset, half as u64);
    let rest = uploads
        .append(&id, half as u64, body(&bytes[half..]), None)
        .await
        .unwrap();
    path.ready(&rest.asset.unwrap()).await;
    path.close().await;
}

#[tokio::test]
async fn more_or_larger_than_announced_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open_with(dir.path(), |s| s.max_source_bytes = 1000).await;
    let uploads = path.ingest.uploads();
    assert!(matches!(
        uploads.create(new(0)).await.unwrap_err(),
        UploadError::Empty
    ));
    let large = uploads.create(new(1001)).await.unwrap_err();
    assert!(matches!(large, UploadError::TooLarge { limit: 1000 }));
    let id = uploads.create(new(10)).await.unwrap().id;
    let over = uploads
        .append(&id, 0, body(&[0; 11]), None)
        .await
        .unwrap_err();
    assert!(matches!(over, UploadError::OverLength { length: 10 }));
    let stream = body(&[0; 1001]);
    let over = path
        .ingest
        .receive(about("x"), None, stream)
        .await
        .unwrap_err();
    assert!(matches!(over, UploadError::TooLarge { limit: 1000 }));
    path.close().await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let broken = stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(io::Error::other("cut")),
    ]);
    let error = path
        .ingest
        .receive(about("x"), None, broken)
        .await
        .unwrap_err();
    assert!(matches!(error, UploadError::BrokenOff));
    assert_eq!(
        std::fs::read_dir(dir.path().join("sources"))
            .unwrap()
            .count(),
        0
    );
    path.close().await;
}

#[tokio::test]
async fn a_terminated_upload_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = WritePath::open(dir.path()).await;
    let uploads = path.ingest.uploads();
    let id = uploads.create(new(10)).await.unwrap().id;
    uploads.append(&id, 0, body(&[1; 5]), None).await.unwrap();
    uploads.terminate(&id).await.unwrap();
    assert!(matches!(
        uploads.status(&id).await.unwrap_err(),
        UploadError::NotFound(_)
    ));
    assert_eq!(
        std::fs::read_dir(dir.path().join("sources"))
            .unwrap()
            .count(),
        0
    );
    path.close().await;
}
