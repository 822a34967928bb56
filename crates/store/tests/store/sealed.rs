//! Sealed DAGs: held by anyone, read with the key only.

use cidcast_store::{Audience, SealError, SealKey, Store, UnsealError};

use crate::fixture::{Tree, file_of, holder, open, temp_dir, tree};

fn key(n: u8) -> SealKey {
    SealKey::from_bytes([n; 32])
}

fn with(tree: &Tree) -> (tempfile::TempDir, Store) {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    store
        .pin(&holder("plain"), &tree.root, Audience::Writers)
        .unwrap();
    (dir, store)
}

#[test]
fn a_sealed_dag_travels_as_a_car_and_is_read_back_with_the_key() {
    let tree = tree(0, 9);
    let (_dir, store) = with(&tree);
    let sealed = store.seal(&tree.root, &key(1)).unwrap();
    assert_eq!(sealed.blocks, tree.blocks.len() as u64 + 2);
    let pinned = store.pin(&holder("sealed"), &sealed.root, Audience::Members);
    let pinned = pinned.unwrap();
    assert_eq!((pinned.blocks, pinned.bytes), (sealed.blocks, sealed.bytes));
    let mut car = Vec::new();
    store.export_car(&sealed.root, &mut car).unwrap();

    // Nothing plain is in what another holds.
    for block in &tree.blocks {
        let found = car
            .windows(block.data.len())
            .any(|window| window == &*block.data);
        assert!(!found, "{} can be read", block.cid);
    }
    let elsewhere = temp_dir();
    let other = open(&elsewhere);
    let imported = other.import_car(&car[..], &holder("cluster"), Audience::Members);
    assert_eq!(imported.unwrap(), [sealed.root]);
    assert!(!other.has(&tree.root).unwrap());

    let back = other.unseal(&sealed.root, &key(1)).unwrap();
    assert_eq!(
        (back.root, back.blocks),
        (tree.root, tree.blocks.len() as u64)
    );
    other
        .pin(&holder("plain"), &back.root, Audience::Writers)
        .unwrap();
    drop(back);
    for block in &tree.blocks {
        assert_eq!(other.get(&block.cid).unwrap(), block.data);
    }
}

#[test]
fn sealing_again_gives_the_same_root_and_another_key_another() {
    let tree = tree(0, 4);
    let (_dir, store) = with(&tree);
    let first = store.seal(&tree.root, &key(1)).unwrap().root;
    assert_eq!(store.seal(&tree.root, &key(1)).unwrap().root, first);
    assert_ne!(store.seal(&tree.root, &key(2)).unwrap().root, first);
}

#[test]
fn without_the_key_or_a_block_nothing_is_read_and_the_error_says_why() {
    let tree = tree(0, 4);
    let (dir, store) = with(&tree);
    let sealed = store.seal(&tree.root, &key(1)).unwrap();
    assert_eq!(store.sealed_with(&sealed.root).unwrap(), key(1).id());
    assert!(matches!(
        store.unseal(&sealed.root, &key(2)),
        Err(UnsealError::OtherKey { wanted, .. }) if wanted == key(1).id()
    ));
    assert!(matches!(
        store.unseal(&tree.root, &key(1)),
        Err(UnsealError::NotSealed { .. })
    ));

    let mut car = Vec::new();
    store.export_car(&sealed.root, &mut car).unwrap();
    store
        .pin(&holder("sealed"), &sealed.root, Audience::Members)
        .unwrap();
    let shard = cidcast_store::links(&sealed.root, &store.get(&sealed.root).unwrap()).unwrap()[0];
    let parts = cidcast_store::links(&shard, &store.get(&shard).unwrap()).unwrap();
    let file = file_of(&dir, &parts[1]);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(
        store.unseal(&sealed.root, &key(1)),
        Err(UnsealError::Damaged(cid)) if cid == parts[1]
    ));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(
        store.unseal(&sealed.root, &key(1)),
        Err(UnsealError::Missing(cid)) if cid == parts[1]
    ));
}

#[test]
fn what_is_not_whole_is_not_sealed_and_leaves_nothing() {
    let tree = tree(0, 4);
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    for block in &tree.blocks[1..] {
        store.put(&block.cid, &block.data, &guard).unwrap();
    }
    let missing = tree.blocks[0].cid;
    assert!(matches!(
        store.seal(&tree.root, &key(1)),
        Err(SealError::Missing { cid, .. }) if cid == missing
    ));
    store.flush_deletes().unwrap();
    assert_eq!(
        store.disk_usage().unwrap().blocks,
        tree.blocks.len() as u64 - 1
    );
}
