//! Cutting a growing file into its initialisation segment and its segments.

use bytes::{Buf, Bytes, BytesMut};
use mp4_atom::{DecodeMaybe, FourCC, Header};

use super::Mp4Error;

/// A `ftyp` or `moov` with one track has a few kilobytes.
const INIT_LIMIT: u64 = 1 << 20;
/// A `moof` needs up to 16 bytes per sample; 10 s at 1,000 frames per second take 160 kB.
const MOOF_LIMIT: u64 = 1 << 20;
/// 10 s at 100 Mbit/s.
const MDAT_LIMIT: u64 = 128 << 20;

const FTYP: FourCC = FourCC::new(b"ftyp");
const MOOV: FourCC = FourCC::new(b"moov");
const MOOF: FourCC = FourCC::new(b"moof");
const MDAT: FourCC = FourCC::new(b"mdat");

/// A piece of a fragmented MP4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `ftyp` and `moov`: the initialisation segment. Comes first and once.
    Init(Bytes),
    /// One `moof` and its `mdat`, as written; see [`super::number_segment`].
    Segment(Bytes),
}

/// Cuts a fragmented MP4 into parts while it is being written.
///
/// Holds one part at a time: memory is bounded by the largest box that is accepted. Boxes between
/// parts (`sidx`, `styp`, `mfra`, `free`) are dropped without being held.
#[derive(Debug)]
pub struct Splitter {
    buffer: BytesMut,
    /// Bytes at the front of the buffer that belong to the part and are complete.
    held: usize,
    /// Bytes still to come of a box that nobody wants.
    skip: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Ftyp,
    Moov,
    Moof,
    Mdat,
    Failed,
}

/// What to do with the box at the front.
enum Step {
    /// Less than a box is there.
    Wait,
    /// Forget this many bytes.
    Skip(u64),
    /// It belongs to the part; this many bytes of it.
    Take(usize),
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Splitter {
    /// Waits for the first byte.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            held: 0,
            skip: 0,
            state: State::Empty,
        }
    }

    /// Takes the next bytes of the file and returns the parts that are now complete. After an
    /// error every further call fails.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Part>, Mp4Error> {
        let parts = self.advance(bytes);
        if parts.is_err() {
            self.state = State::Failed;
            self.buffer = BytesMut::new();
        }
        parts
    }

    /// Says that the file ends here: an error if that is in the middle of something.
    pub fn finish(self) -> Result<Vec<Part>, Mp4Error> {
        match self.state {
            State::Failed => Err(Mp4Error::AfterError),
            State::Empty if self.buffer.is_empty() => Err(Mp4Error::Empty),
            State::Moof if self.buffer.is_empty() && self.skip == 0 => Ok(Vec::new()),
            _ => Err(Mp4Error::Truncated),
        }
    }

    /// How many bytes wait for the rest of their part.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<Vec<Part>, Mp4Error> {
        if self.state == State::Failed {
            return Err(Mp4Error::AfterError);
        }
        if self.state == State::Empty && !bytes.is_empty() {
            self.state = State::Ftyp;
        }
        let bytes = self.skip_over(bytes);
        self.buffer.extend_from_slice(bytes);
        let mut parts = Vec::new();
        loop {
            match self.step()? {
                Step::Wait => return Ok(parts),
                Step::Skip(size) => self.drop_box(size),
                Step::Take(size) => {
                    self.held += size;
                    parts.extend(self.complete());
                }
            }
        }
    }

    /// What remains of `bytes` after the box that is being dropped.
    fn skip_over<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let now = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.skip -= now as u64;
        bytes.get(now..).unwrap_or_default()
    }

    fn drop_box(&mut self, size: u64) {
        let now = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        self.buffer.advance(now);
        self.skip = size - now as u64;
    }

    fn step(&self) -> Result<Step, Mp4Error> {
        let mut rest = self.buffer.get(self.held..).unwrap_or_default();
        let available = rest.len();
        let Some(header) = Header::decode_maybe(&mut rest).map_err(|_| Mp4Error::BoxSize)? else {
            return Ok(Step::Wait);
        };
        // A box "to the end of the file" has no size, and a growing file has no end.
        let size = header.size.ok_or(Mp4Error::BoxSize)? as u64;
        let size = size
            .checked_add((available - rest.len()) as u64)
            .ok_or(Mp4Error::BoxSize)?;
        let (wanted, limit, expected) = match self.state {
            State::Empty | State::Ftyp => (FTYP, INIT_LIMIT, "ftyp"),
            State::Moov => (MOOV, INIT_LIMIT, "moov"),
            State::Moof => (MOOF, MOOF_LIMIT, "moof"),
            State::Mdat => (MDAT, MDAT_LIMIT, "mdat"),
            State::Failed => return Err(Mp4Error::AfterError),
        };
        let kind = header.kind;
        if kind != wanted {
            let droppable = self.state == State::Moof && ![FTYP, MOOV, MDAT].contains(&kind);
            return if droppable {
                Ok(Step::Skip(size))
            } else {
                Err(Mp4Error::Unexpected { kind, expected })
            };
        }
        if size > limit {
            return Err(Mp4Error::TooLarge {
                kind,
                bytes: size,
                limit,
            });
        }
        match usize::try_from(size) {
            Ok(size) if size <= available => Ok(Step::Take(size)),
            _ => Ok(Step::Wait),
        }
    }

    /// Moves on after a wanted box, and gives out the part if that was its last.
    fn complete(&mut self) -> Option<Part> {
        match self.state {
            State::Ftyp => self.state = State::Moov,
            State::Moof => self.state = State::Mdat,
            State::Moov => {
                self.state = State::Moof;
                return Some(Part::Init(self.take_held()));
            }
            State::Mdat => {
                self.state = State::Moof;
                return Some(Part::Segment(self.take_held()));
            }
            State::Empty | State::Failed => {}
        }
        None
    }

    fn take_held(&mut self) -> Bytes {
        let part = self.buffer.split_to(self.held);
        self.held = 0;
        part.freeze()
    }
}
