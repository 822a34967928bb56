//! One block as a checked UnixFS node.
//!
//! Everything a reader relies on is verified here, once: a file's sizes add up, a directory's
//! links have names, a shard's links carry its prefix. The children themselves are only known to
//! be what the node says once they have been read.

use bytes::Bytes;
use cid::Cid;
use ipld_dagpb::{PbLink, PbNode};

use super::data::{Data, DataError, DataType};
use super::{DAG_PB, RAW, hamt};

/// The largest block that is read: twice what Bitswap carries, so that every block that can travel
/// can be read.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;

/// A block that is not a UnixFS node that can be read.
#[derive(Debug, thiserror::Error)]
#[error("block {cid} is not readable as UnixFS: {fault}; fetch it as a raw block or CAR instead")]
pub struct NodeError {
    /// The block.
    pub cid: Box<Cid>,
    /// What is wrong with it.
    #[source]
    pub fault: NodeFault,
}

/// What is wrong with a block.
#[derive(Debug, thiserror::Error)]
pub enum NodeFault {
    /// The block is larger than any block that IPFS peers exchange.
    #[error("it has {0} bytes, more than a node may have")]
    TooLarge(usize),
    /// The block's codec is neither raw nor dag-pb.
    #[error("its codec is {0:#x}, neither raw nor dag-pb")]
    Codec(u64),
    /// The block is not valid dag-pb.
    #[error("it is not valid dag-pb: {0}")]
    DagPb(ipld_dagpb::Error),
    /// The dag-pb node carries no UnixFS message.
    #[error("it carries no UnixFS data")]
    NoData,
    /// The UnixFS message is not valid.
    #[error("its UnixFS data is not valid: {0}")]
    Data(DataError),
    /// The obsolete metadata type.
    #[error("its type, metadata, is obsolete")]
    Metadata,
    /// A file node does not have one size for each link.
    #[error("it has {links} links and {sizes} sizes")]
    SizesMissing {
        /// How many links the node has.
        links: usize,
        /// How many sizes the node has.
        sizes: usize,
    },
    /// A file node's sizes do not add up to the size that it declares.
    #[error("it declares {declared} bytes and its parts have {actual}")]
    SizesDiffer {
        /// The declared size in bytes.
        declared: u64,
        /// The sum of the parts in bytes.
        actual: u64,
    },
    /// The sum of a file node's sizes does not fit 64 bits.
    #[error("its sizes add up to more than 64 bits hold")]
    SizesOverflow,
    /// A directory link has no name.
    #[error("its link number {0} has no name")]
    UnnamedLink(usize),
    /// A shard's fanout or hash function is not one that exists.
    #[error("its fanout {fanout} with hash function {hash:#x} is not supported")]
    ShardShape {
        /// The declared fanout.
        fanout: u64,
        /// The declared hash function.
        hash: u64,
    },
    /// A shard's link does not begin with its position.
    #[error("its link number {0} does not begin with a position")]
    ShardPrefix(usize),
    /// A symbolic link's target is not UTF-8.
    #[error("its link target is not UTF-8")]
    Target,
}

/// A readable block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File(FileNode),
    Directory(Vec<Link>),
    Shard(Shard),
    Symlink(String),
}

/// Bytes of a file: first `data`, then those of the children in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNode {
    pub(crate) data: Bytes,
    pub(crate) children: Vec<Part>,
    /// All bytes below, checked to be the sum.
    pub(crate) bytes: u64,
}

/// A child of a file node and the bytes that it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) cid: Cid,
    pub(crate) bytes: u64,
}

/// A named link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) cid: Cid,
    pub(crate) dag_bytes: u64,
}

/// One node of a sharded directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    /// log2 of the fanout: bits of the name's hash per level.
    pub(crate) bits: u32,
    /// (position, entry or, if its name is empty, the shard below).
    pub(crate) links: Vec<(usize, Link)>,
}

impl Node {
    /// Decodes and checks the block of `cid`.
    pub(crate) fn decode(cid: &Cid, block: Bytes) -> Result<Self, NodeError> {
        Self::check(cid.codec(), block).map_err(|fault| NodeError {
            cid: Box::new(*cid),
            fault,
        })
    }

