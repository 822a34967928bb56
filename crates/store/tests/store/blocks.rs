//! Putting and getting blocks.

use std::fs;

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_store::{GetError, MAX_BLOCK_BYTES, PutError, Store, StoreSettings};

use crate::fixture::{Block, DAG_PB, RAW, cid_of, file_of, leaf, node, open, temp_dir, tree};

#[test]
fn a_block_reads_back_under_either_cid_version() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let block = node(&[leaf(1).cid]);
    store.put(&block.cid, &block.data, &guard).unwrap();
    let v0 = Cid::new_v0(*block.cid.hash()).unwrap();
    assert_eq!(store.get(&v0).unwrap(), block.data);
    assert_eq!(store.size(&v0).unwrap(), block.data.len() as u64);
    assert!(store.has(&block.cid).unwrap());
    assert_eq!(store.disk_usage().unwrap().blocks, 1);
}

#[test]
fn a_block_that_is_not_here_is_named() {
    let dir = temp_dir();
    let store = open(&dir);
    let cid = leaf(1).cid;
    let error = store.get(&cid).unwrap_err();
    assert!(error.to_string().contains(&cid.to_string()));
    assert!(matches!(error, GetError::NotFound { .. }));
    assert!(!store.has(&cid).unwrap());
}

#[test]
fn an_identity_cid_answers_from_itself_and_is_never_stored() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let cid = Cid::new_v1(RAW, Multihash::wrap(0, b"hello").unwrap());
    store.put_verified(&cid, b"hello", &guard).unwrap();
    assert_eq!(&store.get(&cid).unwrap()[..], b"hello");
    assert_eq!(store.size(&cid).unwrap(), 5);
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
    assert!(matches!(
        store.put_verified(&cid, b"other", &guard),
        Err(PutError::Mismatch { .. })
    ));
}

#[test]
fn an_empty_block_is_a_block() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let cid = cid_of(DAG_PB, b"");
    store.put(&cid, b"", &guard).unwrap();
    assert!(store.get(&cid).unwrap().is_empty());
}

#[test]
fn bytes_from_outside_are_hashed_before_they_are_written() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let refused = store.put_verified(&leaf(1).cid, &leaf(2).data, &guard);
    assert!(matches!(refused, Err(PutError::Mismatch { .. })));
    // From the range of multicodec for private use: no build of anything computes it.
    const NOBODYS: u64 = 0x30_0001;
    let unknown = Cid::new_v1(RAW, Multihash::wrap(NOBODYS, &[7; 32]).unwrap());
    let refused = store.put_verified(&unknown, b"x", &guard);
    assert!(matches!(
        refused,
        Err(PutError::UnknownHash { code: NOBODYS, .. })
    ));
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn a_block_larger_than_peers_exchange_is_refused() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let data = vec![0; MAX_BLOCK_BYTES + 1];
    let refused = store.put(&cid_of(RAW, &data), &data, &guard);
    assert!(matches!(refused, Err(PutError::TooLarge { .. })));
}

#[test]
fn putting_a_damaged_block_again_repairs_it() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let block = leaf(1);
    store.put(&block.cid, &block.data, &guard).unwrap();
    for damage in [&b""[..], b"zeros where data was"] {
        fs::write(file_of(&dir, &block.cid), damage).unwrap();
        store.put(&block.cid, &block.data, &guard).unwrap();
        assert_eq!(store.get(&block.cid).unwrap(), block.data);
    }
}

#[test]
fn a_wrong_put_does_not_replace_good_bytes() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let block = leaf(1);
    store.put(&block.cid, &block.data, &guard).unwrap();
    let wrong = store.put(&block.cid, b"not it", &guard);
    assert!(matches!(wrong, Err(PutError::Mismatch { .. })));
    assert_eq!(store.get(&block.cid).unwrap(), block.data);
}

#[test]
fn a_full_disk_refuses_the_block_and_leaves_nothing() {
    let dir = temp_dir();
    let settings = StoreSettings {
        reserve_bytes: u64::MAX,
        ..StoreSettings::default()
    };
    let store = Store::open(dir.path(), settings).unwrap();
    let guard = store.in_flight();
    let Block { cid, data } = leaf(1);
    let error = store.put(&cid, &data, &guard).unwrap_err();
    assert!(error.is_no_space());
    assert!(error.to_string().contains("free some space"));
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn blocks_put_under_a_guard_stay_until_it_is_dropped() {
    let dir = temp_dir();
    let store = open(&dir);
    let (first, second) = (store.in_flight(), store.in_flight());
    let tree = tree(0, 4);
    tree.put(&store, &first);
    second.hold(&tree.root);
    assert_eq!(store.sweep().unwrap().deleted, 0);
    drop(first);
    store.flush_deletes().unwrap();
    assert!(store.has(&tree.root).unwrap());
    assert_eq!(store.disk_usage().unwrap().blocks, 1);
    drop(second);
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn verify_tells_the_corrupt_from_the_missing_and_counts_the_rest() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let tree = tree(0, 4);
    tree.put(&store, &guard);
    let audience = cidcast_store::Audience::Members;
    store
        .pin(&crate::fixture::holder("a"), &tree.root, audience)
        .unwrap();
    fs::write(file_of(&dir, &leaf(1).cid), b"rot").unwrap();
    fs::remove_file(file_of(&dir, &leaf(2).cid)).unwrap();
    let mut seen = 0;
    let report = store
        .verify(|progress| seen = progress.blocks, || false)
        .unwrap();
    assert_eq!(report.corrupt, [leaf(1).cid]);
    assert_eq!(report.missing_from_pins, [leaf(2).cid]);
    assert_eq!(
        (report.checked, seen),
        (tree.blocks.len() as u64 - 1, report.checked)
    );
    assert!(!report.is_good());
    assert!(store.verify(|_| {}, || true).is_err());
}
