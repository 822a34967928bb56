//! What verifies, and what never does.

use std::time::Duration;

use cidcast_announce::{
    Announcement, MAX_ANNOUNCEMENT_BYTES, Op, Profile, SignError, Snapshot, VerifyError,
};
use cidcast_types::Timestamp;
use proptest::prelude::*;

use crate::draft::{asset, cid, first, key, publish, retract, root, signed};

fn every_op() -> Vec<Op> {
    vec![
        Op::Publish(Box::new(publish(1))),
        retract(2),
        Op::Profile(Profile {
            name: "Ada".to_owned(),
            about: "Films".to_owned(),
            nodes: vec![format!(
                "/ip4/127.0.0.1/tcp/4747/p2p/{}",
                key(9).publisher().peer_id()
            )],
            web: Some("https://example.org/".to_owned()),
        }),
    ]
}

#[test]
fn what_is_signed_verifies_and_says_the_same() {
    let mut draft = first(every_op());
    draft.seq = 8;
    draft.prev = Some(cid(0x71, 3));
    draft.ops.push(Op::Snapshot(Snapshot {
        seq: 7,
        head: cid(0x71, 3),
        segments: vec![cid(0x71, 4), cid(0x71, 5)],
    }));
    let made = Announcement::sign(&key(1), draft.clone()).unwrap();
    let read = Announcement::verify(made.bytes()).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.ops(), draft.ops);
    assert_eq!(
        (read.seq(), read.prev(), read.at()),
        (8, draft.prev, draft.at)
    );
    assert_eq!(read.publisher(), key(1).publisher());
    assert_eq!(read.cid().codec(), 0x71);
    assert_eq!(read.ops()[0].asset(), Some(asset(1)));
}

#[test]
fn signing_twice_gives_the_same_bytes() {
    assert_eq!(signed(every_op()).cid(), signed(every_op()).cid());
}

#[test]
fn no_byte_can_be_changed() {
    let bytes = signed(vec![retract(1)]).bytes().to_vec();
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        assert!(Announcement::verify(&forged).is_err(), "byte {at}");
    }
    for end in 0..bytes.len() {
        assert!(Announcement::verify(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Announcement::verify(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn another_publisher_cannot_sign_for_this_one() {
    let ours = signed(vec![retract(1)]);
    let theirs = Announcement::sign(&key(2), first(vec![retract(1)])).unwrap();
    // Their signature on our body, and our name in a body that they signed.
    let mixed = [&theirs.bytes()[..71], &ours.bytes()[71..]].concat();
    assert!(matches!(
        Announcement::verify(&mixed),
        Err(VerifyError::Signature)
    ));
}

#[test]
fn too_large_is_refused_unread() {
    let bytes = vec![0xff; MAX_ANNOUNCEMENT_BYTES + 1];
    assert!(matches!(
        Announcement::verify(&bytes),
        Err(VerifyError::TooLarge { .. })
    ));
    let mut publish = publish(1);
    publish.description = "ü".repeat(10_000);
    let ops = vec![Op::Publish(Box::new(publish)); 4];
    assert!(matches!(
        Announcement::sign(&key(1), first(ops)),
        Err(SignError::TooLarge { .. })
    ));
}

#[test]
fn fields_out_of_bounds_cannot_be_signed() {
    type Change = fn(&mut cidcast_announce::Publish);
    let changes: [(&str, Change); 11] = [
        ("title", |p| p.title.clear()),
        ("title", |p| p.title = "é".repeat(201)),
        ("description", |p| p.description = "x".repeat(10_001)),
        ("tags", |p| p.tags = vec!["t".to_owned(); 21]),
        ("tags", |p| p.tags.push(String::new())),
        ("root", |p| {
            p.root = cidcast_types::RootCid::new(cid(0x71, 1));
        }),
        ("bytes", |p| p.bytes = 1 << 53),
        ("path", |p| p.renditions[0].path = "../up".to_owned()),
        ("renditions", |p| {
            p.renditions[1].path = "video/720p".to_owned();
        }),
        ("language", |p| p.language = Some("d".to_owned())),
        ("min", |p| p.replication.min = 6),
    ];
    for (field, change) in changes {
        let mut changed = publish(1);
        change(&mut changed);
        let ops = vec![Op::Publish(Box::new(changed))];
        match Announcement::sign(&key(1), first(ops)) {
            Err(SignError::Field(error)) => assert_eq!(error.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    let mut longest = publish(1);
    longest.title = "é".repeat(200);
    longest.root = root(9);
    signed(vec![Op::Publish(Box::new(longest))]);
}

#[test]
fn the_chain_is_part_of_the_format() {
    let mut draft = first(vec![retract(1)]);
    draft.prev = Some(cid(0x71, 1));
    assert!(Announcement::sign(&key(1), draft.clone()).is_err());
    draft.seq = 1;
    assert!(Announcement::sign(&key(1), draft.clone()).is_ok());
    draft.prev = None;
    assert!(Announcement::sign(&key(1), draft).is_err());
    assert!(Announcement::sign(&key(1), first(Vec::new())).is_err());
    let unknown = Op::Unknown {
        kind: "later".to_owned(),
    };
    assert!(Announcement::sign(&key(1), first(vec![unknown])).is_err());
}

#[test]
fn a_day_ahead_is_the_furthest() {
    let made = signed(vec![retract(1)]);
    let day = Duration::from_hours(24);
    let at = made.at().as_millis();
    let day_before = at - u64::try_from(day.as_millis()).unwrap();
    assert!(!made.is_future(Timestamp::from_millis(day_before)));
    assert!(made.is_future(Timestamp::from_millis(day_before - 1)));
}

proptest! {
    #[test]
    fn no_bytes_make_verifying_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Announcement::verify(&bytes).is_err());
    }

    #[test]
    fn a_damaged_announcement_never_verifies(
        at in any::<prop::sample::Index>(), byte: u8, seed in 0u64..50,
    ) {
        let mut bytes = signed(vec![Op::Publish(Box::new(publish(seed)))]).bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(Announcement::verify(&bytes).is_err());
    }

    #[test]
    fn any_words_come_back(title in ".{1,200}", description in ".{0,500}", tag in ".{1,50}") {
        let mut publish = publish(1);
        publish.title = title;
        publish.description = description;
        publish.tags = vec![tag];
        let made = signed(vec![Op::Publish(Box::new(publish))]);
        let read = Announcement::verify(made.bytes());
        prop_assert_eq!(read.ok(), Some(made));
    }
}