    fn check(codec: u64, block: Bytes) -> Result<Self, NodeFault> {
        if block.len() > MAX_BLOCK_BYTES {
            return Err(NodeFault::TooLarge(block.len()));
        }
        match codec {
            RAW => Ok(Self::File(FileNode::leaf(block))),
            DAG_PB => {
                let node = PbNode::from_bytes(block).map_err(NodeFault::DagPb)?;
                let data = node.data.ok_or(NodeFault::NoData)?;
                let data = Data::decode(data).map_err(NodeFault::Data)?;
                Self::from_parts(data, node.links)
            }
            other => Err(NodeFault::Codec(other)),
        }
    }

    fn from_parts(data: Data, links: Vec<PbLink>) -> Result<Self, NodeFault> {
        match data.kind {
            DataType::Raw | DataType::File => FileNode::new(data, &links).map(Self::File),
            DataType::Directory => named(links).map(Self::Directory),
            DataType::HamtShard => Shard::new(&data, links).map(Self::Shard),
            DataType::Symlink => match String::from_utf8(data.data.to_vec()) {
                Ok(target) => Ok(Self::Symlink(target)),
                Err(_) => Err(NodeFault::Target),
            },
            DataType::Metadata => Err(NodeFault::Metadata),
        }
    }
}

impl FileNode {
    fn leaf(data: Bytes) -> Self {
        Self {
            bytes: data.len() as u64,
            data,
            children: Vec::new(),
        }
    }

    fn new(data: Data, links: &[PbLink]) -> Result<Self, NodeFault> {
        if links.len() != data.block_sizes.len() {
            return Err(NodeFault::SizesMissing {
                links: links.len(),
                sizes: data.block_sizes.len(),
            });
        }
        let own = data.data.len() as u64;
        let bytes = (data.block_sizes.iter())
            .try_fold(own, |sum, &size| sum.checked_add(size))
            .ok_or(NodeFault::SizesOverflow)?;
        if let Some(declared) = data.file_size.filter(|&size| size != bytes) {
            return Err(NodeFault::SizesDiffer {
                declared,
                actual: bytes,
            });
        }
        let children = (links.iter().zip(&data.block_sizes))
            .map(|(link, &bytes)| Part {
                cid: link.cid,
                bytes,
            })
            .collect();
        Ok(Self {
            data: data.data,
            children,
            bytes,
        })
    }
}

impl Shard {
    fn new(data: &Data, links: Vec<PbLink>) -> Result<Self, NodeFault> {
        let fanout = data.fanout.unwrap_or_default();
        let hash = data.hash_type.unwrap_or_default();
        // 1024 is the widest shard that Kubo reads.
        let legal = fanout.is_power_of_two() && (8..=1024).contains(&fanout);
        if !legal || hash != hamt::MURMUR3 {
            return Err(NodeFault::ShardShape { fanout, hash });
        }
        let digits = format!("{:X}", fanout - 1).len();
        let placed = named(links)?.into_iter().enumerate().map(|(n, mut link)| {
            let position = (link.name.get(..digits))
                .filter(|prefix| prefix.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|prefix| usize::from_str_radix(prefix, 16).ok())
                .filter(|&position| (position as u64) < fanout)
                .ok_or(NodeFault::ShardPrefix(n))?;
            link.name.drain(..digits);
            Ok((position, link))
        });
        Ok(Self {
            bits: fanout.trailing_zeros(),
            links: placed.collect::<Result<_, _>>()?,
        })
    }
}

fn named(links: Vec<PbLink>) -> Result<Vec<Link>, NodeFault> {
    (links.into_iter().enumerate())
        .map(|(n, link)| match link.name {
            Some(name) if !name.is_empty() => Ok(Link {
                name,
                cid: link.cid,
                dag_bytes: link.size.unwrap_or_default(),
            }),
            _ => Err(NodeFault::UnnamedLink(n)),
        })
        .collect()
}
