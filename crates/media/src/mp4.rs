//! Fragmented MP4 (ISO/IEC 14496-12) as the encoder writes it, cut into CMAF segments.
//!
//! [`Splitter`] takes a file as it grows and gives back its initialisation segment and its
//! segments; [`InitInfo`] and [`SegmentInfo`] read what playlists need from them;
//! [`number_segment`] makes a segment's bytes independent of the chunk that it was encoded in.
//!
//! One file holds one track, and every movie fragment is one segment. Sound must be written
//! without ffmpeg's `frag_discont`, which gives the first fragment a negative decode time instead
//! of an edit list.
//!
//! Boxes are walked here, one level at a time and without recursion; mp4-atom decodes the boxes
//! that hold no others.

mod boxes;
mod fragment;
mod init;
mod splitter;

pub use fragment::{SegmentInfo, number_segment};
pub use init::{InitInfo, InitMedia};
pub use mp4_atom::FourCC;
pub use splitter::{Part, Splitter};

/// Bytes are not the fragmented MP4 that we expect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mp4Error {
    /// No bytes at all: the encoder found no frame.
    #[error("the encoder wrote nothing: check that the source has frames in this span")]
    Empty,
    /// The file stops within a box or between a fragment and its samples.
    #[error("the MP4 stops in the middle of a box: encode it again")]
    Truncated,
    /// A box is larger than any that we accept.
    #[error("an MP4 box `{kind}` has {bytes} bytes where {limit} are allowed: lower the bit rate")]
    TooLarge {
        /// Type of the box.
        kind: FourCC,
        /// Its size with header.
        bytes: u64,
        /// The largest allowed size.
        limit: u64,
    },
    /// A size field contradicts the bytes around it.
    #[error("the size of an MP4 box is wrong: encode it again")]
    BoxSize,
    /// A box where another one belongs.
    #[error("an MP4 box `{kind}` is where {expected} belongs: write fragmented MP4 of one track")]
    Unexpected {
        /// Type of the box.
        kind: FourCC,
        /// What belongs there.
        expected: &'static str,
    },
    /// A box that must be there is not.
    #[error("the MP4 has no box `{kind}`: write fragmented MP4 of one track")]
    Missing {
        /// Type of the box.
        kind: FourCC,
    },
    /// The inside of a box cannot be read.
    #[error("the MP4 box `{kind}` cannot be read: {source}")]
    Malformed {
        /// Type of the box.
        kind: FourCC,
        /// What the decoder says.
        source: mp4_atom::Error,
    },
    /// Not exactly one track.
    #[error("the MP4 has {0} tracks where one is expected: map one stream into each file")]
    TrackCount(usize),
    /// A codec that renditions never have.
    #[error("the MP4 holds `{0}`: encode to H.264 or AAC")]
    Codec(FourCC),
    /// A time scale of 0.
    #[error("the time scale of the MP4 is 0: encode it again")]
    TimeScale,
    /// A decode time below 0 or beyond the 64-bit time line.
    #[error("a decode time lies outside of the time line: write sound without frag_discont")]
    DecodeTime,
    /// Sample sizes or offsets that do not fit the fragment's data.
    #[error("the samples of a segment do not match its data: encode it again")]
    SampleData,
    /// Sample data addressed from the start of the file, which a segment does not have.
    #[error("a segment addresses its samples from the start of the file: use default_base_moof")]
    AbsoluteOffset,
    /// The splitter met an error before and can give no more parts.
    #[error("the MP4 was broken earlier: start again with a new splitter")]
    AfterError,
}
