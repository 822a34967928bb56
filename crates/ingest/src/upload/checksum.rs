//! Checksums of upload parts, by the tus 1.0 checksum extension.

use std::str::FromStr;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Algorithms that a part's checksum may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `sha1`, which every tus server must know.
    Sha1,
    /// `sha256`.
    Sha256,
}

impl Algorithm {
    /// The names, in the form of the `Tus-Checksum-Algorithm` header.
    pub const NAMES: &'static str = "sha1,sha256";
}

/// Not a checksum algorithm that we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a checksum algorithm: use sha1 or sha256")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            other => Err(UnknownAlgorithm(other.chars().take(32).collect())),
        }
    }
}

/// What the bytes of one part must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// The digest.
    pub digest: Vec<u8>,
}

/// A digest in the making.
pub(super) enum Running {
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Running {
    pub(super) fn start(wanted: &Checksum) -> Self {
        match wanted.algorithm {
            Algorithm::Sha1 => Self::Sha1(Box::default()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(data),
            Self::Sha256(hash) => hash.update(data),
        }
    }

    pub(super) fn matches(self, wanted: &Checksum) -> bool {
        match self {
            Self::Sha1(hash) => hash.finalize().as_slice() == wanted.digest,
            Self::Sha256(hash) => hash.finalize().as_slice() == wanted.digest,
        }
    }
}
