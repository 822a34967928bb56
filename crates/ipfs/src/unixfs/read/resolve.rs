//! From a root and a path to a node.

use cid::Cid;

use crate::unixfs::node::{Link, Node as Decoded, NodeError, Shard};
use crate::unixfs::{DAG_PB, RAW, hamt};
use crate::{BlockError, Blocks};

/// More names than this in one path are refused.
pub const MAX_PATH_NAMES: usize = 256;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The root of what is there.
    pub cid: Cid,
    /// What it is.
    pub kind: Kind,
}

/// What a CID stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A UnixFS file.
    File {
        /// Its declared length; [`super::stream()`] yields exactly this many bytes or an error.
        bytes: u64,
    },
    /// A UnixFS directory.
    Directory {
        /// Whether it is sharded.
        hamt: bool,
    },
    /// A raw block: a file in one block.
    Raw {
        /// Its length.
        bytes: u64,
    },
    /// A UnixFS symbolic link. Never followed here.
    Symlink {
        /// Its target, as it was stored.
        target: String,
    },
    /// A block of another codec, which is not UnixFS and was not read.
    Other {
        /// Its codec.
        codec: u64,
    },
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A directory on the way has no such entry.
    #[error("there is no entry {name:?} in {directory}; list the directory to see its entries")]
    NotFound {
        /// The name that is missing.
        name: String,
        /// The directory that was searched.
        directory: Box<Cid>,
    },
    /// The path goes on below something that is not a directory.
    #[error("{cid} is not a directory, so {name:?} cannot be below it; shorten the path")]
    NotADirectory {
        /// What is not a directory.
        cid: Box<Cid>,
        /// The name that was looked for below it.
        name: String,
    },
    /// The path has too many names.
    #[error("the path has more than 256 names; start from a CID further down")]
    PathTooLong,
    /// A shard leads deeper than a name's hash.
    #[error("the sharded directory {directory} is damaged; publish it again")]
    ShardTooDeep {
        /// The directory.
        directory: Box<Cid>,
    },
    /// A block on the way could not be had.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block on the way is not UnixFS.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Walks `path` from `root`. Empty names are skipped, so leading and trailing slashes do not
/// matter; percent-encoding is the caller's.
///
/// # Errors
///
/// [`ResolveError::NotFound`] if an entry is missing, the others as they say.
pub async fn resolve(blocks: &Blocks, root: &Cid, path: &str) -> Result<Node, ResolveError> {
    let mut at = *root;
    for (n, name) in path.split('/').filter(|name| !name.is_empty()).enumerate() {
        if n == MAX_PATH_NAMES {
            return Err(ResolveError::PathTooLong);
        }
        at = step(blocks, &at, name).await?;
    }
    let kind = kind(blocks, &at).await?;
    Ok(Node { cid: at, kind })
}

async fn kind(blocks: &Blocks, cid: &Cid) -> Result<Kind, ResolveError> {
    if cid.codec() == RAW {
        let bytes = blocks.size(cid).await?;
        return Ok(Kind::Raw { bytes });
    }
    if cid.codec() != DAG_PB {
        return Ok(Kind::Other { codec: cid.codec() });
    }
    Ok(match Decoded::decode(cid, blocks.get(cid).await?)? {
        Decoded::File(file) => Kind::File { bytes: file.bytes },
        Decoded::Directory(_) => Kind::Directory { hamt: false },
        Decoded::Shard(_) => Kind::Directory { hamt: true },
        Decoded::Symlink(target) => Kind::Symlink { target },
    })
}

/// The entry `name` of the directory `cid`.
async fn step(blocks: &Blocks, cid: &Cid, name: &str) -> Result<Cid, ResolveError> {
    let not_a_directory = || ResolveError::NotADirectory {
        cid: Box::new(*cid),
        name: name.to_owned(),
    };
    if cid.codec() != DAG_PB {
        return Err(not_a_directory());
    }
    let found = match Decoded::decode(cid, blocks.get(cid).await?)? {
        Decoded::Directory(links) => links.into_iter().find(|link| link.name == name),
        Decoded::Shard(root) => look_up(blocks, cid, root, name).await?,
        Decoded::File(_) | Decoded::Symlink(_) => return Err(not_a_directory()),
    };
    match found {
        Some(link) => Ok(link.cid),
        None => Err(ResolveError::NotFound {
            name: name.to_owned(),
            directory: Box::new(*cid),
        }),
    }
}

async fn look_up(
    blocks: &Blocks,
    directory: &Cid,
    root: Shard,
    name: &str,
) -> Result<Option<Link>, ResolveError> {
    let too_deep = || ResolveError::ShardTooDeep {
        directory: Box::new(*directory),
    };
    let (hash, bits) = (hamt::hash(name), root.bits);
    let mut shard = root;
    for level in 0.. {
        let index = hamt::index(hash, level, bits).ok_or_else(too_deep)?;
        let here = (shard.links.into_iter())
            .find(|(position, link)| {
                *position == index && (link.name.is_empty() || link.name == name)
            })
            .map(|(_, link)| link);
        let below = match here {
            Some(link) if link.name.is_empty() => link.cid,
            entry => return Ok(entry),
        };
        shard = match Decoded::decode(&below, blocks.get(&below).await?)? {
            Decoded::Shard(shard) if shard.bits == bits => shard,
            _ => return Err(too_deep()),
        };
    }
    Ok(None)
}
