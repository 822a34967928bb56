//! Blocks to move around.

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// A block of `size` bytes, told apart by its number.
pub(crate) fn block(number: u64, size: usize) -> (Cid, Bytes) {
    let data = cidcast_testkit::noise(number, size);
    (cid_of(&data), data.into())
}

pub(crate) fn cid_of(data: &[u8]) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(data))
}

pub(crate) fn blocks(count: u64, size: usize) -> Vec<(Cid, Bytes)> {
    (0..count).map(|number| block(number, size)).collect()
}
