//! Directory listings.

use std::collections::HashSet;

use cid::Cid;

use crate::unixfs::node::{Link, Node, NodeError, Shard};
use crate::unixfs::{DAG_PB, hamt};
use crate::{BlockError, Blocks};

/// The most entries that one listing returns.
pub const MAX_ENTRIES: usize = 1_000_000;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name. Never empty; anything else is possible in a directory from outside.
    pub name: String,
    /// The root of what it names.
    pub cid: Cid,
    /// Bytes of all blocks below, as its directory declares; not checked.
    pub dag_bytes: u64,
}

/// Why a directory cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// This is not a directory.
    #[error("{cid} is not a directory; read it as a file instead")]
    NotADirectory {
        /// What it was.
        cid: Box<Cid>,
    },
    /// There are more entries than a listing may have.
    #[error("directory {cid} has more than 1,000,000 entries; ask for them by name")]
    TooManyEntries {
        /// The directory.
        cid: Box<Cid>,
    },
    /// A shard is too deep, of another fanout than its root, or in the directory twice.
    #[error("the sharded directory {cid} is damaged; publish it again")]
    BadShard {
        /// The directory.
        cid: Box<Cid>,
    },
    /// A block could not be had.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block is not UnixFS.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// All entries of a directory: in stored order if it is basic, sorted by name if it is sharded.
///
/// # Errors
///
/// [`ListError`] if this is not a directory, or a part of it is missing, damaged or too large.
pub async fn list(blocks: &Blocks, cid: &Cid) -> Result<Vec<DirEntry>, ListError> {
    let not_a_directory = || ListError::NotADirectory {
        cid: Box::new(*cid),
    };
    if cid.codec() != DAG_PB {
        return Err(not_a_directory());
    }
    match Node::decode(cid, blocks.get(cid).await?)? {
        Node::Directory(links) => Ok(links.into_iter().map(DirEntry::from).collect()),
        Node::Shard(root) => list_shards(blocks, cid, root).await,
        Node::File(_) | Node::Symlink(_) => Err(not_a_directory()),
    }
}

async fn list_shards(
    blocks: &Blocks,
    directory: &Cid,
    root: Shard,
) -> Result<Vec<DirEntry>, ListError> {
    let bad_shard = || ListError::BadShard {
        cid: Box::new(*directory),
    };
    let bits = root.bits;
    let mut entries = Vec::new();
    // A shard stands for one prefix of hashes, so no shard is in a directory twice. Refusing that
    // bounds the walk by the entries, whatever the links say.
    let mut seen = HashSet::from([*directory]);
    let mut waiting = Vec::new();
    let mut next = Some((0, root));
    while let Some((level, shard)) = next {
        for (_, link) in shard.links {
            if link.name.is_empty() {
                waiting.push((level + 1, link.cid));
            } else {
                entries.push(DirEntry::from(link));
            }
        }
        if entries.len() + waiting.len() > MAX_ENTRIES {
            return Err(ListError::TooManyEntries {
                cid: Box::new(*directory),
            });
        }
        next = match waiting.pop() {
            None => None,
            Some((level, cid)) if seen.insert(cid) && (level + 1) * bits <= hamt::HASH_BITS => {
                match Node::decode(&cid, blocks.get(&cid).await?)? {
                    Node::Shard(shard) if shard.bits == bits && !shard.links.is_empty() => {
                        Some((level, shard))
                    }
                    _ => return Err(bad_shard()),
                }
            }
            Some(_) => return Err(bad_shard()),
        };
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

impl From<Link> for DirEntry {
    fn from(link: Link) -> Self {
        Self {
            name: link.name,
            cid: link.cid,
            dag_bytes: link.dag_bytes,
        }
    }
}
