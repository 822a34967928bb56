//! Building UnixFS by the `unixfs-v1-2025` profile (IPIP-499): CIDv1, sha2-256, raw leaves, chunks
//! of 1 MiB, balanced trees 1024 wide, directories sharded 256 wide once their block would exceed
//! 256 KiB.
//!
//! `ipfs add -r` of the same files under that profile gives the same root CIDs; the golden values
//! in the tests come from Kubo. [`FileBuilder`] and [`Tree::build`] are pure; the functions that
//! take a store put every block as soon as it exists.

mod directory;
mod file;
mod tree;

use std::io;

use bytes::Bytes;
use cid::Cid;
use cidcast_store::{InFlight, PutError, Store};
use multihash_codetable::{Code, MultihashDigest};

pub use directory::DirectoryError;
pub use file::{CHUNK_BYTES, FileBuilder, WIDTH, add_bytes, add_reader, cid_of_reader};
pub use tree::{InsertError, Tree};

/// A new block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub data: Bytes,
}

/// A finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLink {
    /// Root of the file.
    pub cid: Cid,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Bytes of all blocks of the file: the `Tsize` of links to it.
    pub dag_bytes: u64,
}

/// A finished directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeRoot {
    /// Root of the directory.
    pub cid: Cid,
    /// Bytes of all blocks below and including the root: the `Tsize` of links to it.
    pub dag_bytes: u64,
}

/// What a directory entry points to: a finished file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Root of the file or directory.
    pub cid: Cid,
    /// Bytes of all blocks below and including that root.
    pub dag_bytes: u64,
}

impl From<FileLink> for Target {
    fn from(file: FileLink) -> Self {
        Self {
            cid: file.cid,
            dag_bytes: file.dag_bytes,
        }
    }
}

impl From<TreeRoot> for Target {
    fn from(tree: TreeRoot) -> Self {
        Self {
            cid: tree.cid,
            dag_bytes: tree.dag_bytes,
        }
    }
}

/// Why something could not be added to the store.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The bytes to add could not be read.
    #[error("the bytes to add could not be read; check the file and try again")]
    Read(#[source] io::Error),
    /// The store did not take a block.
    #[error("a block could not be stored; check the disk and its free space, then try again")]
    Put(#[from] PutError),
    /// A directory could not be built.
    #[error("a directory could not be built; rename its entries")]
    Directory(#[from] DirectoryError),
}

impl Block {
    fn new(codec: u64, data: Bytes) -> Self {
        let cid = Cid::new_v1(codec, Code::Sha2_256.digest(&data));
        Self { cid, data }
    }
}

fn put(store: &Store, guard: &InFlight, blocks: &[Block]) -> Result<(), PutError> {
    blocks
        .iter()
        .try_for_each(|block| store.put(&block.cid, &block.data, guard))
}
