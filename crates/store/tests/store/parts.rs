//! Pins of a part of a DAG, and changes of the part.

use std::collections::BTreeSet;

use cid::Cid;
use cidcast_store::{Audience, PinError, PinScope, Store, links};

use crate::fixture::{Tree, file_of, holder, open, temp_dir, tree};

/// The two nodes below the root.
fn halves(tree: &Tree) -> (Cid, Cid) {
    let root = tree.blocks.last().unwrap();
    let below = links(&root.cid, &root.data).unwrap();
    (below[0], below[1])
}

fn without(cids: &[Cid]) -> PinScope {
    PinScope::Without(cids.iter().copied().collect::<BTreeSet<_>>())
}

/// Everything but the leaves below `half`.
fn put_without(store: &Store, tree: &Tree, half: Cid) {
    let node = tree.blocks.iter().find(|block| block.cid == half).unwrap();
    let left_out = links(&half, &node.data).unwrap();
    let guard = store.in_flight();
    for block in &tree.blocks {
        if !left_out.contains(&block.cid) {
            store.put(&block.cid, &block.data, &guard).unwrap();
        }
    }
    let (holder, scope) = (holder("a"), without(&[half]));
    let pinned = store.pin_part(&holder, &tree.root, Audience::Anyone, &scope);
    let kept = (tree.blocks.len() - left_out.len()) as u64;
    assert_eq!(pinned.unwrap().blocks, kept);
}

#[test]
fn a_part_is_pinned_without_the_rest_and_nothing_is_missed() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 6);
    let (_, right) = halves(&tree);
    put_without(&store, &tree, right);
    store.close().unwrap();

    let store = open(&dir);
    let pins = store.pins().unwrap();
    assert_eq!(pins[0].scope, without(&[right]));
    let report = store.verify(|_| {}, || false).unwrap();
    assert!(report.is_good(), "{report:?}");
    let stat = store.stat().unwrap();
    assert_eq!((stat.blocks, stat.bytes), (pins[0].blocks, pins[0].bytes));
    // What belongs to the part is missed.
    std::fs::remove_file(file_of(&dir, &right)).unwrap();
    let report = store.verify(|_| {}, || false).unwrap();
    assert_eq!(report.missing_from_pins.len(), 1);
}

#[test]
fn a_part_grows_when_the_rest_is_here_and_not_before() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 6);
    put_without(&store, &tree, halves(&tree).1);
    let whole = || store.pin(&holder("a"), &tree.root, Audience::Anyone);
    assert!(matches!(whole(), Err(PinError::Missing { .. })));
    assert_ne!(store.pins().unwrap()[0].scope, PinScope::Whole);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    assert_eq!(whole().unwrap().bytes, tree.bytes());
    drop(guard);
    store.flush_deletes().unwrap();
    let pins = store.pins().unwrap();
    assert_eq!((pins.len(), &pins[0].scope), (1, &PinScope::Whole));
    assert_eq!(store.stat().unwrap().bytes, tree.bytes());
}

#[test]
fn a_part_that_shrinks_gives_back_what_no_other_pin_has() {
    let dir = temp_dir();
    let store = open(&dir);
    let (tree, other) = (tree(0, 8), tree(6, 8));
    let (left, right) = halves(&tree);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    other.put(&store, &guard);
    let pin = |scope: &PinScope| {
        let pinned = store.pin_part(&holder("a"), &tree.root, Audience::Anyone, scope);
        pinned.unwrap()
    };
    pin(&PinScope::Whole);
    let members = Audience::Members;
    store.pin(&holder("b"), &other.root, members).unwrap();
    drop(guard);
    let small = pin(&without(&[right]));
    assert_eq!(small, pin(&without(&[right])), "twice is once");
    store.flush_deletes().unwrap();

    let data = store.get(&right).unwrap();
    for leaf in links(&right, &data).unwrap() {
        let is_others = other.blocks.iter().any(|block| block.cid == leaf);
        assert_eq!(store.has(&leaf).unwrap(), is_others);
        let audience = is_others.then_some(members);
        assert_eq!(store.audience(&leaf).unwrap(), audience);
    }
    // To another part in one step: the left half goes.
    let guard = store.in_flight();
    tree.put(&store, &guard);
    pin(&without(&[left]));
    drop(guard);
    store.unpin(&holder("a"), None).unwrap();
    store.flush_deletes().unwrap();
    assert_eq!(store.stat().unwrap().bytes, other.bytes());
    assert_eq!(store.disk_usage().unwrap().bytes, other.bytes());
}

#[test]
fn what_can_be_reached_another_way_stays() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 6);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    // Nothing is left out that lies nowhere below.
    let scope = without(&[crate::fixture::leaf(99).cid]);
    let pinned = store.pin_part(&holder("a"), &tree.root, Audience::Anyone, &scope);
    assert_eq!(pinned.unwrap().bytes, tree.bytes());
    let empty = store.pin_part(&holder("b"), &tree.root, Audience::Anyone, &without(&[]));
    assert_eq!(empty.unwrap().bytes, tree.bytes());
    let pins = store.pins().unwrap();
    assert_eq!(pins[1].scope, PinScope::Whole);
}
