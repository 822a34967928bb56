//! Files: chunks become raw leaves, leaves become a balanced tree.

use std::io::{self, Read};
use std::sync::mpsc;

use cid::Cid;
use cidcast_store::{InFlight, PutError, Store};
use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder};

use super::{AddError, Block, FileLink, put};

/// Length of every leaf but the last one.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Children of every full file node.
pub const WIDTH: usize = 1024;
/// Hashed chunks that wait for the disk: enough to ride out a slow write.
const QUEUED_CHUNKS: usize = 8;

/// Builds one file from bytes pushed in any portions.
pub struct FileBuilder {
    adder: FileAdder,
    last: Option<Cid>,
    bytes: u64,
    dag_bytes: u64,
}

impl Default for FileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FileBuilder {
    /// An empty file.
    pub fn new() -> Self {
        Self::with_layout(CHUNK_BYTES, WIDTH)
    }

    fn with_layout(chunk_bytes: usize, width: usize) -> Self {
        let adder = FileAdder::builder()
            .with_chunker(Chunker::Size(chunk_bytes))
            .with_collector(BalancedCollector::with_branching_factor(width))
            .build();
        Self {
            adder,
            last: None,
            bytes: 0,
            dag_bytes: 0,
        }
    }

    /// Appends `bytes` to the file and returns the blocks that this completed. Portions of
    /// [`CHUNK_BYTES`] are copied least.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Block> {
        let mut done = Vec::new();
        while !bytes.is_empty() {
            let (blocks, taken) = self.adder.push(bytes);
            done.extend(blocks.map(block));
            self.bytes += taken as u64;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        self.count(&done);
        done
    }

    /// Ends the file: the remaining blocks, and the link to its root, which is the last block that
    /// was ever returned.
    pub fn finish(mut self) -> (Vec<Block>, FileLink) {
        let adder = std::mem::take(&mut self.adder);
        let rest: Vec<_> = adder.finish().map(block).collect();
        self.count(&rest);
        let link = FileLink {
            // Every file ends in a block: an empty one has an empty leaf.
            cid: self.last.unwrap_or_default(),
            bytes: self.bytes,
            dag_bytes: self.dag_bytes,
        };
        (rest, link)
    }

    fn count(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.last = Some(block.cid);
            self.dag_bytes += block.data.len() as u64;
        }
    }
}

fn block((cid, data): (Cid, Vec<u8>)) -> Block {
    let data = data.into();
    Block { cid, data }
}

/// Adds bytes as a file.
///
/// # Errors
///
/// [`PutError`] if the store does not take a block.
pub fn add_bytes(store: &Store, guard: &InFlight, bytes: &[u8]) -> Result<FileLink, PutError> {
    let mut file = FileBuilder::new();
    put(store, guard, &file.push(bytes))?;
    let (rest, link) = file.finish();
    put(store, guard, &rest)?;
    Ok(link)
}

/// Adds everything that `reader` yields as a file: one thread reads and hashes while another
/// writes. Holds a few chunks in memory.
///
/// # Errors
///
/// [`AddError::Read`] if reading fails, [`AddError::Put`] if the store does not take a block;
/// blocks that were put stay until `guard` is dropped and the store sweeps.
pub fn add_reader(
    store: &Store,
    guard: &InFlight,
    mut reader: impl Read,
) -> Result<FileLink, AddError> {
    let first = read_chunk(&mut reader).map_err(AddError::Read)?;
    if first.len() < CHUNK_BYTES {
        return Ok(add_bytes(store, guard, &first)?);
    }
    let (hashed, to_write) = mpsc::sync_channel::<Vec<Block>>(QUEUED_CHUNKS);
    let write = || {
        // Owned here, so that the hashing side notices when writing ends early.
        let to_write = to_write;
        to_write
            .iter()
            .try_for_each(|blocks| put(store, guard, &blocks))
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(write);
        let built = build(io::Cursor::new(first).chain(reader), |blocks| {
            hashed.send(blocks).is_ok()
        });
        drop(hashed);
        match writer.join() {
            Ok(written) => written?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        built.map_err(AddError::Read)
    })
}

/// What [`add_reader`] would return, without storing anything.
///
/// # Errors
///
/// The reader's error.
pub fn cid_of_reader(reader: impl Read) -> io::Result<FileLink> {
    build(reader, |_| true)
}

/// Builds a file until the reader ends or `take` wants no more.
fn build(mut reader: impl Read, mut take: impl FnMut(Vec<Block>) -> bool) -> io::Result<FileLink> {
    let mut file = FileBuilder::new();
    loop {
        let chunk = read_chunk(&mut reader)?;
        if !take(file.push(&chunk)) || chunk.len() < CHUNK_BYTES {
            break;
        }
    }
    let (rest, link) = file.finish();
    take(rest);
    Ok(link)
}

/// One chunk; a shorter one only at the end.
fn read_chunk(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    reader.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `len` bytes in chunks of 16: 16 MiB of it are as many leaves as 1 TiB has.
    fn small_chunks(len: usize) -> FileLink {
        let mut file = FileBuilder::with_layout(16, WIDTH);
        for start in (0..len).step_by(64 << 10) {
            let byte = |i: usize| i.wrapping_mul(2_654_435_761).to_le_bytes()[3];
            let portion: Vec<_> = (start..len.min(start + (64 << 10))).map(byte).collect();
            file.push(&portion);
        }
        file.finish().1
    }

    /// From `ipfs add --chunker=size-16` of Kubo 0.44.0-dev with the `unixfs-v1-2025` profile.
    #[test]
    fn trees_grow_a_level_where_those_of_kubo_do() {
        for (leaves, more, cid) in [
            (
                1024,
                0,
                "bafybeiaitamu6qwi7giwp2bxgemx6doj4htpo3dhshz65xdyyaaecbrtna",
            ),
            (
                1024,
                1,
                "bafybeiep7ife4okv3tu74lwft5k7ae5xrmcntmefavgvug3g32k7sxcuw4",
            ),
            (
                1 << 20,
                1,
                "bafybeiehviiz45a27xuvxoxv5h2cqqli22ys553wzqecwywqpozemikef4",
            ),
        ] {
            let file = small_chunks(16 * leaves + more);
            assert_eq!(file.cid.to_string(), cid, "{leaves} leaves + {more}");
        }
    }
}
