//! Units of work and what they left behind, as values.

use std::fmt;
use std::str::FromStr;

use cidcast_types::{Cid, RenditionName};

/// The name of a unit within its plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitName {
    /// All picture renditions of the chunk with this index: `v/00000`.
    Chunk(u32),
    /// One sound rendition over the whole length: `a/audio`.
    Audio(RenditionName),
    /// The beginning of a sound rendition that is still being encoded: `p/audio`. Saving the
    /// finished one removes it.
    AudioSoFar(RenditionName),
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk(index) => write!(f, "v/{index:05}"),
            Self::Audio(rendition) => write!(f, "a/{rendition}"),
            Self::AudioSoFar(rendition) => write!(f, "p/{rendition}"),
        }
    }
}

/// Not the name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a unit: expected v/00000, a/RENDITION or p/RENDITION")]
pub struct ParseUnitNameError(String);

impl FromStr for UnitName {
    type Err = ParseUnitNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = match text.split_once('/') {
            Some(("v", index)) => index.parse().ok().map(Self::Chunk),
            Some(("a", rendition)) => rendition.parse().ok().map(Self::Audio),
            Some(("p", rendition)) => rendition.parse().ok().map(Self::AudioSoFar),
            _ => None,
        };
        // Only the spelling that is printed is a name: `v/1` and `v/00001` are not both one.
        name.filter(|name| name.to_string() == text)
            .ok_or_else(|| ParseUnitNameError(text.chars().take(64).collect()))
    }
}

/// A finished unit: every block under its root is on disk, synced and pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The UnixFS directory of its files.
    pub root: Cid,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// A unit that has just been finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUnit {
    /// Which one.
    pub name: UnitName,
    /// The UnixFS directory of its files.
    pub root: Cid,
    /// Bytes of all its files.
    pub bytes: u64,
    /// One for each rendition of the unit.
    pub inits: Vec<NewInit>,
    /// In any order.
    pub segments: Vec<NewSegment>,
}

/// An initialisation segment of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInit {
    /// Which rendition it begins.
    pub rendition: RenditionName,
    /// The file.
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
    /// What was parsed from it, as JSON of the caller's own shape.
    pub info: String,
}

/// A media segment of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSegment {
    /// Which rendition it belongs to.
    pub rendition: RenditionName,
    /// Its number, from the start of the rendition.
    pub index: u32,
    /// The file.
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
    /// Ticks.
    pub duration: u64,
    /// Ticks per second, never 0.
    pub timescale: u32,
}

/// What is there of one rendition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRendition {
    /// The different initialisation segments of its units, in the order of the units. One,
    /// unless the encoder's settings drifted between chunks, which a packager must refuse.
    pub inits: Vec<StoredInit>,
    /// By index. There is a gap where a chunk is not finished while a later one is.
    pub segments: Vec<StoredSegment>,
}

/// An initialisation segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInit {
    /// The file.
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
    /// As given in [`NewInit::info`].
    pub info: String,
}

/// A media segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSegment {
    /// Its number, from the start of the rendition.
    pub index: u32,
    /// The file.
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
    /// Ticks.
    pub duration: u64,
    /// Ticks per second.
    pub timescale: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_name_reads_back_what_it_prints() {
        for name in [
            "v/00000",
            "v/00012",
            "v/123456",
            "a/audio",
            "a/audio-2",
            "p/audio",
        ] {
            assert_eq!(name.parse::<UnitName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn another_spelling_is_refused() {
        for name in [
            "", "v", "v/", "v/0", "v/+0001", "v/-1", "a/", "a/..", "b/x", "a/A",
        ] {
            assert!(name.parse::<UnitName>().is_err(), "{name}");
        }
    }
}
