//! Names of those who want something kept.

use std::fmt;
use std::str::FromStr;

use cidcast_types::AssetId;

/// Who a pin belongs to: an asset id, as a rule. 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(String);

impl Holder {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not the name of a holder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot hold pins: use 1 to 128 printable ASCII characters without spaces")]
pub struct ParseHolderError(String);

impl FromStr for Holder {
    type Err = ParseHolderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseHolderError(text.chars().take(128).collect()))
        }
    }
}

impl From<&AssetId> for Holder {
    fn from(id: &AssetId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_short_and_printable() {
        for bad in ["", "a b", "ü", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<Holder>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "upload/01".parse::<Holder>().unwrap().to_string(),
            "upload/01"
        );
    }
}
