//! Snapshot segments: the state of a feed as blocks, so that a newcomer skips the past.
//!
//! A segment carries no signature. It is trusted because its CID is in a snapshot operation that
//! the publisher signed: the reader compares hashes before it parses.

use bytes::Bytes;
use cid::Cid;
use serde_bytes::ByteArray;

use crate::chain::Head;
use crate::envelope::{Envelope, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::op::Snapshot;
use crate::public_key::Publisher;
use crate::state::{State, StateEntry, Subject};
use crate::wire::{self, EntryWire, OpWire, SegmentWire};

/// Largest segment. Nothing larger is parsed.
pub const MAX_SEGMENT_BYTES: usize = 1 << 20;
/// What a segment has besides its entries: keys, version, publisher, and the longest list head.
const FRAME_BYTES: usize = 80;

/// A segment as a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentBlock {
    /// CIDv1, DAG-CBOR, SHA2-256.
    pub cid: Cid,
    /// At most 1 MiB.
    pub bytes: Bytes,
}

/// Writes the entries of a state, in order, into as few segments as hold them.
#[derive(Debug)]
pub struct SegmentWriter {
    publisher: Publisher,
    entries: Vec<StateEntry>,
    bytes: usize,
}

impl SegmentWriter {
    /// A writer for the feed of `publisher`.
    pub fn new(publisher: Publisher) -> Self {
        Self {
            publisher,
            entries: Vec::new(),
            bytes: FRAME_BYTES,
        }
    }

    /// Takes the next entry, in the order of [`State::entries`], and gives the segment that was
    /// full before it.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the entry is out of bounds.
    pub fn push(&mut self, entry: &StateEntry) -> Result<Option<SegmentBlock>, SignError> {
        entry.op.check()?;
        let bytes = serde_ipld_dagcbor::to_vec(&wire_of(entry)?).map_err(SignError::Encode)?;
        let full = if self.bytes + bytes.len() > MAX_SEGMENT_BYTES {
            self.finish()?
        } else {
            None
        };
        self.bytes += bytes.len();
        self.entries.push(entry.clone());
        Ok(full)
    }

    /// The last segment, if anything is left to write.
    ///
    /// # Errors
    ///
    /// [`SignError`] if it cannot be encoded.
    pub fn finish(&mut self) -> Result<Option<SegmentBlock>, SignError> {
        self.bytes = FRAME_BYTES;
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(None);
        }
        let entries = entries.iter().map(wire_of).collect::<Checked<_>>()?;
        let segment = SegmentWire {
            v: VERSION,
            publisher: ByteArray::new(*self.publisher.as_bytes()),
            entries,
        };
        let bytes = serde_ipld_dagcbor::to_vec(&segment).map_err(SignError::Encode)?;
        let block = Envelope::of(bytes.into());
        Ok(Some(SegmentBlock {
            cid: block.cid(),
            bytes: block.bytes().clone(),
        }))
    }
}

fn wire_of(entry: &StateEntry) -> Checked<EntryWire> {
    field::expect(
        "op",
        "one that leaves a state",
        Subject::of(&entry.op).is_some(),
    )?;
    let Some(op) = OpWire::of(&entry.op) else {
        return field::refuse("op", field::Problem::Expected("known"));
    };
    Ok(EntryWire {
        seq: entry.seq,
        at: entry.at,
        op,
    })
}

/// A snapshot segment is not what the snapshot links, or not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Not a valid segment.
    #[error("the segment is not valid: {0}")]
    Invalid(#[from] VerifyError),
    /// The bytes have another hash than the snapshot says.
    #[error("these are not the bytes of segment {expected}: fetch them from another peer")]
    OtherBytes {
        /// The segment whose turn it is.
        expected: Cid,
    },
    /// All segments have been read.
    #[error("the snapshot has no further segment")]
    TooMany,
    /// Not all segments have been read.
    #[error("{missing} segments of the snapshot have not been read")]
    Incomplete {
        /// How many.
        missing: usize,
    },
    /// The segment is of another publisher.
    #[error("the segment is of {0}")]
    OtherPublisher(Publisher),
    /// Entries are not in order, or one subject has two.
    #[error("entry {entry} of the segment is out of order")]
    OutOfOrder {
        /// Counted from 0 within the segment.
        entry: usize,
    },
    /// An entry is younger than the snapshot claims to be, or of a kind that leaves no state.
    #[error("entry {entry} of the segment does not belong into this snapshot")]
    OutOfPlace {
        /// Counted from 0 within the segment.
        entry: usize,
    },
}

