//! What an operator may choose about the write path.

use std::path::PathBuf;
use std::time::Duration;

use cidcast_media::plan::LadderSettings;
use cidcast_runtime::Backoff;
use cidcast_transcode::ProbeLimits;

/// Bounds and choices of the write path.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// The node's data directory; sources and unfinished chunks live below it.
    pub data_dir: PathBuf,
    /// Largest source in bytes.
    pub max_source_bytes: u64,
    /// An upload that nobody continues is dropped after this long.
    pub upload_expiry: Duration,
    /// Free space in bytes that uploads and encoding leave alone.
    pub min_free_bytes: u64,
    /// Which renditions are made, and how.
    pub ladder: LadderSettings,
    /// What a source may be.
    pub probe: ProbeLimits,
    /// Assets that are worked on at the same time.
    pub jobs: usize,
    /// Encoder processes that run at the same time, over all assets.
    pub parallel: usize,
    /// When a failed step that may pass is tried again.
    pub retry: Backoff,
    /// Whether the uploaded file stays after its package is pinned.
    pub keep_source: KeepSource,
}

/// What happens to the uploaded file once its package is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepSource {
    /// It is deleted: the package holds the best rendition.
    #[default]
    Delete,
    /// It stays in the data directory until the asset is deleted.
    Keep,
}
