//! Pins, audiences and what an unpin deletes.

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_store::{Audience, DagError, PinError, Store, StoreSettings, Unpinned};

use crate::fixture::{DAG_PB, holder, leaf, node, open, temp_dir, tree};

#[test]
fn a_pin_counts_each_block_once_and_survives_a_restart() {
    let dir = temp_dir();
    let tree = tree(0, 6);
    let store = open(&dir);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    let summary = store
        .pin(&holder("a"), &tree.root, Audience::Members)
        .unwrap();
    assert_eq!(
        (summary.blocks, summary.bytes),
        (tree.blocks.len() as u64, tree.bytes())
    );
    assert_eq!(
        store
            .pin(&holder("a"), &tree.root, Audience::Members)
            .unwrap(),
        summary
    );
    drop(guard);
    store.flush_deletes().unwrap();
    store.close().unwrap();

    let store = open(&dir);
    let pins = store.pins().unwrap();
    assert_eq!(pins.len(), 1);
    assert_eq!(
        (pins[0].root, pins[0].blocks, pins[0].bytes),
        (tree.root, summary.blocks, summary.bytes)
    );
    let stat = store.stat().unwrap();
    assert_eq!(
        (stat.pins, stat.blocks, stat.bytes),
        (1, summary.blocks, summary.bytes)
    );
    assert_eq!(store.disk_usage().unwrap().blocks, summary.blocks);
}

#[test]
fn a_dag_with_a_hole_is_not_pinned_and_the_hole_is_named() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let root = node(&[leaf(1).cid, leaf(2).cid]);
    store.put(&root.cid, &root.data, &guard).unwrap();
    store.put(&leaf(1).cid, &leaf(1).data, &guard).unwrap();
    match store.pin(&holder("a"), &root.cid, Audience::Anyone) {
        Err(PinError::Missing { cid, .. }) => assert_eq!(cid, leaf(2).cid),
        other => panic!("{other:?}"),
    }
    assert!(store.pins().unwrap().is_empty());
    assert_eq!(store.audience(&root.cid).unwrap(), None);
    // A pin that failed takes nothing away from whoever is still adding.
    store.flush_deletes().unwrap();
    assert!(store.has(&leaf(1).cid).unwrap());
}

#[test]
fn a_shared_block_goes_with_its_last_pin() {
    let dir = temp_dir();
    let store = open(&dir);
    let (a, b) = (tree(0, 8), tree(4, 12));
    let guard = store.in_flight();
    a.put(&store, &guard);
    b.put(&store, &guard);
    store.pin(&holder("a"), &a.root, Audience::Members).unwrap();
    store.pin(&holder("b"), &b.root, Audience::Members).unwrap();
    drop(guard);
    let unpinned = store.unpin(&holder("a"), None).unwrap();
    assert_eq!(unpinned.pins, 1);
    store.flush_deletes().unwrap();
    for block in &b.blocks {
        assert_eq!(store.get(&block.cid).unwrap(), block.data);
    }
    assert!(!store.has(&leaf(0).cid).unwrap());
    assert_eq!(store.disk_usage().unwrap().blocks, b.blocks.len() as u64);
    store.unpin(&holder("b"), Some(&b.root)).unwrap();
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
    assert_eq!(store.stat().unwrap().bytes, 0);
    assert_eq!(
        store.unpin(&holder("b"), None).unwrap(),
        Unpinned::default()
    );
}

#[test]
fn a_holder_is_not_taken_for_another_with_a_longer_name() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 4);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    for name in ["a", "ab", "b"] {
        store
            .pin(&holder(name), &tree.root, Audience::Members)
            .unwrap();
    }
    assert_eq!(store.unpin(&holder("a"), None).unwrap().pins, 1);
    assert_eq!(store.pins().unwrap().len(), 2);
}

#[test]
fn a_block_is_open_to_the_widest_audience_of_its_pins() {
    let dir = temp_dir();
    let store = open(&dir);
    let (a, b) = (tree(0, 8), tree(4, 12));
    let guard = store.in_flight();
    a.put(&store, &guard);
    b.put(&store, &guard);
    store.pin(&holder("a"), &a.root, Audience::Members).unwrap();
    store.pin(&holder("b"), &b.root, Audience::Anyone).unwrap();
    let audience = |n| store.audience(&leaf(n).cid).unwrap();
    assert_eq!(audience(0), Some(Audience::Members));
    assert_eq!(audience(5), Some(Audience::Anyone));
    assert_eq!(audience(99), None);

    assert_eq!(
        store.set_audience(&holder("b"), Audience::Members).unwrap(),
        1
    );
    assert_eq!(audience(5), Some(Audience::Members));
    store.pin(&holder("a"), &a.root, Audience::Anyone).unwrap();
    assert_eq!(audience(5), Some(Audience::Anyone));
    assert_eq!(audience(9), Some(Audience::Members));
    store.unpin(&holder("a"), None).unwrap();
    assert_eq!(audience(5), Some(Audience::Members));
    assert_eq!(audience(0), None);
}

