//! What the tests begin with.

use cidcast_announce::{NodeId, NodeKey, Publisher, SigningKey};
use cidcast_catalog::{Catalog, Failure, NewAsset, NewSource, Permanence};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp, UploadId, Visibility};

/// A CID that differs for each `n`: an identity hash of its digits.
pub(crate) fn cid(n: u64) -> Cid {
    let mut bytes = vec![0x01, 0x55, 0x00, 0x08];
    bytes.extend(n.to_be_bytes());
    Cid::try_from(bytes).unwrap()
}

pub(crate) fn root(n: u64) -> RootCid {
    RootCid::new(cid(n))
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn asset_id(n: u64) -> AssetId {
    AssetId::from_parts(at(n), u128::from(n))
}

pub(crate) fn upload_id(n: u64) -> UploadId {
    UploadId::from_parts(at(n), u128::from(n))
}

pub(crate) fn node(n: u8) -> NodeId {
    NodeKey::from_seed([n; 32]).node()
}

pub(crate) fn publisher(n: u8) -> Publisher {
    SigningKey::from_seed([n; 32]).publisher()
}

/// An asset with every field in use.
pub(crate) fn asset(n: u64) -> NewAsset {
    NewAsset {
        id: asset_id(n),
        title: format!("Title {n}"),
        description: "Two\nlines".to_owned(),
        tags: vec!["Zürich".to_owned(), "a \"quoted\" tag".to_owned()],
        visibility: Visibility::Unlisted,
        source: NewSource {
            name: format!("{n}.mp4"),
            bytes: 1_000 + n,
            cid: cid(n),
        },
        created_at: at(n),
    }
}

pub(crate) fn titled(n: u64, title: &str) -> NewAsset {
    NewAsset {
        title: title.to_owned(),
        description: String::new(),
        tags: vec![],
        ..asset(n)
    }
}

pub(crate) fn failure(permanence: Permanence) -> Failure {
    Failure {
        code: "disk-full".to_owned(),
        title: "No room left".to_owned(),
        detail: "Free 3 MB".to_owned(),
        permanence,
    }
}

pub(crate) async fn catalog() -> Catalog {
    Catalog::in_memory().await.unwrap()
}
