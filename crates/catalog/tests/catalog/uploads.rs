//! Resumable uploads.

use std::collections::BTreeMap;

use cidcast_catalog::{Catalog, NewUpload, UploadError};

use crate::given::{asset, asset_id, at, catalog, upload_id};

fn upload(n: u64, length: u64) -> NewUpload {
    NewUpload {
        id: upload_id(n),
        filename: "a ü.mp4".to_owned(),
        metadata: BTreeMap::from([("title".to_owned(), "A \"title\"\n".to_owned())]),
        length,
        created_at: at(n),
        expires_at: at(n + 100),
    }
}

async fn begun(length: u64) -> Catalog {
    let catalog = catalog().await;
    catalog.create_upload(&upload(1, length)).await.unwrap();
    catalog
}

#[tokio::test]
async fn an_upload_reads_back_as_it_began() {
    let catalog = begun(1 << 40).await;
    let (new, found) = (
        upload(1, 1 << 40),
        catalog.upload(&upload_id(1)).await.unwrap().unwrap(),
    );
    assert_eq!(
        (found.id, found.filename, found.metadata),
        (new.id, new.filename, new.metadata)
    );
    assert_eq!(
        (found.length, found.offset, found.asset),
        (1 << 40, 0, None)
    );
    assert_eq!((found.created_at, found.expires_at), (at(1), at(101)));
    assert_eq!(catalog.upload(&upload_id(2)).await.unwrap(), None);
    assert_eq!(catalog.uploads().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_offset_only_grows_and_puts_off_the_expiry() {
    let catalog = begun(10).await;
    for offset in [0, 4, 4, 10] {
        catalog
            .set_offset(&upload_id(1), offset, at(500 + offset))
            .await
            .unwrap();
        let found = catalog.upload(&upload_id(1)).await.unwrap().unwrap();
        assert_eq!((found.offset, found.expires_at), (offset, at(500 + offset)));
    }
    for offset in [9, 11, u64::MAX] {
        let refused = catalog.set_offset(&upload_id(1), offset, at(900)).await;
        assert!(
            matches!(
                refused,
                Err(UploadError::OffsetOutOfRange {
                    received: 10,
                    length: 10,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let found = catalog.upload(&upload_id(1)).await.unwrap().unwrap();
    assert_eq!((found.offset, found.expires_at), (10, at(510)));
}

#[tokio::test]
async fn an_upload_that_is_gone_says_so() {
    let catalog = begun(10).await;
    assert!(catalog.delete_upload(&upload_id(1)).await.unwrap());
    assert!(!catalog.delete_upload(&upload_id(1)).await.unwrap());
    catalog.create(&asset(1)).await.unwrap();
    let answers = [
        catalog.set_offset(&upload_id(1), 1, at(9)).await,
        catalog.complete_upload(&upload_id(1), &asset_id(1)).await,
    ];
    for answer in answers {
        assert!(
            matches!(answer, Err(UploadError::NoSuchUpload(_))),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn an_upload_becomes_an_asset_that_exists() {
    let catalog = begun(10).await;
    assert!(
        catalog
            .complete_upload(&upload_id(1), &asset_id(1))
            .await
            .is_err()
    );
    catalog.create(&asset(1)).await.unwrap();
    catalog
        .complete_upload(&upload_id(1), &asset_id(1))
        .await
        .unwrap();
    let found = catalog.upload(&upload_id(1)).await.unwrap().unwrap();
    assert_eq!(found.asset, Some(asset_id(1)));
}

#[tokio::test]
async fn uploads_expire_when_their_time_is_up_and_assets_stay() {
    let catalog = catalog().await;
    for n in 1..=3 {
        catalog.create_upload(&upload(n, 10)).await.unwrap();
    }
    catalog
        .create_from_upload(&asset(1), &upload_id(1))
        .await
        .unwrap();
    assert_eq!(catalog.expire_uploads(at(100)).await.unwrap(), []);
    let mut expired = catalog.expire_uploads(at(102)).await.unwrap();
    expired.sort();
    assert_eq!(expired, [upload_id(1), upload_id(2)]);
    assert_eq!(catalog.uploads().await.unwrap().len(), 1);
    assert!(catalog.get(&asset_id(1)).await.unwrap().is_some());
}
