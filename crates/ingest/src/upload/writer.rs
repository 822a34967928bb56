//! Writes an arriving body to a file on a thread that may block, hashing as it goes.
//!
//! Owns: the open file. Ends: when the body ends, breaks off, or cannot be written. What was
//! written before a break stays in the file and counts, unless the sender asked for a checksum of
//! the part: then a part that did not arrive whole never counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::Bytes;
use cidcast_ipfs::unixfs::add::{FileBuilder, FileLink};
use tokio::sync::mpsc;

use super::checksum::{Checksum, Running};

/// A body arrives in pieces; only `End` says that it is whole.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next bytes.
    Data(Bytes),
    /// The sender finished cleanly.
    End,
}

/// How many pieces may wait for the disk. A piece is what the HTTP server read at once (at most
/// 1 MiB), so this bounds memory per upload.
pub(super) const PIECES_IN_FLIGHT: usize = 16;

/// Written bytes between two checkpoints: what a kill can cost a single-request upload.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// The UnixFS identity of the bytes so far: the source CID grows with the file.
pub(crate) struct SourceHasher {
    builder: FileBuilder,
    bytes: u64,
}

impl SourceHasher {
    pub(crate) fn new() -> Self {
        Self {
            builder: FileBuilder::new(),
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn push(&mut self, data: &[u8]) {
        // Only the CIDs matter here: the blocks of a source are not stored.
        drop(self.builder.push(data));
        self.bytes += data.len() as u64;
    }

    /// The link of the whole file.
    pub(super) fn finish(self) -> FileLink {
        self.builder.finish().1
    }
}

/// One stretch of a file to be received.
pub(super) struct Stretch<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    /// The file never grows beyond this.
    pub(super) limit: u64,
    pub(super) checksum: Option<Checksum>,
    /// State that stands at `offset`, if the process still has it.
    pub(super) hasher: Option<SourceHasher>,
}

/// How receiving a stretch ended. The file is cut to `offset` and synced.
pub(super) struct Received {
    pub(super) offset: u64,
    pub(super) hasher: Option<SourceHasher>,
    pub(super) ending: Ending,
}

/// Why no more bytes came.
#[derive(Debug)]
pub(super) enum Ending {
    /// The body was whole (and its checksum right).
    Whole,
    /// The sender went away.
    BrokenOff,
    /// More bytes came than the limit allows.
    OverLimit,
    /// The part's checksum differs.
    WrongChecksum,
    /// The file could not be written.
    Failed(io::Error),
}

/// Receives one stretch. `checkpoint` is told the durable size from time to time.
pub(super) fn receive(
    mut stretch: Stretch<'_>,
    mut body: mpsc::Receiver<Piece>,
    checkpoint: impl FnMut(u64),
) -> io::Result<Received> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(stretch.path)?;
    file.set_len(stretch.offset)?;
    file.seek(SeekFrom::Start(stretch.offset))?;
    let mut writing = Writing {
        offset: stretch.offset,
        hasher: stretch
            .hasher
            .take()
            .filter(|hasher| hasher.bytes() == stretch.offset),
        running: stretch.checksum.as_ref().map(Running::start),
    };
    let ending = writing.copy(&mut file, &mut body, &stretch, checkpoint);
    if stretch.checksum.is_some() && !matches!(ending, Ending::Whole) {
        writing.offset = stretch.offset;
        writing.hasher = None;
    }
    file.set_len(writing.offset)?;
    file.sync_all()?;
    Ok(Received {
        offset: writing.offset,
        hasher: writing.hasher,
        ending,
    })
}

struct Writing {
    offset: u64,
    hasher: Option<SourceHasher>,
    running: Option<Running>,
}

impl Writing {
    fn copy(
        &mut self,
        file: &mut File,
        body: &mut mpsc::Receiver<Piece>,
        stretch: &Stretch<'_>,
        mut checkpoint: impl FnMut(u64),
    ) -> Ending {
        let mut durable = self.offset;
        loop {
            let data = match body.blocking_recv() {
                Some(Piece::Data(data)) => data,
                Some(Piece::End) => return self.judge(stretch.checksum.as_ref()),
                None => return Ending::BrokenOff,
            };
            if data.len() as u64 > stretch.limit.saturating_sub(self.offset) {
                return Ending::OverLimit;
            }
            if let Err(error) = self.write(file, &data) {
                return Ending::Failed(error);
            }
            if stretch.checksum.is_none() && self.offset - durable >= CHECKPOINT_BYTES {
                if let Err(error) = file.sync_data() {
                    return Ending::Failed(error);
                }
                durable = self.offset;
                checkpoint(durable);
            }
        }
    }

    fn write(&mut self, file: &mut File, data: &[u8]) -> io::Result<()> {
        file.write_all(data)?;
        self.offset += data.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.push(data);
        }
        if let Some(running) = &mut self.running {
            running.update(data);
        }
        Ok(())
    }

    fn judge(&mut self, wanted: Option<&Checksum>) -> Ending {
        let right = match (self.running.take(), wanted) {
            (Some(running), Some(wanted)) => running.matches(wanted),
            _ => true,
        };
        if right {
            Ending::Whole
        } else {
            Ending::WrongChecksum
        }
    }
}