/// Reads the segments of one snapshot, in order, with the memory of one segment.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    publisher: Publisher,
    head: Head,
    segments: std::vec::IntoIter<Cid>,
    last: Option<Subject>,
}

impl SnapshotReader {
    /// For a snapshot that `publisher` signed: `snapshot` comes from the operations of a verified
    /// announcement.
    pub fn new(publisher: Publisher, snapshot: &Snapshot) -> Self {
        Self {
            publisher,
            head: Head {
                seq: snapshot.seq,
                cid: snapshot.head,
            },
            segments: snapshot.segments.clone().into_iter(),
            last: None,
        }
    }

    /// The segment that [`read`](Self::read) expects; `None` when all have been read.
    pub fn expects(&self) -> Option<Cid> {
        self.segments.as_slice().first().copied()
    }

    /// The entries of the next segment. After an error the same segment is expected still.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] says why it is not what the publisher signed.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<StateEntry>, SegmentError> {
        let expected = self.expects().ok_or(SegmentError::TooMany)?;
        if bytes.len() > MAX_SEGMENT_BYTES {
            return Err(SegmentError::Invalid(VerifyError::TooLarge {
                bytes: bytes.len(),
                limit: MAX_SEGMENT_BYTES,
            }));
        }
        let block = Envelope::of(Bytes::copy_from_slice(bytes));
        if block.cid() != expected {
            return Err(SegmentError::OtherBytes { expected });
        }
        let (publisher, entries) = parse(bytes)?;
        if publisher != self.publisher {
            return Err(SegmentError::OtherPublisher(publisher));
        }
        let last = self.check(&entries)?;
        self.last = last;
        self.segments.next();
        Ok(entries)
    }

    /// The last subject after `entries`, which must go on from the segment before.
    fn check(&self, entries: &[StateEntry]) -> Result<Option<Subject>, SegmentError> {
        let mut last = self.last;
        for (entry, content) in entries.iter().enumerate() {
            let subject = Subject::of(&content.op);
            if subject.is_none() || content.seq > self.head.seq {
                return Err(SegmentError::OutOfPlace { entry });
            }
            if last >= subject {
                return Err(SegmentError::OutOfOrder { entry });
            }
            last = subject;
        }
        Ok(last)
    }

    /// Where the feed goes on, once all segments have been read.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Incomplete`].
    pub fn finish(&self) -> Result<Head, SegmentError> {
        match self.segments.len() {
            0 => Ok(self.head),
            missing => Err(SegmentError::Incomplete { missing }),
        }
    }
}

/// Reads the bytes of a segment that is not known to belong to any snapshot.
pub(crate) fn parse(bytes: &[u8]) -> Result<(Publisher, Vec<StateEntry>), VerifyError> {
    let segment: SegmentWire = wire::read_canonical(bytes)?;
    check_version(segment.v)?;
    let publisher = Publisher::from_bytes(segment.publisher.as_slice())?;
    let mut entries = Vec::new();
    for entry in segment.entries {
        field::integer("seq", entry.seq)?;
        field::integer("at", entry.at.as_millis())?;
        entries.push(StateEntry {
            seq: entry.seq,
            at: entry.at,
            op: entry.op.read()?,
        });
    }
    Ok((publisher, entries))
}

/// A whole snapshot: what a feed in memory begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotState {
    pub(crate) publisher: Publisher,
    pub(crate) head: Head,
    pub(crate) state: State,
}

impl SnapshotState {
    /// Reads all segments of a snapshot at once.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] if one is missing or not what the publisher signed.
    pub fn read<'a>(
        publisher: Publisher,
        snapshot: &Snapshot,
        segments: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, SegmentError> {
        let mut reader = SnapshotReader::new(publisher, snapshot);
        let mut state = State::default();
        for segment in segments {
            for entry in reader.read(segment)? {
                state.insert(entry);
            }
        }
        Ok(Self {
            publisher,
            head: reader.finish()?,
            state,
        })
    }
}
