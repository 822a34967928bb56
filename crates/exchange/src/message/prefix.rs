//! What is sent with a block instead of its CID: version, codec and hash function. The receiver
//! hashes the bytes and knows the rest.

use bytes::BufMut;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

use super::Malformed;
use super::field::{Fields, put_varint};
use crate::block_id::BlockId;

const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
const SHA2_256_BYTES: u64 = 32;

/// All of a CID but the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    version: u64,
    codec: u64,
    hash: u64,
    hash_bytes: u64,
}

impl Prefix {
    /// The prefix of a CID.
    pub(crate) fn of(cid: &Cid) -> Self {
        Self {
            version: cid.version().into(),
            codec: cid.codec(),
            hash: cid.hash().code(),
            hash_bytes: u64::from(cid.hash().size()),
        }
    }

    /// The prefix of blocks that come without one (the `blocks` field of Bitswap 1.0.0).
    pub(super) const V0: Self = Self {
        version: 0,
        codec: DAG_PB,
        hash: SHA2_256,
        hash_bytes: SHA2_256_BYTES,
    };

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut numbers = Fields::of(bytes);
        let prefix = Self {
            version: numbers.varint()?,
            codec: numbers.varint()?,
            hash: numbers.varint()?,
            hash_bytes: numbers.varint()?,
        };
        if numbers.is_at_end() {
            Ok(prefix)
        } else {
            Err(Malformed::WrongType)
        }
    }

    pub(super) fn write(&self, out: &mut impl BufMut) {
        for number in [self.version, self.codec, self.hash, self.hash_bytes] {
            put_varint(out, number);
        }
    }

    /// The id of a block of these bytes; `None` if this build cannot compute the hash function.
    /// As slow as hashing is.
    pub(crate) fn hash(&self, data: &[u8]) -> Option<BlockId> {
        let code = Code::try_from(self.hash).ok()?;
        let hash = code.digest(data);
        (u64::from(hash.size()) == self.hash_bytes).then_some(BlockId(hash))
    }
}
