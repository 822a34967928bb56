//! Where a pin stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a pin stands, in the words of IPFS Cluster. The spellings are stable API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinState {
    /// Waits for its turn.
    Queued,
    /// Its blocks are on the way.
    Pinning,
    /// Every block is on disk, synced, and kept.
    Pinned,
    /// The last attempt failed; there may be another.
    Error,
    /// Its blocks are being let go.
    Unpinning,
    /// Somebody else keeps it.
    Remote,
}

impl PinState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Pinning,
        Self::Pinned,
        Self::Error,
        Self::Unpinning,
        Self::Remote,
    ];

    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Pinning => "pinning",
            Self::Pinned => "pinned",
            Self::Error => "error",
            Self::Unpinning => "unpinning",
            Self::Remote => "remote",
        }
    }
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a pin state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pin state: use queued, pinning, pinned, error, unpinning or remote")]
pub struct ParsePinStateError(String);

impl FromStr for PinState {
    type Err = ParsePinStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParsePinStateError(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back_in_text_and_json() {
        for state in PinState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
        }
    }
}
