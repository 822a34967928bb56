//! Looking into a source before anything is done with it.

mod error;

use std::path::Path;
use std::time::Duration;

use cidcast_media::source::SourceMedia;
use cidcast_types::Micros;
use tokio_util::sync::CancellationToken;

pub use error::ProbeError;

use crate::Tools;

/// What is accepted, and how long looking may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Longest presentation.
    pub max_duration: Micros,
    /// Longest time that the probe may take.
    pub timeout: Duration,
}

impl Tools {
    /// Looks into a source.
    ///
    /// # Errors
    /// Every refusal is a variant of [`ProbeError`] with a text for people.
    pub async fn probe(
        &self,
        source: &Path,
        limits: &ProbeLimits,
        cancel: &CancellationToken,
    ) -> Result<SourceMedia, ProbeError> {
        let _ = (source, limits, cancel);
        Err(ProbeError::Empty)
    }
}
