//! Takedown: what a retraction does here, and who has obeyed ours.

use std::fmt;
use std::str::FromStr;

use cidcast_announce::Outcome;

/// What becomes of a copy here when its publisher retracts the asset. In any case it is not listed
/// or found any more, and the publisher is told with a signature what was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Obey {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, and is not listed.
    Unindex,
    /// It stays; the operator says so openly.
    Keep,
}

/// Not one of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a way to take a retraction: use delete, unindex or keep")]
pub struct ParseObeyError(String);

impl Obey {
    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Unindex => "unindex",
            Self::Keep => "keep",
        }
    }

    /// What is said to the publisher.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Delete => Outcome::Deleted,
            Self::Unindex => Outcome::Unindexed,
            Self::Keep => Outcome::Kept,
        }
    }
}

impl fmt::Display for Obey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Obey {
    type Err = ParseObeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Delete, Self::Unindex, Self::Keep]
            .into_iter()
            .find(|obey| obey.as_str() == text)
            .ok_or_else(|| ParseObeyError(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_reads_back() {
        for obey in [Obey::Delete, Obey::Unindex, Obey::Keep] {
            assert_eq!(obey.to_string().parse(), Ok(obey));
        }
        assert!("obey".parse::<Obey>().is_err());
    }
}
