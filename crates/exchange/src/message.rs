//! Bitswap messages, as values.
//!
//! The wire format is the protobuf of the Bitswap specification ("Wire Format"), each message
//! after its length as an unsigned varint. It is read and written here, not by a protobuf crate,
//! because a generated reader has no bound on the number of entries (two bytes of input can make
//! a hundred in memory) and copies blocks.

mod decode;
mod encode;
mod field;
mod prefix;

use bytes::Bytes;
use cid::Cid;

pub use decode::Malformed;
pub(crate) use encode::{Dialect, frame};
pub(crate) use field::{Length, length};
pub(crate) use prefix::Prefix;

/// The largest frame that is read: 4 MiB, as in Kubo (`boxo: bitswap/network`). Blocks have 2 MiB
/// at most.
pub(crate) const MAX_FRAME: usize = 4 << 20;
/// The most entries, presences or blocks of one message. Kubo ends a message of wants at 512 KiB,
/// which is about 12,000.
const MAX_ITEMS: usize = 16_384;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether `entries` is everything the sender wants, rather than a change to it.
    pub(crate) full: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) presences: Vec<Presence>,
    /// Bytes that the sender has queued for the receiver beyond this message.
    pub(crate) pending_bytes: i32,
}

/// One line of a want list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cid: Cid,
    /// Larger is more urgent.
    pub(crate) priority: i32,
    pub(crate) ask: Ask,
    /// Whether the sender asks to be told if the block is not there.
    pub(crate) send_dont_have: bool,
}

/// What an entry asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ask {
    /// Whether the block is there.
    Have,
    /// The block.
    Block,
    /// Nothing any more.
    Cancel,
}

/// A block on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// All of its CID but the digest.
    pub(crate) prefix: Prefix,
    pub(crate) data: Bytes,
}

/// Whether the sender has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) cid: Cid,
    pub(crate) here: bool,
}

impl Message {
    /// Whether there is nothing in it that anybody could act on.
    pub(crate) fn is_empty(&self) -> bool {
        !self.full && self.entries.is_empty() && self.blocks.is_empty() && self.presences.is_empty()
    }

    /// Bytes of the blocks in it.
    pub(crate) fn block_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.data.len()).sum()
    }
}

#[cfg(test)]
mod tests;
