//! What an asset is doing and who may see it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an asset stands on the write path. The spellings are stable API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetState {
    /// Uploaded, waiting for a worker.
    Queued,
    /// ffprobe is reading the source.
    Probing,
    /// Chunks are being encoded; what is done already plays.
    Transcoding,
    /// Playlists and the directory are being built.
    Packaging,
    /// The package is being synced and pinned.
    Pinning,
    /// Playable under its root CID.
    Ready,
    /// Stopped for good until someone retries; the failure says why.
    Failed,
}

impl AssetState {
    /// Every state, in the order of the write path.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Probing,
        Self::Transcoding,
        Self::Packaging,
        Self::Pinning,
        Self::Ready,
        Self::Failed,
    ];

    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Probing => "probing",
            Self::Transcoding => "transcoding",
            Self::Packaging => "packaging",
            Self::Pinning => "pinning",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Whether the job has ended, well or badly.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Ready | Self::Failed)
    }
}

impl fmt::Display for AssetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of an asset state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an asset state: use queued, probing, transcoding, packaging, pinning, ready or failed"
)]
pub struct ParseStateError(String);

impl FromStr for AssetState {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseStateError(text.chars().take(64).collect()))
    }
}

/// Who may have the blocks of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Served to cluster members and to requests that carry a token.
    #[default]
    Private,
    /// Served to anyone who knows the CID.
    Unlisted,
    /// Served to anyone and announced.
    Public,
}

impl Visibility {
    /// Every visibility, most closed first.
    pub const ALL: [Self; 3] = [Self::Private, Self::Unlisted, Self::Public];

    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Unlisted => "unlisted",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a visibility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a visibility: use private, unlisted or public")]
pub struct ParseVisibilityError(String);

impl FromStr for Visibility {
    type Err = ParseVisibilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|visibility| visibility.as_str() == text)
            .ok_or_else(|| ParseVisibilityError(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back_in_text_and_json() {
        for state in AssetState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
        }
    }

    #[test]
    fn every_visibility_reads_back_in_text_and_json() {
        for visibility in Visibility::ALL {
            assert_eq!(visibility.to_string().parse(), Ok(visibility));
            let json = serde_json::to_string(&visibility).unwrap();
            assert_eq!(json, format!("\"{visibility}\""));
        }
    }

    #[test]
    fn private_is_what_nobody_asked_for() {
        assert_eq!(Visibility::default(), Visibility::Private);
    }
}
