//! The links of a block of any codec.
#![no_main]

use bytes::Bytes;
use cidcast_types::Cid;
use libfuzzer_sys::fuzz_target;
use multihash_codetable::{Code, MultihashDigest};

fuzz_target!(|data: &[u8]| {
    for codec in [0x55, 0x70, 0x71, 0x0129] {
        let cid = Cid::new_v1(codec, Code::Sha2_256.digest(data));
        let _ = cidcast_store::links(&cid, &Bytes::copy_from_slice(data));
    }
    if let Ok(cid) = Cid::try_from(data) {
        let _ = cidcast_store::links(&cid, &Bytes::copy_from_slice(data));
    }
});
