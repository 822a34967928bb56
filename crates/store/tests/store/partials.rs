//! DAGs that are on their way here outlive the process.

use std::fs;

use cidcast_store::{Audience, Partial, Store};
use cidcast_types::Timestamp;

use crate::fixture::{Tree, file_of, holder, open, temp_dir, tree};

fn partial(of: &Tree, until: u64) -> Partial {
    Partial {
        holder: holder("fetch"),
        root: of.root,
        until: Timestamp::from_millis(until),
        note: "half of it".to_owned(),
    }
}

/// Everything but the first two leaves.
fn put_most(tree: &Tree, store: &Store) {
    let session = store.in_flight();
    for block in tree.blocks.iter().skip(2) {
        store.put(&block.cid, &block.data, &session).unwrap();
    }
}

fn blocks_of(store: &Store) -> u64 {
    store.flush_deletes().unwrap();
    store.disk_usage().unwrap().blocks
}

#[test]
fn what_has_arrived_survives_session_restart_and_sweep_until_it_is_dropped() {
    let dir = temp_dir();
    let (wanted, other) = (tree(0, 8), tree(20, 24));
    let row = partial(&wanted, 1_000);
    let store = open(&dir);
    let guard = store.keep_partial(&row).unwrap();
    for block in &wanted.blocks {
        guard.hold(&block.cid);
    }
    put_most(&wanted, &store);
    put_most(&other, &store);
    let most = wanted.blocks.len() as u64 - 2;
    assert_eq!(blocks_of(&store), most, "nobody keeps the other one");
    drop(guard);
    assert_eq!(blocks_of(&store), most);
    store.close().unwrap();
    drop(store);

    let store = open(&dir);
    store.sweep().unwrap();
    assert_eq!(blocks_of(&store), most);
    assert_eq!(store.partials().unwrap(), std::slice::from_ref(&row));
    // It can be completed and pinned, and nothing is lost with the row then.
    let guard = store.keep_partial(&row).unwrap();
    let session = store.in_flight();
    wanted.put(&store, &session);
    store
        .pin(&row.holder, &row.root, Audience::Members)
        .unwrap();
    store.drop_partial(&row.holder, &row.root).unwrap();
    drop((guard, session));
    assert_eq!(blocks_of(&store), wanted.blocks.len() as u64);
    assert_eq!(store.partials().unwrap(), []);
}

#[test]
fn what_is_given_up_is_deleted() {
    let dir = temp_dir();
    let wanted = tree(0, 8);
    let row = partial(&wanted, 1_000);
    let store = open(&dir);
    let guard = store.keep_partial(&row).unwrap();
    wanted
        .blocks
        .iter()
        .for_each(|block| guard.hold(&block.cid));
    put_most(&wanted, &store);
    drop(guard);
    drop(store);

    let store = open(&dir);
    let early = store.drop_expired_partials(Timestamp::from_millis(999));
    assert_eq!(early.unwrap(), []);
    assert_ne!(blocks_of(&store), 0);
    let late = store.drop_expired_partials(Timestamp::from_millis(1_000));
    assert_eq!(late.unwrap(), [row]);
    assert_eq!(blocks_of(&store), 0);
}

#[test]
fn blocks_that_a_power_cut_damaged_are_not_built_upon() {
    let dir = temp_dir();
    let wanted = tree(0, 8);
    let row = partial(&wanted, 1_000);
    let store = open(&dir);
    let guard = store.keep_partial(&row).unwrap();
    wanted
        .blocks
        .iter()
        .for_each(|block| guard.hold(&block.cid));
    put_most(&wanted, &store);
    drop(guard);
    drop(store);
    let damaged = &wanted.blocks[4];
    fs::write(file_of(&dir, &damaged.cid), b"").unwrap();

    let store = open(&dir);
    store.keep_partial(&row).unwrap();
    assert!(!store.has(&damaged.cid).unwrap());
    assert!(store.has(&wanted.blocks[5].cid).unwrap());
}
