//! Why a file is refused.

use std::io;
use std::time::Duration;

use cidcast_types::Micros;

/// A file was refused, or could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing in it.
    #[error("the file is empty: upload it again")]
    Empty,
    /// Larger than the limit.
    #[error(
        "the file has {bytes} bytes, more than the limit of {limit}: make it smaller, or raise the limit in the configuration"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Longer than the limit.
    #[error(
        "it plays for {duration} seconds, longer than the limit of {limit}: cut it, or raise the limit in the configuration"
    )]
    TooLong {
        /// Its length.
        duration: Micros,
        /// The limit.
        limit: Micros,
    },
    /// No video or audio container.
    #[error("this is not a video or audio file: upload one, for example MP4, MKV, WebM or MOV")]
    NotMedia,
    /// It starts as a media file, but its end is missing.
    #[error(
        "the file is cut off: a part of it is missing ({what}). Upload it again from the original"
    )]
    Truncated {
        /// What shows it.
        what: String,
    },
    /// A container without pictures or sound.
    #[error("the file holds neither pictures nor sound: upload one that does")]
    NoTracks,
    /// A codec that this ffmpeg cannot decode.
    #[error(
        "the {what} are encoded as {codec}, which cannot be decoded here: convert the file, for example to H.264 and AAC"
    )]
    UnsupportedCodec {
        /// `pictures` or `sound`.
        what: &'static str,
        /// ffprobe's name of the codec.
        codec: String,
    },
    /// Tracks that cannot be decoded or describe themselves impossibly.
    #[error("the {what} in the file are damaged: export it again from the original")]
    Damaged {
        /// `pictures`, `sound` or `time stamps`.
        what: &'static str,
    },
    /// No end found although the file was read whole.
    #[error("the length of the file cannot be told: it is damaged, export it again")]
    NoDuration,
    /// Looking took too long. Can pass.
    #[error("looking into the file took longer than {} s: try again when the machine is less busy", .after.as_secs())]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// ffprobe did not run or did not answer as it should. Can pass.
    #[error("ffprobe did not work: {said}")]
    Tool {
        /// What it said.
        said: String,
        /// The system's reason, if there is one.
        source: Option<io::Error>,
    },
    /// The file could not be read. Can pass.
    #[error("the uploaded file could not be read: check the data directory")]
    Unreadable {
        /// Why.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("the probe was cancelled")]
    Cancelled,
}

impl ProbeError {
    /// A stable name in kebab-case, for the API and for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::TooLong { .. } => "too-long",
            Self::NotMedia => "not-media",
            Self::Truncated { .. } => "truncated",
            Self::NoTracks => "no-tracks",
            Self::UnsupportedCodec { .. } => "unsupported-codec",
            Self::Damaged { .. } => "damaged",
            Self::NoDuration => "no-duration",
            Self::Timeout { .. } => "probe-timeout",
            Self::Tool { .. } => "probe-tool",
            Self::Unreadable { .. } => "source-unreadable",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether trying again would fail again.
    pub fn is_permanent(&self) -> bool {
        !matches!(
            self,
            Self::Timeout { .. } | Self::Tool { .. } | Self::Unreadable { .. } | Self::Cancelled
        )
    }
}
