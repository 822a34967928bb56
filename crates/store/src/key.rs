//! How blocks are named: by multihash, whatever the CID's version or codec.

use std::fmt;

use cid::Cid;
use cid::multihash::Multihash;
use data_encoding::BASE32_NOPAD;
use multihash_codetable::{Code, MultihashDigest};

/// The multicodec code of raw bytes.
pub(crate) const RAW: u64 = 0x55;
/// The multihash code of the identity function: the digest is the content.
const IDENTITY: u64 = 0x00;
const SUFFIX: &str = ".data";

/// The name of a stored block: its multihash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockKey(Multihash<64>);

/// Whether bytes are what their name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// The bytes hash to the name.
    Yes,
    /// They do not.
    No,
    /// This build cannot compute the hash function.
    UnknownHash,
}

impl BlockKey {
    /// The key of the block behind `cid`, or the block itself if `cid` carries it.
    pub(crate) fn of(cid: &Cid) -> Result<Self, &[u8]> {
        if cid.hash().code() == IDENTITY {
            Err(cid.hash().digest())
        } else {
            Ok(Self(*cid.hash()))
        }
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` for anything else, identity included.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let hash = Multihash::from_bytes(bytes).ok()?;
        (hash.code() != IDENTITY).then_some(Self(hash))
    }

    /// The multihash in binary.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// A CID for reports, where the codec that the block was written with is not known.
    pub(crate) fn to_raw_cid(self) -> Cid {
        Cid::new_v1(RAW, self.0)
    }

    /// A well-mixed byte of the digest, to spread keys over locks.
    pub(crate) fn spread(&self) -> usize {
        self.0.digest().last().map_or(0, |byte| usize::from(*byte))
    }

    /// Kubo's file name, with its folder: next-to-last two characters of the base32 multihash.
    pub(crate) fn path(&self) -> String {
        let name = BASE32_NOPAD.encode(&self.to_bytes());
        let folder = folder_of(&name);
        format!("{folder}/{name}{SUFFIX}")
    }

    /// The folder part of [`Self::path`].
    pub(crate) fn folder(&self) -> String {
        folder_of(&BASE32_NOPAD.encode(&self.to_bytes()))
    }

    /// Reads a file name that sits in `folder`; `None` if it is not a block in its right place.
    pub(crate) fn from_file_name(folder: &str, file: &str) -> Option<Self> {
        let name = file.strip_suffix(SUFFIX)?;
        if folder_of(name) != folder {
            return None;
        }
        Self::from_bytes(&BASE32_NOPAD.decode(name.as_bytes()).ok()?)
    }

    /// Hashes `data` and compares.
    pub(crate) fn matches(&self, data: &[u8]) -> Match {
        match Code::try_from(self.0.code()) {
            Ok(code) if code.digest(data) == self.0 => Match::Yes,
            Ok(_) => Match::No,
            Err(_) => Match::UnknownHash,
        }
    }
}

/// Whether `data` is the block that `cid` names. A hash function that this build cannot compute says
/// no.
pub fn is_block(cid: &Cid, data: &[u8]) -> bool {
    match BlockKey::of(cid) {
        Ok(key) => key.matches(data) == Match::Yes,
        Err(inline) => inline == data,
    }
}

/// Next-to-last two characters, padded on the left with `_` as flatfs does.
fn folder_of(name: &str) -> String {
    let mut from_end = name.bytes().rev().skip(1).map(char::from);
    let second = from_end.next().unwrap_or('_');
    let first = from_end.next().unwrap_or('_');
    [first, second].into_iter().collect()
}

impl fmt::Debug for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty UnixFS directory, whose place in a Kubo repository is well known.
    const EMPTY_DIR: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

    #[test]
    fn a_block_lies_where_kubo_puts_it() {
        let key = BlockKey::of(&EMPTY_DIR.parse().unwrap()).unwrap();
        assert_eq!(
            key.path(),
            "X3/CIQFTFEEHEDF6KLBT32BFAGLXEZL4UWFNWM4LFTLMXQBCERZ6CMLX3Y.data"
        );
    }

    #[test]
    fn both_versions_of_a_cid_name_one_block() {
        let v0: Cid = EMPTY_DIR.parse().unwrap();
        let v1 = Cid::new_v1(0x70, *v0.hash());
        assert_eq!(BlockKey::of(&v0), BlockKey::of(&v1));
    }

    #[test]
    fn a_file_name_reads_back_only_in_its_own_folder() {
        let key = BlockKey::of(&EMPTY_DIR.parse().unwrap()).unwrap();
        let path = key.path();
        let (folder, file) = path.split_once('/').unwrap();
        assert_eq!(BlockKey::from_file_name(folder, file), Some(key));
        assert_eq!(BlockKey::from_file_name("AA", file), None);
        assert_eq!(BlockKey::from_file_name(folder, "put-1"), None);
    }

    #[test]
    fn an_identity_cid_has_its_bytes_and_no_key() {
        let hash = Multihash::wrap(IDENTITY, b"hello").unwrap();
        assert_eq!(BlockKey::of(&Cid::new_v1(RAW, hash)), Err(&b"hello"[..]));
        assert_eq!(BlockKey::from_bytes(&hash.to_bytes()), None);
    }
}
