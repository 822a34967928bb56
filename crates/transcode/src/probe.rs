//! Looking into a source before anything is done with it.
//!
//! Three looks: at the container's own headers (is the file whole?), at what ffprobe makes of it,
//! and at time stamps and a few decoded frames (what is the frame rate, where does it begin and
//! end, can it be decoded?). Small files are read whole; of large ones the beginning, the middle
//! and the end.

mod error;
mod look;
mod rate;
mod report;
mod structure;
mod tracks;

use std::io;
use std::path::Path;
use std::time::Duration;

use cidcast_media::source::SourceMedia;
use cidcast_types::Micros;
use tokio_util::sync::CancellationToken;

pub use error::ProbeError;

use crate::Tools;
use look::Look;
use report::Report;
use structure::Structure;

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

/// 64 GiB, 12 hours, 5 minutes.
impl Default for ProbeLimits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 30,
            max_duration: Micros::from_secs(12 * 3600),
            timeout: Duration::from_secs(300),
        }
    }
}

/// ffprobe is this sure (of 100) about bytes that merely look a little like media.
const UNSURE: i64 = 25;

impl Tools {
    /// Looks into a source.
    ///
    /// The presentation begins with the first picture that can be decoded (without pictures: with
    /// the first sound), so [`SourceMedia::start`] is that picture's time stamp and
    /// `VideoTrack::start` is 0; sound from before it is not part of the presentation.
    ///
    /// Cancel safety: dropping the future kills ffprobe.
    ///
    /// # Errors
    /// Every refusal is a variant of [`ProbeError`] with a text for people.
    pub async fn probe(
        &self,
        source: &Path,
        limits: &ProbeLimits,
        cancel: &CancellationToken,
    ) -> Result<SourceMedia, ProbeError> {
        let look = Look {
            tools: self,
            source,
            cancel,
        };
        tokio::time::timeout(limits.timeout, probe(&look, limits))
            .await
            .unwrap_or(Err(ProbeError::Timeout {
                after: limits.timeout,
            }))
    }
}

async fn probe(look: &Look<'_>, limits: &ProbeLimits) -> Result<SourceMedia, ProbeError> {
    let bytes = size(look.source, limits).await?;
    let structure = structure(look.source).await?;
    if structure == Structure::Image {
        return Err(ProbeError::NotMedia);
    }
    let cut = |what: &str| ProbeError::Truncated {
        what: what.to_owned(),
    };
    let report = match (look.report().await, structure) {
        // An interrupted look says nothing about the file.
        (Err(error), _) if !error.is_permanent() => return Err(error),
        (_, Structure::Cut(what)) => return Err(cut(what)),
        (report, _) => report?,
    };
    if report.format.probe_score <= UNSURE {
        return Err(ProbeError::NotMedia);
    }
    let media = tracks::describe(look, &report, bytes).await?;
    if media.duration > limits.max_duration {
        let (duration, limit) = (media.duration, limits.max_duration);
        return Err(ProbeError::TooLong { duration, limit });
    }
    Ok(media)
}

async fn size(source: &Path, limits: &ProbeLimits) -> Result<u64, ProbeError> {
    let metadata = tokio::fs::metadata(source).await;
    let bytes = metadata
        .map_err(|source| ProbeError::Unreadable { source })?
        .len();
    match bytes {
        0 => Err(ProbeError::Empty),
        _ if bytes > limits.max_bytes => Err(ProbeError::TooLarge {
            bytes,
            limit: limits.max_bytes,
        }),
        _ => Ok(bytes),
    }
}

async fn structure(source: &Path) -> Result<Structure, ProbeError> {
    let source = source.to_owned();
    tokio::task::spawn_blocking(move || structure::inspect(&mut std::fs::File::open(source)?))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|source| ProbeError::Unreadable { source })
}
