//! Checking one DAG, and what becomes of damaged blocks.

use std::fs;

use cidcast_store::{Audience, is_block};

use crate::fixture::{file_of, holder, open, temp_dir, tree};

#[test]
fn a_damaged_block_is_named_dropped_and_can_be_put_again() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let dag = tree(0, 8);
    dag.put(&store, &guard);
    store
        .pin(&holder("a"), &dag.root, Audience::Anyone)
        .unwrap();
    let whole = store.verify_dag(&dag.root, |_| {}, || false).unwrap();
    assert_eq!(whole.blocks, dag.blocks.len() as u64);
    assert_eq!((whole.bytes, whole.damaged), (dag.bytes(), vec![]));

    let block = dag.blocks.first().unwrap();
    assert!(!store.discard_damaged(&block.cid).unwrap(), "it is good");
    fs::write(file_of(&dir, &block.cid), b"rot").unwrap();
    assert!(!is_block(&block.cid, b"rot") && is_block(&block.cid, &block.data));
    let report = store.verify_dag(&dag.root, |_| {}, || false).unwrap();
    assert_eq!(report.damaged, [block.cid]);
    assert!(store.discard_damaged(&block.cid).unwrap());
    assert!(!store.has(&block.cid).unwrap());
    let report = store.verify_dag(&dag.root, |_| {}, || false).unwrap();
    assert_eq!(report.damaged, [block.cid], "missing is as bad");
    store.put(&block.cid, &block.data, &guard).unwrap();
    let report = store.verify_dag(&dag.root, |_| {}, || false).unwrap();
    assert!(report.damaged.is_empty());
    assert!(store.pin_of(&holder("a"), &dag.root).unwrap().is_some());
    assert!(store.pin_of(&holder("b"), &dag.root).unwrap().is_none());
}

#[test]
fn a_check_of_a_dag_can_be_cut_short() {
    let dir = temp_dir();
    let store = open(&dir);
    let dag = tree(0, 4);
    dag.put(&store, &store.in_flight());
    assert!(store.verify_dag(&dag.root, |_| {}, || true).is_err());
}
