//! Signed block lists.

use std::collections::BTreeMap;

use cidcast_announce::{BlockList, BlockListDraft, Blocked, NodeKey, SignError};
use cidcast_types::Timestamp;

use crate::draft::key;

pub(crate) fn draft() -> BlockListDraft {
    BlockListDraft {
        title: "Spam".to_owned(),
        at: Timestamp::from_millis(1_700_000_000_000),
        entries: BTreeMap::from([
            (Blocked::Publisher(key(8).publisher()), "spam".to_owned()),
            (Blocked::Publisher(key(9).publisher()), String::new()),
            (
                Blocked::Node(NodeKey::from_seed([4; 32]).node()),
                "floods".to_owned(),
            ),
        ]),
    }
}

#[test]
fn a_list_verifies_and_says_the_same() {
    let made = BlockList::sign(&key(1), draft()).unwrap();
    let read = BlockList::verify(made.bytes()).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.entries(), &draft().entries);
    assert_eq!((read.title(), read.at()), ("Spam", draft().at));
    assert_eq!(read.author(), key(1).publisher());
}

#[test]
fn an_empty_list_is_a_list() {
    let mut empty = draft();
    empty.entries.clear();
    let made = BlockList::sign(&key(1), empty).unwrap();
    assert!(
        BlockList::verify(made.bytes())
            .unwrap()
            .entries()
            .is_empty()
    );
}

#[test]
fn no_byte_can_be_changed() {
    let bytes = BlockList::sign(&key(1), draft()).unwrap().bytes().to_vec();
    for place in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[place] ^= 1 << (place % 8);
        assert!(BlockList::verify(&forged).is_err(), "byte {place}");
    }
}

#[test]
fn reasons_are_bounded() {
    let mut long = draft();
    for reason in long.entries.values_mut() {
        *reason = "x".repeat(201);
    }
    assert!(matches!(
        BlockList::sign(&key(1), long),
        Err(SignError::Field(_))
    ));
}
