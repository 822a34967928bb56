//! Announcements to sign.

use cidcast_announce::{
    Announcement, Draft, MediaKind, Op, Publish, Rendition, Replication, Retract, SigningKey,
    ViewSharing,
};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp};

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

pub(crate) fn asset(n: u64) -> AssetId {
    AssetId::from_parts(Timestamp::from_millis(n), u128::from(n))
}

/// A CIDv1 with a SHA2-256 digest of `n`s.
pub(crate) fn cid(codec: u64, n: u8) -> Cid {
    let bytes = [0x01, u8::try_from(codec).unwrap(), 0x12, 0x20]
        .into_iter()
        .chain([n; 32])
        .collect::<Vec<_>>();
    Cid::try_from(bytes.as_slice()).unwrap()
}

pub(crate) fn root(n: u8) -> RootCid {
    RootCid::new(cid(0x70, n))
}

pub(crate) fn publish(n: u64) -> Publish {
    Publish {
        asset: asset(n),
        root: root(7),
        title: format!("Asset {n}"),
        description: "Über alles, 映画".to_owned(),
        tags: vec!["open".to_owned(), "film".to_owned()],
        created_at: Timestamp::from_millis(1_700_000_000_000 + n),
        duration_ms: 55_000,
        bytes: 12_345_678,
        renditions: vec![
            Rendition {
                name: "720p".parse().unwrap(),
                kind: MediaKind::Video {
                    width: 1280,
                    height: 720,
                },
                bytes: 12_000_000,
                path: "video/720p".to_owned(),
            },
            Rendition {
                name: "audio".parse().unwrap(),
                kind: MediaKind::Audio,
                bytes: 345_678,
                path: "audio/audio".to_owned(),
            },
        ],
        poster: Some("poster.jpg".to_owned()),
        language: Some("de".to_owned()),
        replication: Replication { min: 2, max: 5 },
        views: ViewSharing::Share,
    }
}

pub(crate) fn retract(n: u64) -> Op {
    Op::Retract(Retract {
        asset: asset(n),
        reason: "rights".to_owned(),
    })
}

pub(crate) fn first(ops: Vec<Op>) -> Draft {
    Draft {
        seq: 0,
        prev: None,
        at: Timestamp::from_millis(1_700_000_000_000),
        ops,
    }
}

pub(crate) fn signed(ops: Vec<Op>) -> Announcement {
    Announcement::sign(&key(1), first(ops)).unwrap()
}
