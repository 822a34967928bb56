//! Why a step stopped, and how that is told to a person.

use std::io;

use cidcast_catalog::{CatalogError, ChangeError, Failure, Permanence};
use cidcast_ipfs::unixfs::add::{AddError, InsertError};
use cidcast_ipfs::unixfs::read::ListError;
use cidcast_media::mp4::Mp4Error;
use cidcast_media::plan::PlanError;
use cidcast_store::{DatabaseError, PinError, PutError, SyncError};
use cidcast_transcode::{EncodeError, ProbeError};
use cidcast_types::RenditionName;

use crate::files::is_no_space;

/// A step did not reach its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Someone asked the job to stop. Not a failure.
    #[error("the job was stopped")]
    Cancelled,
    #[error("the uploaded file is gone from the data directory: upload it again")]
    SourceGone,
    #[error("less than {needed} bytes are free: make room, and the job goes on by itself")]
    NoSpace { needed: u64 },
    #[error(transparent)]
    Probe(ProbeError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Encode(EncodeError),
    #[error("the encoder wrote something that is not a fragmented MP4 file: {0}")]
    Mp4(#[from] Mp4Error),
    #[error("the encoder wrote no segments for {rendition}: the source may hold no frames")]
    NoSegments { rendition: RenditionName },
    #[error("the encoder wrote {got} segments of {rendition} where {wanted} were planned")]
    TooManySegments {
        rendition: RenditionName,
        wanted: u32,
        got: u32,
    },
    #[error("the chunks of {rendition} do not share one initialisation segment")]
    InitsDiffer { rendition: RenditionName },
    #[error("segment {index} of {rendition} has no file in its unit")]
    SegmentLost {
        rendition: RenditionName,
        index: u32,
    },
    #[error("the finished package does not read back: {0}")]
    Package(#[from] cidcast_media::check::PackageError),
    #[error("a block could not be stored: {0}")]
    Put(#[from] PutError),
    #[error("a directory could not be stored: {0}")]
    Add(#[from] AddError),
    #[error("a file has no place in the package: {0}")]
    Insert(#[from] InsertError),
    #[error("a unit's directory could not be read: {0}")]
    List(#[from] ListError),
    #[error("a unit's block could not be read: {0}")]
    Block(#[from] cidcast_store::GetError),
    #[error("the store could not be synced: {0}")]
    Sync(#[from] SyncError),
    #[error("the blocks could not be pinned: {0}")]
    Pin(#[from] PinError),
    #[error("the pins could not be changed: {0}")]
    Pins(#[from] DatabaseError),
    #[error("the job could not be recorded: {0}")]
    Catalog(#[from] CatalogError),
    #[error("a file could not be read or written: {0}")]
    File(#[from] io::Error),
}

impl From<ProbeError> for StepError {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Cancelled => Self::Cancelled,
            error => Self::Probe(error),
        }
    }
}

impl From<EncodeError> for StepError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Cancelled => Self::Cancelled,
            error => Self::Encode(error),
        }
    }
}

/// A row that is gone or settled means that someone deleted the asset or changed its course.
impl From<ChangeError> for StepError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoSuchAsset(_) | ChangeError::WrongState { .. } => Self::Cancelled,
            ChangeError::Catalog(error) => Self::Catalog(error),
        }
    }
}

/// The code of failures that pass as soon as there is room.
pub(crate) const NO_SPACE: &str = "no-space";

/// What is wrong with a source, in a few words.
fn unusable(error: &ProbeError) -> &'static str {
    match error {
        ProbeError::Empty => "The file is empty",
        ProbeError::TooLarge { .. } => "The file is too large",
        ProbeError::TooLong { .. } => "The recording is too long",
        ProbeError::NotMedia => "This is not a video or audio file",
        ProbeError::Truncated { .. } => "The file is incomplete",
        ProbeError::NoTracks => "There is no picture and no sound in this file",
        ProbeError::UnsupportedCodec { .. } => "The file's format is not supported",
        ProbeError::Damaged { .. } => "The file is damaged",
        ProbeError::NoDuration => "The file does not say how long it is",
        _ => "The file could not be examined",
    }
}

impl StepError {
    /// Whether the cause is a full disk.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::Encode(EncodeError::NoSpace) => true,
            Self::Put(error) | Self::Add(AddError::Put(error)) => error.is_no_space(),
            Self::Pin(error) => error.is_no_space(),
            Self::Pins(error) => error.is_no_space(),
            Self::Sync(error) => error.is_no_space(),
            Self::Catalog(error) => matches!(error, CatalogError::DiskFull(_)),
            Self::File(error) => is_no_space(error),
            _ => false,
        }
    }

    /// Whether the same source would fail the same way again.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Probe(error) => error.is_permanent(),
            Self::Encode(error) => error.is_permanent(),
            Self::SourceGone
            | Self::Plan(_)
            | Self::Mp4(_)
            | Self::NoSegments { .. }
            | Self::TooManySegments { .. }
            | Self::InitsDiffer { .. }
            | Self::Package(_)
            | Self::Insert(_) => true,
            _ => false,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            error if error.is_no_space() => NO_SPACE,
            Self::Probe(error) => error.code(),
            Self::Encode(error) => error.code(),
            Self::Plan(_) => "cannot-plan",
            Self::SourceGone => "source-gone",
            Self::Mp4(_)
            | Self::NoSegments { .. }
            | Self::TooManySegments { .. }
            | Self::InitsDiffer { .. } => "encoder-output",
            Self::Package(_) | Self::SegmentLost { .. } | Self::Insert(_) => "package-broken",
            Self::Catalog(_) => "catalog",
            _ => "store",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            error if error.is_no_space() => "The disk is full",
            Self::Probe(error) => unusable(error),
            Self::Plan(_) => "This file cannot be used",
            Self::SourceGone => "The uploaded file is gone",
            Self::Encode(_)
            | Self::Mp4(_)
            | Self::NoSegments { .. }
            | Self::TooManySegments { .. }
            | Self::InitsDiffer { .. } => "Encoding failed",
            Self::Package(_) | Self::SegmentLost { .. } | Self::Insert(_) => "Packaging failed",
            _ => "Storing failed",
        }
    }

    /// The failure as it is recorded and shown.
    pub(crate) fn failure(&self) -> Failure {
        let permanence = if self.is_permanent() {
            Permanence::Permanent
        } else {
            Permanence::Retryable
        };
        Failure {
            code: self.code().to_owned(),
            title: self.title().to_owned(),
            detail: self.to_string(),
            permanence,
        }
    }
}
