//! What a source file holds, as the probe found it.

use cidcast_types::Micros;
use serde::{Deserialize, Serialize};

/// A positive rational number: frame rates (30000/1001) and aspect ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rational {
    /// Numerator, never 0.
    pub num: u32,
    /// Denominator, never 0.
    pub den: u32,
}

/// One source file. Stored with the job as a versioned document, hence the serde derives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMedia {
    /// The demuxer's short name (`mov,mp4,m4a,3gp,3g2,mj2`).
    pub container: String,
    /// Length of the presentation, from `start` to the end of the longest track.
    pub duration: Micros,
    /// Time stamp of the first frame of any track, in microseconds; may be negative.
    pub start: i64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// The picture track that will be encoded, if there is one (cover art is not one).
    pub video: Option<VideoTrack>,
    /// Every audio track, in file order.
    pub audio: Vec<AudioTrack>,
    /// An attached picture (cover art): the index of its stream.
    pub cover: Option<u32>,
}

/// A picture track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoTrack {
    /// Stream index in the file, for `-map 0:N`.
    pub stream: u32,
    /// ffprobe's codec name (`h264`, `hevc`, `vp9`, `mpeg4`).
    pub codec: String,
    /// Displayed width in square pixels, after rotation and sample aspect ratio.
    pub width: u32,
    /// Displayed height in square pixels, after rotation and sample aspect ratio.
    pub height: u32,
    /// Average frames per second.
    pub frame_rate: Rational,
    /// Whether frames come at uneven distances.
    pub variable_frame_rate: bool,
    /// ffprobe's pixel format (`yuv420p10le`).
    pub pixel_format: String,
    /// Average bits per second if the file says so.
    pub bitrate: Option<u64>,
    /// When the first picture that can be decoded is shown, counted from [`SourceMedia::start`].
    #[serde(default)]
    pub start: Micros,
    /// Its length from its first frame if the file says so; the sound may be longer or shorter.
    #[serde(default)]
    pub duration: Option<Micros>,
}

/// An audio track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioTrack {
    /// Stream index in the file, for `-map 0:N`.
    pub stream: u32,
    /// ffprobe's codec name.
    pub codec: String,
    /// Number of channels, at least 1.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// BCP 47 or ISO 639-2 language tag if the file names one.
    pub language: Option<String>,
}
