//! Where a name lives in a sharded directory (UnixFS specification, "HAMT directories").

use std::io::Cursor;

/// Multicodec of murmur3-x64-64, the only hash that HAMT directories use.
pub(crate) const MURMUR3: u64 = 0x22;
/// Children per shard in the `unixfs-v1-2025` profile.
pub(crate) const FANOUT: u64 = 256;
/// Bits in the hash of a name: no shard lies deeper than they last.
pub(crate) const HASH_BITS: u32 = 64;

/// The hash of an entry's name: the first 64 bits of murmur3-x64-128, seed 0.
pub(crate) fn hash(name: &str) -> u64 {
    // The reader is memory: the error arm cannot happen, and its value would only misplace a name.
    let wide = murmur3::murmur3_x64_128(&mut Cursor::new(name.as_bytes()), 0).unwrap_or_default();
    u64::try_from(wide & u128::from(u64::MAX)).unwrap_or_default()
}

/// Index of the child at `level` (0 = root) in shards of 2^`bits` children; `None`: deeper than the
/// hash reaches.
pub(crate) fn index(hash: u64, level: u32, bits: u32) -> Option<usize> {
    let used = level.checked_mul(bits)?;
    let left = HASH_BITS.checked_sub(used)?.checked_sub(bits)?;
    usize::try_from((hash >> left) & ((1u64 << bits) - 1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kubo() {
        assert_eq!(hash("a"), 0x8555_5565_f659_7889);
        assert_eq!(hash("file.txt"), 0xb538_75c8_3534_fe3e);
    }

    #[test]
    fn indexes_use_up_the_hash_and_then_end() {
        let hash = 0x0123_4567_89ab_cdef;
        assert_eq!(index(hash, 0, 8), Some(0x01));
        assert_eq!(index(hash, 7, 8), Some(0xef));
        assert_eq!(index(hash, 8, 8), None);
        assert_eq!(index(hash, 0, 3), Some(0));
        assert_eq!(index(hash, 20, 3), Some(0b111));
        assert_eq!(index(hash, 21, 3), None);
    }
}
