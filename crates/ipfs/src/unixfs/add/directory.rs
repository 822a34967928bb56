//! Directories: one block while it is small enough, a HAMT beyond.

use std::collections::BTreeMap;

use ipld_dagpb::{PbLink, PbNode};

use super::{Block, Target};
use crate::unixfs::data::{self, varint_len};
use crate::unixfs::{DAG_PB, hamt};

/// A directory whose one block would be larger than this is sharded (Kubo's
/// `UnixFSHAMTDirectorySizeThreshold` with block estimation, which is exact).
const BASIC_MAX_BYTES: u64 = 256 << 10;

/// Why a set of entries cannot be a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Two names have the same hash, so that no shard can tell them apart.
    #[error("the names {first:?} and {second:?} cannot be in one sharded directory")]
    HashCollision {
        /// One of the two.
        first: String,
        /// The other.
        second: String,
    },
}

/// Appends the blocks of a directory to `out`, its root last.
pub(super) fn build(
    entries: BTreeMap<String, Target>,
    out: &mut Vec<Block>,
) -> Result<Target, DirectoryError> {
    let links: Vec<_> = entries.into_iter().map(link).collect();
    let data_len = data::directory().len() as u64;
    let size = (links.iter()).fold(1 + varint_len(data_len) + data_len, |sum, link| {
        sum + link_len(link)
    });
    if size <= BASIC_MAX_BYTES {
        return Ok(node(data::directory(), links, out));
    }
    let entries: Vec<_> = (links.into_iter())
        .map(|link| (hamt::hash(link.name.as_deref().unwrap_or_default()), link))
        .collect();
    shard(entries, 0, out)
}

fn link((name, target): (String, Target)) -> PbLink {
    PbLink {
        cid: target.cid,
        name: Some(name),
        size: Some(target.dag_bytes),
    }
}

/// Encoded length of a link in its node.
fn link_len(link: &PbLink) -> u64 {
    let cid = link.cid.encoded_len() as u64;
    let name = link.name.as_ref().map_or(0, String::len) as u64;
    let tsize = varint_len(link.size.unwrap_or_default());
    let inner = 1 + varint_len(cid) + cid + 1 + varint_len(name) + name + 1 + tsize;
    1 + varint_len(inner) + inner
}

/// Encodes a node, appends its block and returns the target of links to it.
fn node(data: bytes::Bytes, links: Vec<PbLink>, out: &mut Vec<Block>) -> Target {
    let below: u64 = links.iter().filter_map(|link| link.size).sum();
    let node = PbNode {
        links,
        data: Some(data),
    };
    let block = Block::new(DAG_PB, node.into_bytes().into());
    let target = Target {
        cid: block.cid,
        dag_bytes: below + block.data.len() as u64,
    };
    out.push(block);
    target
}

/// Builds the shard of all entries whose hashes agree above `level`; at most eight levels deep.
fn shard(
    entries: Vec<(u64, PbLink)>,
    level: u32,
    out: &mut Vec<Block>,
) -> Result<Target, DirectoryError> {
    let mut children: BTreeMap<usize, Vec<(u64, PbLink)>> = BTreeMap::new();
    let mut alike = Vec::new();
    for (hash, link) in entries {
        match hamt::index(hash, level, hamt::FANOUT.trailing_zeros()) {
            Some(index) => children.entry(index).or_default().push((hash, link)),
            None => alike.push(link.name.unwrap_or_default()),
        }
    }
    if let [first, second, ..] = alike.as_slice() {
        return Err(DirectoryError::HashCollision {
            first: first.clone(),
            second: second.clone(),
        });
    }
    let mut bitfield = [0u8; (hamt::FANOUT / 8) as usize];
    let mut links = Vec::with_capacity(children.len());
    for (index, mut entries) in children {
        // Big-endian: child 0 is the lowest bit of the last byte.
        if let Some(byte) = bitfield.iter_mut().rev().nth(index / 8) {
            *byte |= 1 << (index % 8);
        }
        let position = format!("{index:02X}");
        links.push(match (entries.pop(), entries.is_empty()) {
            (Some((_, mut only)), true) => {
                only.name = only.name.map(|name| position + &name);
                only
            }
            (last, _) => {
                entries.extend(last);
                link((position, shard(entries, level + 1, out)?))
            }
        });
    }
    let first = bitfield.iter().position(|&byte| byte != 0);
    let set = bitfield.get(first.unwrap_or(bitfield.len())..);
    let data = data::hamt_shard(set.unwrap_or_default(), hamt::MURMUR3, hamt::FANOUT);
    Ok(node(data, links, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, hash: u64) -> (u64, PbLink) {
        let target = Target {
            cid: Block::new(DAG_PB, bytes::Bytes::new()).cid,
            dag_bytes: 1,
        };
        (hash, link((name.to_owned(), target)))
    }

    #[test]
    fn names_with_one_hash_are_refused() {
        let entries = vec![entry("a", 7), entry("b", 8), entry("c", 7)];
        let error = shard(entries, 0, &mut Vec::new()).unwrap_err();
        let (first, second) = ("a".to_owned(), "c".to_owned());
        assert_eq!(error, DirectoryError::HashCollision { first, second });
    }

    #[test]
    fn names_that_differ_in_the_last_byte_of_the_hash_have_a_shard_each_level() {
        let mut blocks = Vec::new();
        let entries = vec![entry("a", 7), entry("b", 8)];
        let root = shard(entries, 0, &mut blocks).unwrap();
        assert_eq!(blocks.len(), 8);
        let all: usize = blocks.iter().map(|block| block.data.len()).sum();
        assert_eq!(root.dag_bytes, all as u64 + 2);
    }
}