#[test]
fn links_inside_an_identity_cid_are_followed() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    // A leaf so small that its parent fits into the 64 bytes of an identity CID.
    let parent = node(&[leaf(1).cid]);
    let root = Cid::new_v1(DAG_PB, Multihash::wrap(0, &parent.data).unwrap());
    store.put(&leaf(1).cid, &leaf(1).data, &guard).unwrap();
    let summary = store.pin(&holder("a"), &root, Audience::Members).unwrap();
    assert_eq!(summary.blocks, 1);
    drop(guard);
    store.flush_deletes().unwrap();
    assert!(store.has(&leaf(1).cid).unwrap());
}

#[test]
fn a_very_deep_dag_is_walked_without_running_out_of_stack() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let mut top = leaf(0);
    store.put(&top.cid, &top.data, &guard).unwrap();
    for _ in 0..5_000 {
        top = node(&[top.cid]);
        store.put(&top.cid, &top.data, &guard).unwrap();
    }
    let summary = store
        .pin(&holder("a"), &top.cid, Audience::Members)
        .unwrap();
    assert_eq!(summary.blocks, 5_001);
}

#[test]
fn a_dag_larger_than_the_limit_is_refused() {
    let dir = temp_dir();
    let settings = StoreSettings {
        max_dag_blocks: 5,
        ..crate::fixture::settings()
    };
    let store = Store::open(dir.path(), settings).unwrap();
    let guard = store.in_flight();
    let tree = tree(0, 8);
    tree.put(&store, &guard);
    let refused = store.pin(&holder("a"), &tree.root, Audience::Members);
    assert!(matches!(
        refused,
        Err(PinError::Dag(DagError::TooLarge { limit: 5, .. }))
    ));
}

#[test]
fn deletes_that_a_restart_interrupted_are_finished_after_it() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 300);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    store
        .pin(&holder("a"), &tree.root, Audience::Members)
        .unwrap();
    drop(guard);
    store.flush_deletes().unwrap();
    store.unpin(&holder("a"), None).unwrap();
    store.close().unwrap();
    let store = open(&dir);
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
    assert_eq!(store.stat().unwrap().pending_deletes, 0);
}

#[test]
fn an_unpinned_block_goes_when_the_last_guard_lets_go() {
    let dir = temp_dir();
    let store = open(&dir);
    let tree = tree(0, 4);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    store
        .pin(&holder("a"), &tree.root, Audience::Members)
        .unwrap();
    drop(guard);
    store.flush_deletes().unwrap();
    let reader = store.in_flight();
    reader.hold(&tree.root);
    store.unpin(&holder("a"), None).unwrap();
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 1);
    drop(reader);
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn a_block_can_be_pinned_without_what_it_links_to() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let absent = leaf(1).cid;
    let block = node(&[absent]);
    store.put(&block.cid, &block.data, &guard).unwrap();
    let pin = |cid| store.pin_blocks(&holder("feed"), &[cid], Audience::Anyone);
    pin(block.cid).unwrap();
    drop(guard);
    store.flush_deletes().unwrap();
    assert!(store.has(&block.cid).unwrap());
    assert_eq!(store.audience(&block.cid).unwrap(), Some(Audience::Anyone));
    assert!(matches!(pin(absent), Err(PinError::Missing { .. })));
    store.unpin(&holder("feed"), Some(&block.cid)).unwrap();
    store.flush_deletes().unwrap();
    assert!(!store.has(&block.cid).unwrap());
}

#[test]
fn some_pins_of_a_holder_go_and_the_others_stay() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let blocks = [leaf(1), leaf(2), leaf(3)];
    for block in &blocks {
        store.put(&block.cid, &block.data, &guard).unwrap();
    }
    let cids = blocks.map(|block| block.cid);
    let feed = holder("feed");
    store.pin_blocks(&feed, &cids, Audience::Anyone).unwrap();
    drop(guard);
    let gone = store.unpin_blocks(&feed, &cids[..2]).unwrap();
    assert_eq!((gone.pins, gone.blocks), (2, 2));
    let again = store.unpin_blocks(&feed, &cids[..2]).unwrap();
    assert_eq!(again, Unpinned::default(), "no pin is no error");
    store.unpin_blocks(&feed, &[]).unwrap();
    store.flush_deletes().unwrap();
    assert_eq!(store.pinned_roots(&feed).unwrap(), cids[2..]);
    let here = cids.map(|cid| store.has(&cid).unwrap());
    assert_eq!(here, [false, false, true]);
}
