//! Every UnixFS reader over one block of any bytes. Links that the input makes up can lead
//! somewhere: a CID with the identity hash carries the block that it names.
#![no_main]

use std::sync::LazyLock;

use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{list, read_all, resolve};
use cidcast_store::{Store, StoreSettings};
use cidcast_types::Cid;
use libfuzzer_sys::fuzz_target;
use multihash_codetable::{Code, MultihashDigest};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

static NODE: LazyLock<(TempDir, Runtime, Blocks)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), StoreSettings::default()).expect("a new store");
    let runtime = Builder::new_current_thread().enable_all().build();
    (folder, runtime.expect("a runtime"), Blocks::new(store))
});

fuzz_target!(|data: &[u8]| {
    let (_, runtime, blocks) = &*NODE;
    let store = blocks.store();
    let guard = store.in_flight();
    let cid = Cid::new_v1(0x70, Code::Sha2_256.digest(data));
    store.put(&cid, data, &guard).expect("room for a block");
    runtime.block_on(async {
        for path in ["", "a", "a/b", "é/../b"] {
            let _ = resolve(blocks, &cid, path).await;
        }
        let _ = list(blocks, &cid).await;
        if let Ok(whole) = read_all(blocks, &cid, 1 << 20).await {
            assert!(whole.len() <= 1 << 20);
        }
    });
});
