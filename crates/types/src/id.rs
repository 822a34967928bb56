//! Identifiers of assets, uploads and packages.

use std::fmt;
use std::str::FromStr;

use cid::Cid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::Timestamp;

/// An id did not parse.
#[derive(Debug, thiserror::Error)]
pub enum ParseIdError {
    /// Not 26 characters of Crockford base32.
    #[error("`{0}` is not an id: expected 26 characters such as 01j9z3k5v8q2w4e6r7t9y0a1b2")]
    NotAnId(String),
    /// Not a content identifier.
    #[error("`{text}` is not a CID: {source}")]
    NotACid {
        /// What was given.
        text: String,
        /// Why it did not parse.
        source: cid::Error,
    },
}

macro_rules! ulid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an id from its creation time and 80 random bits (the upper bits are ignored).
            /// Ids made later sort after ids made earlier.
            pub fn from_parts(created: Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(created.as_millis(), random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.to_string().to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let refused = || ParseIdError::NotAnId(text.chars().take(64).collect());
                let id = Self(Ulid::from_string(text).map_err(|_| refused())?);
                // Crockford base32 reads several spellings; only the one that we print is an id.
                if id.to_string() == text { Ok(id) } else { Err(refused()) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

ulid_newtype! {
    /// One asset, for as long as this node knows it. 26 lower-case characters, sorted by creation.
    AssetId
}
ulid_newtype! {
    /// One resumable upload (tus 1.0), until it becomes an asset or expires.
    UploadId
}
ulid_newtype! {
    /// One request of the pinning service, for as long as its pin is kept.
    PinRequestId
}

/// An upload has the id of the asset that it becomes.
impl From<UploadId> for AssetId {
    fn from(id: UploadId) -> Self {
        Self(id.0)
    }
}

/// The upload that an asset came from, if it came by one.
impl From<AssetId> for UploadId {
    fn from(id: AssetId) -> Self {
        Self(id.0)
    }
}

/// The CID of a package: the UnixFS directory of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootCid(Cid);

impl RootCid {
    /// Names `cid` as the root of a package.
    pub fn new(cid: Cid) -> Self {
        Self(cid)
    }

    /// The plain CID.
    pub fn cid(&self) -> Cid {
        self.0
    }
}

impl fmt::Display for RootCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RootCid {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Cid::try_from(text)
            .map(Self)
            .map_err(|source| ParseIdError::NotACid {
                text: text.chars().take(128).collect(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_asset_id_reads_back_what_it_prints(ms in 0u64..(1 << 48), random: u128) {
            let id = AssetId::from_parts(Timestamp::from_millis(ms), random);
            prop_assert_eq!(id.to_string().parse::<AssetId>().ok(), Some(id));
        }

        #[test]
        fn ids_sort_by_creation(a in 0u64..(1 << 47), gap in 1u64..1000, x: u128, y: u128) {
            let earlier = AssetId::from_parts(Timestamp::from_millis(a), x);
            let later = AssetId::from_parts(Timestamp::from_millis(a + gap), y);
            prop_assert!(earlier < later);
            prop_assert!(earlier.to_string() < later.to_string());
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,64}") {
            let _ = text.parse::<AssetId>();
            let _ = text.parse::<RootCid>();
        }
    }

    #[test]
    fn only_the_printed_spelling_is_an_id() {
        let id = AssetId::from_parts(Timestamp::from_millis(1), u128::MAX).to_string();
        assert!(id.to_uppercase().parse::<AssetId>().is_err());
    }
}
