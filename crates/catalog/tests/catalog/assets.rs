//! Making, changing and deleting assets.

use cidcast_catalog::{CatalogError, ChangeError, NewUpload, Patch, WishAudience, Wisher};
use cidcast_types::{AssetState, Visibility};

use crate::given::{asset, asset_id, at, catalog, cid, root, upload_id};

#[tokio::test]
async fn an_asset_reads_back_as_it_was_made() {
    let catalog = catalog().await;
    let new = asset(7);
    let made = catalog.create(&new).await.unwrap();
    assert_eq!(catalog.get(&new.id).await.unwrap().as_ref(), Some(&made));
    assert_eq!(
        (made.id, made.title, made.description),
        (new.id, new.title, new.description)
    );
    assert_eq!((made.tags, made.visibility), (new.tags, new.visibility));
    assert_eq!((made.source, made.created_at), (new.source, new.created_at));
    assert_eq!(
        (made.state, made.progress, made.attempt),
        (AssetState::Queued, 0.0, 0)
    );
    assert_eq!(
        (made.failure, made.media, made.plan, made.root),
        (None, None, None, None)
    );
}

#[tokio::test]
async fn an_unknown_asset_is_not_there() {
    let catalog = catalog().await;
    assert_eq!(catalog.get(&asset_id(1)).await.unwrap(), None);
    assert!(!catalog.delete(&asset_id(1)).await.unwrap());
    let refused = catalog.update(&asset_id(1), &Patch::default(), at(1)).await;
    assert!(matches!(refused, Err(ChangeError::NoSuchAsset(id)) if id == asset_id(1)));
}

#[tokio::test]
async fn an_id_is_given_once() {
    let catalog = catalog().await;
    catalog.create(&asset(1)).await.unwrap();
    assert!(matches!(
        catalog.create(&asset(1)).await,
        Err(CatalogError::Database(_))
    ));
}

#[tokio::test]
async fn a_patch_leaves_what_it_does_not_name() {
    let catalog = catalog().await;
    let before = catalog.create(&asset(1)).await.unwrap();
    let patch = Patch {
        title: Some("New".to_owned()),
        visibility: Some(Visibility::Public),
        ..Patch::default()
    };
    let after = catalog.update(&before.id, &patch, at(99)).await.unwrap();
    assert_eq!(
        (after.title.as_str(), after.visibility),
        ("New", Visibility::Public)
    );
    assert_eq!(
        (&after.description, &after.tags),
        (&before.description, &before.tags)
    );
    assert_eq!(
        (after.created_at, after.updated_at),
        (before.created_at, at(99))
    );

    let emptied = Patch {
        tags: Some(vec![]),
        description: Some(String::new()),
        ..Patch::default()
    };
    let after = catalog.update(&before.id, &emptied, at(100)).await.unwrap();
    assert_eq!(
        (after.title.as_str(), after.description.as_str()),
        ("New", "")
    );
    assert!(after.tags.is_empty());
}

#[tokio::test]
async fn an_asset_is_found_by_its_package_and_by_its_source() {
    let catalog = catalog().await;
    for n in 1..=3 {
        catalog.create(&asset(n)).await.unwrap();
    }
    for n in [1, 3] {
        catalog
            .save_package(&asset_id(n), &root(50), 10, at(9))
            .await
            .unwrap();
    }
    let found = catalog.by_root(&root(50)).await.unwrap();
    assert_eq!(
        found.iter().map(|a| a.id).collect::<Vec<_>>(),
        [asset_id(1), asset_id(3)]
    );
    assert_eq!(catalog.by_root(&root(51)).await.unwrap(), []);
    assert_eq!(catalog.by_source(&cid(2)).await.unwrap(), [asset_id(2)]);
}

#[tokio::test]
async fn deleting_an_asset_leaves_no_row_of_it() {
    let catalog = catalog().await;
    begin_upload(&catalog).await;
    let made = catalog
        .create_from_upload(&asset(1), &upload_id(1))
        .await
        .unwrap();
    assert!(catalog.delete(&made.id).await.unwrap());
    assert_eq!(catalog.get(&made.id).await.unwrap(), None);
    assert_eq!(catalog.upload(&upload_id(1)).await.unwrap(), None);
    assert!(
        !catalog.delete(&made.id).await.unwrap(),
        "the second time there is nothing"
    );
}

#[tokio::test]
async fn an_upload_makes_one_asset_however_often_it_is_finished() {
    let catalog = catalog().await;
    begin_upload(&catalog).await;
    let first = catalog
        .create_from_upload(&asset(1), &upload_id(1))
        .await
        .unwrap();
    let again = catalog
        .create_from_upload(&asset(2), &upload_id(1))
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(catalog.get(&asset_id(2)).await.unwrap(), None);
    let upload = catalog.upload(&upload_id(1)).await.unwrap().unwrap();
    assert_eq!(upload.asset, Some(first.id));
}

#[tokio::test]
async fn assets_are_counted_by_state() {
    let catalog = catalog().await;
    for n in 1..=3 {
        catalog.create(&asset(n)).await.unwrap();
    }
    catalog
        .set_state(&asset_id(2), AssetState::Probing, at(5))
        .await
        .unwrap();
    let counts = catalog.counts().await.unwrap();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [("probing", 1), ("queued", 2)]
    );
}

async fn begin_upload(catalog: &cidcast_catalog::Catalog) {
    let new = NewUpload {
        id: upload_id(1),
        filename: "a.mp4".to_owned(),
        metadata: Default::default(),
        length: 10,
        created_at: at(1),
        expires_at: at(100),
    };
    catalog.create_upload(&new).await.unwrap();
}

#[tokio::test]
async fn what_assets_ask_of_a_cluster_is_asked_once_and_taken_back_when_they_go() {
    let catalog = catalog().await;
    assert_eq!(catalog.new_wishes(9).await.unwrap(), []);
    for n in [1, 2] {
        catalog.create(&asset(n)).await.unwrap();
        let (id, root) = (asset_id(n), root(50));
        catalog.save_package(&id, &root, 10, at(9)).await.unwrap();
    }
    let wishes = catalog.new_wishes(9).await.unwrap();
    assert_eq!(wishes.len(), 2);
    assert_eq!(wishes[0].audience, WishAudience::Anyone);
    catalog.note_wishes(&wishes).await.unwrap();
    assert_eq!(catalog.new_wishes(9).await.unwrap(), []);
    let patch = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    catalog.update(&asset_id(1), &patch, at(10)).await.unwrap();
    let again = catalog.new_wishes(9).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].audience, WishAudience::Members);
    catalog.note_wishes(&again).await.unwrap();

    assert_eq!(catalog.old_wishes(9).await.unwrap(), []);
    catalog.delete(&asset_id(1)).await.unwrap();
    assert_eq!(catalog.old_wishes(9).await.unwrap(), again);
    // The other asset has the same package.
    let root = root(50).cid();
    let forget = async |n| {
        let wisher = Wisher::Asset(asset_id(n));
        catalog.forget_wish(&wisher, &root).await.unwrap()
    };
    assert!(!forget(1).await);
    assert!(forget(2).await);
}
