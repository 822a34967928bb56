//! Many threads on one store.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use cidcast_store::Audience;

use crate::fixture::{holder, leaf, open, temp_dir, tree};

/// Everyone adds, pins, reads and removes overlapping DAGs: while a thread's pin lives, its
/// blocks are there, whatever the others unpin.
#[test]
fn a_pinned_block_is_there_whatever_others_delete() {
    let dir = temp_dir();
    let store = open(&dir);
    std::thread::scope(|scope| {
        for thread in 0..6u32 {
            let store = store.clone();
            scope.spawn(move || {
                let me = holder(&format!("thread-{thread}"));
                for round in 0..40u32 {
                    let from = (thread + round) % 5;
                    let tree = tree(from, from + 12);
                    let guard = store.in_flight();
                    tree.put(&store, &guard);
                    store.pin(&me, &tree.root, Audience::Members).unwrap();
                    drop(guard);
                    for block in &tree.blocks {
                        assert_eq!(store.get(&block.cid).unwrap(), block.data);
                    }
                    store.unpin(&me, Some(&tree.root)).unwrap();
                }
            });
        }
    });
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
    assert_eq!(store.stat().unwrap().blocks, 0);
    assert_eq!(store.stat().unwrap().in_flight, 0);
}

#[test]
fn a_held_block_is_there_whatever_is_swept() {
    let dir = temp_dir();
    let store = open(&dir);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                store.sweep().unwrap();
            }
        });
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let guard = store.in_flight();
                        store.put(&leaf(1).cid, &leaf(1).data, &guard).unwrap();
                        assert_eq!(store.get(&leaf(1).cid).unwrap(), leaf(1).data);
                    }
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::SeqCst);
        sweeper.join().unwrap();
        assert!(results.iter().all(Result::is_ok));
    });
}

#[test]
fn one_guard_serves_many_threads() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let together = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (store, guard, together) = (&store, &guard, &together);
            scope.spawn(move || {
                together.wait();
                for n in thread..thread + 60 {
                    store.put(&leaf(n).cid, &leaf(n).data, guard).unwrap();
                }
            });
        }
    });
    assert_eq!(store.disk_usage().unwrap().blocks, 63);
    assert_eq!(store.stat().unwrap().in_flight, 63);
}
