//! Opening, closing and what lies on disk.

use std::fs;

use cidcast_store::{Audience, OpenError, PutError, Store};

use crate::fixture::{file_of, holder, leaf, open, settings, temp_dir, tree};

#[test]
fn the_folder_is_laid_out_as_kubo_does() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let block = leaf(1);
    store.put(&block.cid, &block.data, &guard).unwrap();
    let sharding = fs::read_to_string(dir.path().join("blocks/SHARDING")).unwrap();
    assert_eq!(sharding, "/repo/flatfs/shard/v1/next-to-last/2\n");
    assert_eq!(fs::read(file_of(&dir, &block.cid)).unwrap(), block.data);
}

#[test]
fn a_second_open_is_told_that_the_store_is_in_use() {
    let dir = temp_dir();
    let first = open(&dir);
    let error = Store::open(dir.path(), settings()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(error.to_string().contains("in use"), "{error}");
    drop(first);
    open(&dir);
}

#[test]
fn a_closed_store_opens_again_while_clones_live() {
    let dir = temp_dir();
    let store = open(&dir);
    let clone = store.clone();
    store.close().unwrap();
    store.close().unwrap();
    let again = open(&dir);
    let guard = clone.in_flight();
    let refused = clone.put(&leaf(1).cid, &leaf(1).data, &guard);
    assert!(matches!(refused, Err(PutError::Closed)));
    assert!(clone.pins().is_err());
    assert!(again.pins().unwrap().is_empty());
}

#[test]
fn leftover_temporary_files_are_removed() {
    let dir = temp_dir();
    open(&dir).close().unwrap();
    let leftover = dir.path().join("blocks/.temp/put-7");
    fs::write(&leftover, b"half a block").unwrap();
    let store = open(&dir);
    assert!(!leftover.exists());
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn another_layout_is_refused_by_name() {
    let dir = temp_dir();
    fs::create_dir(dir.path().join("blocks")).unwrap();
    let sharding = dir.path().join("blocks/SHARDING");
    fs::write(&sharding, "/repo/flatfs/shard/v1/prefix/5").unwrap();
    let error = Store::open(dir.path(), settings()).unwrap_err();
    assert!(error.to_string().contains("prefix/5"), "{error}");
}

#[test]
fn a_folder_of_other_files_is_left_alone() {
    let dir = temp_dir();
    fs::create_dir(dir.path().join("blocks")).unwrap();
    fs::write(dir.path().join("blocks/holiday.jpg"), b"x").unwrap();
    let error = Store::open(dir.path(), settings()).unwrap_err();
    assert!(matches!(error, OpenError::NotABlockFolder { .. }));
}

#[test]
fn files_that_are_not_blocks_are_passed_over() {
    let dir = temp_dir();
    let store = open(&dir);
    let folder = dir.path().join("blocks/AA");
    fs::create_dir(&folder).unwrap();
    for name in ["README", "not-base32!.data", "CIQAAAAA.data"] {
        fs::write(folder.join(name), b"x").unwrap();
    }
    assert_eq!(store.sweep().unwrap().deleted, 0);
    assert_eq!(store.verify(|_| {}, || false).unwrap().checked, 0);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
}

#[test]
fn blocks_without_a_pin_outlive_a_restart_until_the_sweep() {
    let dir = temp_dir();
    let (kept, lost) = (tree(0, 4), tree(10, 14));
    let store = open(&dir);
    let guard = store.in_flight();
    kept.put(&store, &guard);
    lost.put(&store, &guard);
    store
        .pin(&holder("a"), &kept.root, Audience::Members)
        .unwrap();
    store.close().unwrap();
    drop(guard);
    let store = open(&dir);
    assert!(store.has(&lost.root).unwrap());
    let swept = store.sweep().unwrap();
    assert_eq!(swept.deleted, lost.blocks.len() as u64);
    assert_eq!(swept.kept, kept.blocks.len() as u64);
    assert!(store.verify(|_| {}, || false).unwrap().is_good());
}
