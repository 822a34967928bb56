//! The bytes of a file, in order, any range of it.
//!
//! Owns: a list of the parts still to come, the first few of which are being read already, so that
//! the disk works while the consumer sends. Ends: after the last byte of the range or the first
//! error. Dropping the stream at any point drops the reads with it.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use cid::Cid;
use futures::{Stream, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use crate::unixfs::node::{FileNode, Node, NodeError};
use crate::{BlockError, Blocks};

/// The deepest file tree that is read. Balanced trees of the largest files have 7 levels.
pub const MAX_DEPTH: u32 = 64;

/// Why a file could not be read to the end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// This is a directory or a symbolic link.
    #[error("{cid} is not a file; list it or resolve a path below it")]
    NotAFile {
        /// What it was.
        cid: Box<Cid>,
    },
    /// The range ends after the file.
    #[error("the range ends at byte {end} of a file of {bytes} bytes; ask for less")]
    OutOfRange {
        /// Where the range ends.
        end: u64,
        /// The file's length.
        bytes: u64,
    },
    /// A part of the file does not have the length that its parent declares.
    #[error("part {cid} of the file has {actual} bytes instead of {declared}; publish it again")]
    WrongSize {
        /// The part.
        cid: Box<Cid>,
        /// What its parent says.
        declared: u64,
        /// What it has.
        actual: u64,
    },
    /// The file's tree is deeper than any honest one.
    #[error("the tree of the file is more than 64 levels deep at {cid}; publish it again")]
    TooDeep {
        /// Where it was given up.
        cid: Box<Cid>,
    },
    /// A block could not be had.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block is not UnixFS.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Why a file could not be read into memory.
#[derive(Debug, thiserror::Error)]
pub enum ReadAllError {
    /// The file is longer than the caller's limit.
    #[error("the file has more than {limit} bytes; read it as a stream")]
    TooLong {
        /// The caller's limit in bytes.
        limit: u64,
    },
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The bytes `range` of a file (all of it: `None`), block by block, without copying.
///
/// The stream ends after the first error. [`ReadError::OutOfRange`] comes before any byte.
pub fn stream(
    blocks: &Blocks,
    cid: &Cid,
    range: Option<Range<u64>>,
) -> impl Stream<Item = Result<Bytes, ReadError>> + Send + 'static {
    let (blocks, root) = (blocks.clone(), *cid);
    async_stream::try_stream! {
        let root = file(&root, blocks.get(&root).await?)?;
        let range = range.unwrap_or(0..root.bytes);
        if range.end > root.bytes {
            Err(ReadError::OutOfRange { end: range.end, bytes: root.bytes })?;
        }
        let mut walk = Walk { blocks, range, parts: VecDeque::new() };
        let mut next = walk.open(root, 0, 0)?;
        loop {
            if !next.is_empty() {
                yield next;
            }
            match walk.step().await? {
                Some(bytes) => next = bytes,
                None => break,
            }
        }
    }
}

/// A whole file of at most `limit` bytes.
///
/// # Errors
///
/// [`ReadAllError::TooLong`] if the file is longer, otherwise as [`stream`].
pub async fn read_all(blocks: &Blocks, cid: &Cid, limit: u64) -> Result<Bytes, ReadAllError> {
    let mut parts = std::pin::pin!(stream(blocks, cid, None));
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part?;
        if (whole.len() + part.len()) as u64 > limit {
            return Err(ReadAllError::TooLong { limit });
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// A subtree that is still to be read.
struct Part {
    cid: Cid,
    /// Its length, as its parent declares.
    bytes: u64,
    /// Where it begins in the file.
    start: u64,
    depth: u32,
    read: Option<AbortOnDropHandle<Result<Bytes, BlockError>>>,
}

struct Walk {
    blocks: Blocks,
    range: Range<u64>,
    parts: VecDeque<Part>,
}

impl Walk {
    /// Reads the next part; returns its own bytes, which may be none, or `None` at the end.
    async fn step(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.read_ahead();
        let Some(mut part) = self.parts.pop_front() else {
            return Ok(None);
        };
        let cid = || Box::new(part.cid);
        if part.depth > MAX_DEPTH {
            return Err(ReadError::TooDeep { cid: cid() });
        }
        let block = match part.read.take() {
            Some(read) => match read.await {
                Ok(block) => block?,
                Err(_) => return Err(BlockError::Stopping { cid: cid() }.into()),
            },
            None => self.blocks.get(&part.cid).await?,
        };
        let node = file(&part.cid, block)?;
        if node.bytes != part.bytes {
            return Err(ReadError::WrongSize {
                cid: cid(),
                declared: part.bytes,
                actual: node.bytes,
            });
        }
        self.open(node, part.start, part.depth).map(Some)
    }

    /// Starts reading the parts that come next.
    fn read_ahead(&mut self) {
        for part in self.parts.iter_mut().take(1 + self.blocks.read_ahead()) {
            let blocks = &self.blocks;
            let cid = part.cid;
            part.read.get_or_insert_with(|| {
                let blocks = blocks.clone();
                AbortOnDropHandle::new(tokio::spawn(async move { blocks.get(&cid).await }))
            });
        }
    }

    /// Queues the children of a node that are in range and returns the node's own bytes that are.
    fn open(&mut self, node: FileNode, start: u64, depth: u32) -> Result<Bytes, ReadError> {
        let own_end = start + node.data.len() as u64;
        let own = self.cut(node.data, start);
        let mut at = own_end;
        let mut wanted = Vec::new();
        for child in node.children {
            let begin = at;
            at += child.bytes;
            // Empty children are skipped too: whatever is opened yields at least one byte.
            if begin < self.range.end && at > self.range.start.max(begin) {
                wanted.push(Part {
                    cid: child.cid,
                    bytes: child.bytes,
                    start: begin,
                    depth: depth + 1,
                    read: None,
                });
            }
        }
        for part in wanted.into_iter().rev() {
            self.parts.push_front(part);
        }
        Ok(own)
    }

    /// The piece of `data`, which begins at `start` in the file, that is in range.
    fn cut(&self, mut data: Bytes, start: u64) -> Bytes {
        let end = self.range.end.saturating_sub(start);
        data.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        let skip = usize::try_from(self.range.start.saturating_sub(start)).unwrap_or(usize::MAX);
        data.split_off(skip.min(data.len()))
    }
}

fn file(cid: &Cid, block: Bytes) -> Result<FileNode, ReadError> {
    match Node::decode(cid, block)? {
        Node::File(file) => Ok(file),
        Node::Directory(_) | Node::Shard(_) | Node::Symlink(_) => Err(ReadError::NotAFile {
            cid: Box::new(*cid),
        }),
    }
}
