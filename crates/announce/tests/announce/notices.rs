//! Notices of nodes.

use cidcast_announce::{
    Announcement, BlockList, Holds, NodeKey, Notice, Outcome, Says, SignError, VerifyError,
};
use cidcast_types::Timestamp;

use crate::draft::{asset, cid, key, retract, root, signed};

pub(crate) fn every_kind() -> Vec<Says> {
    let publisher = key(1).publisher();
    let asset = asset(5);
    let until = Timestamp::from_millis(1_700_000_100_000);
    let replica = |holds| Says::Replica {
        publisher,
        asset,
        root: root(4),
        holds,
        until,
    };
    let ack = |outcome| Says::RetractionAck {
        publisher,
        asset,
        seq: 12,
        outcome,
    };
    vec![
        replica(Holds::All),
        replica(Holds::Only(vec![
            "480p".parse().unwrap(),
            "audio".parse().unwrap(),
        ])),
        Says::ReplicaWithdrawn {
            publisher,
            asset,
            root: root(4),
        },
        ack(Outcome::Deleted),
        ack(Outcome::Unindexed),
        ack(Outcome::Kept),
        Says::Views {
            publisher,
            asset,
            day: "2026-11-25".parse().unwrap(),
            count: 17,
        },
        Says::Follow {
            publisher,
            by: Some(key(2).publisher()),
        },
        Says::Follow {
            publisher,
            by: None,
        },
        Says::Unfollow { publisher },
    ]
}

fn node() -> NodeKey {
    NodeKey::from_seed([3; 32])
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[test]
fn every_kind_verifies_and_says_the_same() {
    for says in every_kind() {
        let made = Notice::sign(&node(), at(), says.clone()).unwrap();
        let read = Notice::verify(made.bytes()).unwrap();
        assert_eq!(read, made);
        assert_eq!(read.says(), &says);
        assert_eq!(read.says().publisher(), key(1).publisher());
        assert_eq!((read.node(), read.at()), (node().node(), at()));
    }
}

#[test]
fn a_signature_for_one_purpose_is_none_for_another() {
    let notice = Notice::sign(&node(), at(), every_kind().remove(0)).unwrap();
    assert!(Announcement::verify(notice.bytes()).is_err());
    assert!(BlockList::verify(notice.bytes()).is_err());
    let announcement = signed(vec![retract(1)]);
    assert!(Notice::verify(announcement.bytes()).is_err());
}

#[test]
fn no_byte_can_be_changed() {
    let bytes = Notice::sign(&node(), at(), every_kind().remove(1)).unwrap();
    let bytes = bytes.bytes().to_vec();
    for place in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[place] ^= 1 << (place % 8);
        assert!(Notice::verify(&forged).is_err(), "byte {place}");
    }
}

#[test]
fn bounds_hold_when_signing_and_when_reading() {
    let replica = |holds, root| Says::Replica {
        publisher: key(1).publisher(),
        asset: asset(1),
        root,
        holds,
        until: at(),
    };
    let nothing = replica(Holds::Only(Vec::new()), root(1));
    let not_a_package = replica(Holds::All, cidcast_types::RootCid::new(cid(0x71, 1)));
    for says in [nothing, not_a_package] {
        assert!(matches!(
            Notice::sign(&node(), at(), says),
            Err(SignError::Field(_))
        ));
    }
    assert!(matches!(
        Notice::verify(&[0; 5000]),
        Err(VerifyError::TooLarge { .. })
    ));
}
