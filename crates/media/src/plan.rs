//! What will be encoded, and in which units of work.
//!
//! A plan is a pure function of the source and the settings; [`Plan::key`] names everything
//! that can change an output byte, so that finished units can be found again by it.

use cidcast_types::{Micros, RenditionName};
use serde::{Deserialize, Serialize};

use crate::source::Rational;

/// Raised whenever the same plan would give other bytes than before.
pub const PLAN_VERSION: u32 = 1;

/// Everything that will be encoded for one asset. Stored with the job as a versioned document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`] at the time the plan was made.
    pub version: u32,
    /// Which encoder writes the bytes (`ffmpeg 5.1.6 / x264 164`): part of the key.
    pub encoder: String,
    /// Picture renditions, best first. Empty for an audio-only asset.
    pub video: Vec<VideoRendition>,
    /// Sound renditions. Empty for a silent asset.
    pub audio: Vec<AudioRendition>,
    /// How segments are cut.
    pub segments: SegmentRule,
    /// Units of picture work, in order, without gaps. Empty for an audio-only asset.
    pub chunks: Vec<ChunkSpan>,
}

/// How segments are cut: at the first frame at or after every multiple of `duration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRule {
    /// Distance of segment boundaries on the source's time line: a whole number of frames where
    /// the frame rate is constant (4.004 s at 30000/1001), 4 s where it is not.
    pub duration: Micros,
    /// Frames per segment where the frame rate is constant.
    pub frames: Option<u32>,
}

/// One picture rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRendition {
    /// Folder name, by the shorter side: `720p`.
    pub name: RenditionName,
    /// How it is encoded.
    pub codec: VideoCodec,
    /// Even, in pixels.
    pub width: u32,
    /// Even, in pixels.
    pub height: u32,
    /// Constant-quality target.
    pub crf: u32,
    /// Ceiling in bits per second (`-maxrate`).
    pub max_bitrate: u64,
    /// Rate-control buffer in bits (`-bufsize`).
    pub buffer_size: u64,
    /// x264 preset (`veryfast`).
    pub preset: String,
    /// Frames per second as written into the playlist.
    pub frame_rate: Rational,
}

/// Picture codecs that renditions may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VideoCodec {
    /// H.264 High, 8 bit 4:2:0.
    H264,
}

/// One sound rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioRendition {
    /// Folder name: `audio`, or `audio-<n>` for further tracks.
    pub name: RenditionName,
    /// How it is encoded.
    pub codec: AudioCodec,
    /// Stream index in the source.
    pub stream: u32,
    /// 1 or 2.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// Bits per second.
    pub bitrate: u64,
    /// Language tag if the source names one.
    pub language: Option<String>,
}

/// Sound codecs that renditions may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
}

/// A span of the source that is transcoded as one unit of work. It starts and ends on segment
/// boundaries; cut points lie half a frame before the boundary frame, so that rounding of time
/// stamps can never move a frame into the neighbouring chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSpan {
    /// Position in [`Plan::chunks`].
    pub index: u32,
    /// Number of the chunk's first segment.
    pub first_segment: u32,
    /// How many segments the plan expects (the written frames decide in the end).
    pub segments: u32,
    /// Frames with a time stamp at or after this belong to the chunk.
    pub start: Micros,
    /// Frames before this belong to the chunk; `None` for the last one: up to the end.
    pub end: Option<Micros>,
    /// Encoder threads per rendition: part of the key, because it changes bytes.
    pub threads: u32,
}
