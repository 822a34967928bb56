//! Names of renditions: they become folder names inside a package.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a rendition (`720p`, `audio`): one path segment of a package, so it holds only
/// `a-z`, `0-9`, `-` and `_`, and is 1 to 32 characters long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionName(String);

impl RenditionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a rendition name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rendition name: use 1 to 32 characters of a-z, 0-9, - and _")]
pub struct ParseRenditionNameError(String);

impl FromStr for RenditionName {
    type Err = ParseRenditionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        if (1..=32).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseRenditionNameError(text.chars().take(64).collect()))
        }
    }
}

impl Serialize for RenditionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RenditionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for bad in ["", "..", "a/b", "a\\b", "A", "ü", &"x".repeat(33)] {
            assert!(bad.parse::<RenditionName>().is_err(), "{bad}");
        }
        assert_eq!("720p".parse::<RenditionName>().unwrap().as_str(), "720p");
    }
}
