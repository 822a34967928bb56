//! Blocks to move around.

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// A block of `size` bytes, told apart by its number.
pub(crate) fn block(number: u64, size: usize) -> (Cid, Bytes) {
    // A cheap generator: compression or deduplication would make a transfer meaningless.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(size + 8);
    while data.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.to_le_bytes());
    }
    data.truncate(size);
    (cid_of(&data), data.into())
}

pub(crate) fn cid_of(data: &[u8]) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(data))
}

pub(crate) fn blocks(count: u64, size: usize) -> Vec<(Cid, Bytes)> {
    (0..count).map(|number| block(number, size)).collect()
}
