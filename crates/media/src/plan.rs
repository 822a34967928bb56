//! What will be encoded, and in which units of work.
//!
//! A plan is a pure function of the source and the settings; [`Plan::key`] names everything
//! that can change an output byte, so that finished units can be found again by it.

use cidcast_types::{Micros, RenditionName};
use serde::{Deserialize, Serialize};

use crate::source::{Rational, SourceMedia};

mod audio;
mod bitrates;
mod chunks;
mod key;
mod ladder;
mod settings;

pub use key::{ParsePlanKeyError, PlanKey};
pub use settings::{LadderSettings, SettingsError};

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

impl Plan {
    /// Plans the encoding of `source` with `encoder` (`ffmpeg 5.1.6 x264 164`).
    ///
    /// Nothing is scaled up, every side is even, and the chunks cover the picture track without
    /// a gap. A source without pictures gets no `video` and no `chunks`.
    pub fn new(
        source: &SourceMedia,
        settings: &LadderSettings,
        encoder: &str,
    ) -> Result<Self, PlanError> {
        settings.check()?;
        if source.video.is_none() && source.audio.is_empty() {
            return Err(PlanError::NoTracks);
        }
        let (video, segments, chunks) = match &source.video {
            None => (
                Vec::new(),
                SegmentRule::of_time(settings.segment),
                Vec::new(),
            ),
            Some(track) => {
                let video = ladder::renditions(track, settings)?;
                let segments = chunks::segment_rule(track, settings);
                let spans = chunks::spans(track, source.duration, &segments, settings)?;
                (video, segments, spans)
            }
        };
        Ok(Self {
            version: PLAN_VERSION,
            encoder: encoder.to_owned(),
            video,
            audio: audio::renditions(&source.audio, settings)?,
            segments,
            chunks,
        })
    }

    /// The name of everything in this plan that can change an output byte.
    pub fn key(&self) -> PlanKey {
        PlanKey::of(&self.to_json())
    }

    /// Canonical JSON: fields in declaration order, no white space.
    pub fn to_json(&self) -> String {
        // A plan holds integers, strings and sequences: nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Plan::to_json`] wrote.
    pub fn from_json(json: &str) -> Result<Self, PlanJsonError> {
        let plan: Self = serde_json::from_str(json).map_err(PlanJsonError::Malformed)?;
        if plan.version == PLAN_VERSION {
            Ok(plan)
        } else {
            Err(PlanJsonError::Version {
                found: plan.version,
                known: PLAN_VERSION,
            })
        }
    }
}

/// A source cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Nothing to encode.
    #[error("the file has neither pictures nor sound: upload a video or an audio file")]
    NoTracks,
    /// Less than two pixels in one direction, so that no even size fits into it.
    #[error("the picture is {width}x{height} pixels: upload one of at least 2x2")]
    PictureTooSmall {
        /// Displayed width of the source.
        width: u32,
        /// Displayed height of the source.
        height: u32,
    },
    /// A strip: fitted into the largest allowed side, the other side would vanish.
    #[error("the picture is {width}x{height} pixels, too narrow to be scaled: crop it first")]
    PictureTooNarrow {
        /// Displayed width of the source.
        width: u32,
        /// Displayed height of the source.
        height: u32,
    },
    /// The frame rate has a zero in it.
    #[error("the frame rate {num}/{den} is not a rate: remux the file so that its rate is right")]
    FrameRate {
        /// Numerator.
        num: u32,
        /// Denominator.
        den: u32,
    },
    /// An audio track without channels or samples.
    #[error("audio track {stream} has no channels or no sample rate: remux the file without it")]
    EmptyAudio {
        /// Stream index in the source.
        stream: u32,
    },
    /// More segments than a package may have.
    #[error(
        "the file is longer than {max_segments} segments: cut it into parts or use longer segments"
    )]
    TooLong {
        /// How many segments a rendition may have.
        max_segments: u32,
    },
    /// The settings contradict themselves.
    #[error("the ladder settings cannot be used: {0}")]
    Settings(#[from] SettingsError),
}

/// A stored plan cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanJsonError {
    /// Not JSON, or not a plan.
    #[error("the stored plan cannot be read, plan the asset again: {0}")]
    Malformed(#[source] serde_json::Error),
    /// Made by another version of this program.
    #[error("the stored plan is of version {found}, this program writes {known}: plan again")]
    Version {
        /// What the document says.
        found: u32,
        /// [`PLAN_VERSION`].
        known: u32,
    },
}

/// How segments are cut. Where the frame rate is constant: every `frames` frames, counted from
/// the first frame of the track. Where it is not: at the first frame at or after every multiple
/// of `duration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRule {
    /// Distance of segment boundaries on the source's time line: a whole number of frames where
    /// the frame rate is constant (4.004 s at 30000/1001), 4 s where it is not.
    pub duration: Micros,
    /// Frames per segment where the frame rate is constant.
    pub frames: Option<u32>,
}

impl SegmentRule {
    /// Cuts by time alone.
    fn of_time(duration: Micros) -> Self {
        Self {
            duration,
            frames: None,
        }
    }

    /// The longest segment to be expected. Where frames come at uneven distances, the first frame
    /// behind a boundary may come late: that is allowed a second.
    pub fn longest(&self) -> Micros {
        match self.frames {
            Some(_) => self.duration,
            None => Micros(self.duration.0.saturating_add(1_000_000)),
        }
    }
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
/// boundaries; where the frame rate is constant, cut points lie half a frame before the boundary
/// frame, so that rounding of time stamps can never move a frame into the neighbouring chunk.
/// Times are on a time line where [`SourceMedia::start`] is 0.
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
