//! The name of a plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// SHA-256 over the canonical JSON of a plan. Prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanKey([u8; 32]);

impl PlanKey {
    pub(super) fn of(canonical_json: &str) -> Self {
        Self(Sha256::digest(canonical_json.as_bytes()).into())
    }
}

impl fmt::Display for PlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanKey({self})")
    }
}

/// Not a plan key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a plan key: expected 64 lower-case hexadecimal digits")]
pub struct ParsePlanKeyError(String);

impl FromStr for PlanKey {
    type Err = ParsePlanKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParsePlanKeyError(text.chars().take(80).collect());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(refused());
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let nibbles = pair.iter().map(|&digit| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            });
            for nibble in nibbles {
                *byte = *byte << 4 | nibble.ok_or_else(refused)?;
            }
        }
        Ok(Self(key))
    }
}

impl Serialize for PlanKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlanKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_reads_back_what_it_prints(json in ".{0,32}") {
            let key = PlanKey::of(&json);
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert!(key.to_string().to_uppercase().parse::<PlanKey>().is_err());
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,70}") {
            let _ = text.parse::<PlanKey>();
        }
    }
}
