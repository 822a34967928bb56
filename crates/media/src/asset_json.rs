//! `asset.json`: what is inside a package, for programs.
//!
//! It holds technical facts only, no id, title or time, so that the same source, plan and
//! encoder give the same package, whoever encodes it and when.

use cidcast_types::{Cid, Micros, RenditionName};
use serde::{Deserialize, Serialize};

use crate::layout::{self, Branch};
use crate::package::{Bandwidth, Presentation, Track, TrackKind};
use crate::plan::{Plan, PlanKey};
use crate::source::Rational;

/// Raised whenever a reader of an older version would misread the document.
pub const VERSION: u32 = 1;

/// Largest document that is read.
const MAX_BYTES: usize = 1 << 20;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetDocument {
    /// [`VERSION`]
    pub version: u32,
    /// The uploaded file.
    pub source: SourceDocument,
    /// Length of the presentation in microseconds.
    pub duration_us: Micros,
    /// Names everything that the bytes depend on besides the source.
    pub plan: PlanKey,
    /// Which encoder wrote the bytes.
    pub encoder: String,
    /// Pictures best first, then sound with the default first.
    pub tracks: Vec<TrackDocument>,
}

/// The uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDocument {
    /// Of the file as UnixFS.
    #[serde(with = "cid_text")]
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
}

/// One rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackDocument {
    /// Folder of the rendition, relative to the root.
    pub path: String,
    /// Name of the rendition.
    pub name: RenditionName,
    /// RFC 6381.
    pub codec: String,
    /// Largest bit rate over about one segment, in bits per second.
    pub bandwidth: u64,
    /// Bits per second over the whole length.
    pub average_bandwidth: u64,
    /// Size of all segments, without the initialisation segment.
    pub bytes: u64,
    /// Number of segments.
    pub segments: u64,
    /// Ticks per second of `duration`.
    pub timescale: u32,
    /// Sum of the segments' durations in ticks.
    pub duration: u64,
    /// Facts about pictures or about sound.
    #[serde(flatten)]
    pub kind: KindDocument,
}

/// Facts that only one kind of track has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum KindDocument {
    /// Pictures.
    Video {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Frames per second.
        frame_rate: Rational,
    },
    /// Sound.
    Audio {
        /// Number of channels.
        channels: u32,
        /// Samples per second.
        sample_rate: u32,
        /// Language tag.
        language: Option<String>,
    },
}

impl AssetDocument {
    /// Describes a complete presentation.
    pub fn of(presentation: &Presentation, plan: &Plan, source: SourceDocument) -> Self {
        Self {
            version: VERSION,
            source,
            duration_us: presentation.duration(),
            plan: plan.key(),
            encoder: plan.encoder.clone(),
            tracks: presentation.tracks.iter().map(TrackDocument::of).collect(),
        }
    }
}

impl TrackDocument {
    fn of(track: &Track) -> Self {
        let Bandwidth { peak, average } = Bandwidth::of(track);
        let kind = match &track.kind {
            TrackKind::Video(rendition) => KindDocument::Video {
                width: rendition.width,
                height: rendition.height,
                frame_rate: rendition.frame_rate,
            },
            TrackKind::Audio(rendition) => KindDocument::Audio {
                channels: rendition.channels,
                sample_rate: rendition.sample_rate,
                language: rendition.language.clone(),
            },
        };
        Self {
            path: layout::rendition(Branch::from(&track.kind), track.name()),
            name: track.name().clone(),
            codec: track.init.codec.clone(),
            bandwidth: peak,
            average_bandwidth: average,
            bytes: track.segments.iter().map(|segment| segment.bytes).sum(),
            segments: track.segments.len() as u64,
            timescale: track.init.timescale,
            duration: track.ticks(),
            kind,
        }
    }
}

/// Text is not an `asset.json`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetJsonError {
    /// Too large to be one of ours.
    #[error("asset.json has {bytes} bytes, more than the {limit} that are read")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// Not JSON, or of another shape.
    #[error("asset.json cannot be read: {0}")]
    Malformed(#[source] serde_json::Error),
    /// Written by a newer program.
    #[error("asset.json is of version {found}, this program reads {known}: update cidcast")]
    Version {
        /// What the document says.
        found: u32,
        /// [`VERSION`]
        known: u32,
    },
}

/// Writes the document, indented, with a line break at the end.
pub fn write(document: &AssetDocument) -> String {
    // The document holds integers, strings and sequences: nothing that JSON cannot say.
    let mut json = serde_json::to_string_pretty(document).unwrap_or_default();
    json.push('\n');
    json
}

/// Reads the document.
pub fn parse(json: &str) -> Result<AssetDocument, AssetJsonError> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        version: u32,
    }
    if json.len() > MAX_BYTES {
        return Err(AssetJsonError::TooLong {
            bytes: json.len(),
            limit: MAX_BYTES,
        });
    }
    let OnlyVersion { version } = serde_json::from_str(json).map_err(AssetJsonError::Malformed)?;
    if version != VERSION {
        return Err(AssetJsonError::Version {
            found: version,
            known: VERSION,
        });
    }
    serde_json::from_str(json).map_err(AssetJsonError::Malformed)
}

/// CIDs as text: their own serde form is meant for binary formats.
mod cid_text {
    use cidcast_types::Cid;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(cid: &Cid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
