//! CAR files from elsewhere: all roots are pinned or nothing is, and what was pinned is whole.
#![no_main]

use std::sync::LazyLock;

use cidcast_store::{Audience, Holder, Store, StoreSettings};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// One store for all inputs: opening one takes longer than an import.
static STORE: LazyLock<(TempDir, Store, Holder)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), StoreSettings::default()).expect("a new store");
    (folder, store, "fuzz".parse().expect("a name"))
});

fuzz_target!(|data: &[u8]| {
    let (_, store, holder) = &*STORE;
    match store.import_car(data, holder, Audience::Members) {
        Err(_) => assert!(store.pins().expect("pins").is_empty()),
        Ok(roots) => {
            for root in roots {
                store
                    .export_car(&root, std::io::sink())
                    .expect("a whole DAG");
            }
            store.unpin(holder, None).expect("unpinned");
        }
    }
});
