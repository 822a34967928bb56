//! What a want and a block meet by.

use std::fmt;

use cid::Cid;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

/// The multihash code of the identity function: the digest is the content.
const IDENTITY: u64 = 0x00;

/// The multihash of a block. The store finds blocks by it, so CIDs that differ only in version or
/// codec are one want.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockId(pub(crate) Multihash<64>);

impl BlockId {
    /// The id of the block behind `cid`.
    pub(crate) fn of(cid: &Cid) -> Self {
        Self(*cid.hash())
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.digest().iter().take(6) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The content of a CID that carries it.
pub(crate) fn inline(cid: &Cid) -> Option<&[u8]> {
    (cid.hash().code() == IDENTITY).then(|| cid.hash().digest())
}

/// Whether `cid` names no bytes at all. Everybody has that block, and Kubo never sends it.
pub(crate) fn is_of_nothing(cid: &Cid) -> bool {
    let code = Code::try_from(cid.hash().code());
    code.is_ok_and(|code| code.digest(&[]) == *cid.hash())
}

/// Whether this build can compute the hash function of `cid`.
pub(crate) fn is_checkable(cid: &Cid) -> bool {
    Code::try_from(cid.hash().code()).is_ok()
}
