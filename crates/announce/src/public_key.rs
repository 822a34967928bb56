//! The two kinds of public keys that sign things: publishers and nodes.
//!
//! Both are ed25519. A publisher prints as the IPNS name of its key (`k51…`), a node as its peer
//! id (`12D3Koo…`); each form is read for both, because they name the same key.

use std::fmt;
use std::str::FromStr;

use cid::Cid;
use cid::multibase::Base;
use cid::multihash::Multihash;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Multicodec of a CID that names a libp2p key.
const LIBP2P_KEY: u64 = 0x72;
/// Multicodec of the multihash that holds its content as it is.
const IDENTITY: u64 = 0x00;
/// libp2p's protobuf `PublicKey { Type: Ed25519, Data: 32 bytes }`, up to the data.
const ED25519_PROTOBUF: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// Not a public key that can sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// Neither of the two text forms.
    #[error(
        "`{0}` is not a key: expected the IPNS name of an ed25519 key (k51…) or a peer id (12D3Koo…)"
    )]
    NotAKey(String),
    /// A key, but of another algorithm.
    #[error("`{0}` is not an ed25519 key: only those sign announcements")]
    NotEd25519(String),
    /// Not 32 bytes.
    #[error("a public key has 32 bytes, this has {0}")]
    Length(usize),
    /// Not a point of the curve in its one encoding, or a point of small order, for which
    /// signatures of anything can be made up.
    #[error("the bytes are not a usable ed25519 public key: it was not made by a key generator")]
    Unusable,
}

/// 32 bytes that [`verifying_key`](Self::verifying_key) accepts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PublicKey([u8; 32]);

impl PublicKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ParseKeyError> {
        let bytes: [u8; 32] = bytes
            .try_into()
            .map_err(|_| ParseKeyError::Length(bytes.len()))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| ParseKeyError::Unusable)?;
        if key.is_weak() || key.to_edwards().compress().to_bytes() != bytes {
            return Err(ParseKeyError::Unusable);
        }
        Ok(Self(bytes))
    }

    /// The same for a key that was derived from a secret: always usable.
    pub(crate) fn of(key: &VerifyingKey) -> Self {
        Self(key.to_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.0).ok()
    }

    fn multihash(&self) -> [u8; 38] {
        let mut bytes = [0; 38];
        let head = [0x00, 0x24].into_iter().chain(ED25519_PROTOBUF);
        for (to, from) in bytes.iter_mut().zip(head.chain(self.0)) {
            *to = from;
        }
        bytes
    }

    fn ipns_name(&self) -> String {
        let bytes: Vec<u8> = [0x01, 0x72].into_iter().chain(self.multihash()).collect();
        format!("k{}", Base::Base36Lower.encode(bytes))
    }

    fn peer_id(&self) -> String {
        Base::Base58Btc.encode(self.multihash())
    }

    fn parse(text: &str) -> Result<Self, ParseKeyError> {
        let shown = || text.chars().take(128).collect::<String>();
        let hash = multihash_of(text).ok_or_else(|| ParseKeyError::NotAKey(shown()))?;
        if hash.code() != IDENTITY {
            return Err(ParseKeyError::NotEd25519(shown()));
        }
        let key = hash
            .digest()
            .strip_prefix(ED25519_PROTOBUF.as_slice())
            .ok_or_else(|| ParseKeyError::NotEd25519(shown()))?;
        Self::from_bytes(key)
    }
}

/// The multihash inside a libp2p key's CID or a peer id.
fn multihash_of(text: &str) -> Option<Multihash<64>> {
    if text.len() > 128 {
        return None; // the longest of the forms has 65 characters
    }
    if text.starts_with("12D3") || text.starts_with("Qm") {
        let bytes = Base::Base58Btc.decode(text).ok()?;
        return Multihash::from_bytes(&bytes).ok();
    }
    let cid = Cid::try_from(text).ok()?;
    (cid.codec() == LIBP2P_KEY).then(|| *cid.hash())
}

macro_rules! key_newtype {
    ($(#[$doc:meta])* $name:ident, $form:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) PublicKey);

        impl $name {
            /// From the 32 bytes of the key.
            ///
            /// # Errors
            ///
            /// [`ParseKeyError`] if they are no point of the curve in its one encoding, or a
            /// point of small order.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseKeyError> {
                PublicKey::from_bytes(bytes).map(Self)
            }

            /// The 32 bytes of the key.
            pub fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// The IPNS name of the key (`k51…`).
            pub fn ipns_name(&self) -> String {
                self.0.ipns_name()
            }

            /// The libp2p peer id of the key (`12D3Koo…`).
            pub fn peer_id(&self) -> String {
                self.0.peer_id()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.$form())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseKeyError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                PublicKey::parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

key_newtype! {
    /// A key that signs announcements: a person or organisation, not a machine. Printed as the
    /// IPNS name of the key (`k51…`).
    Publisher, ipns_name
}
key_newtype! {
    /// The key of a node: its libp2p peer id, printed as such (`12D3Koo…`). It signs notices.
    NodeId, peer_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    /// What Kubo (`ipfs key import`) calls the key whose seed is 32 times 1, and the same as a
    /// peer id.
    const NAME: &str = "k51qzi5uqu5djmw2yvf8kk5cdjc1ddc00o4d5sjwi6f79xzcay9j3gkddw5uu4";
    const PEER_ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

    fn one() -> Publisher {
        SigningKey::from_seed([1; 32]).publisher()
    }

    #[test]
    fn both_forms_name_the_same_key() {
        let key = one();
        assert_eq!(key.to_string(), NAME);
        assert_eq!(NAME.parse(), Ok(key));
        assert_eq!(PEER_ID.parse(), Ok(key));
        let node: NodeId = NAME.parse().unwrap();
        assert_eq!(node.to_string(), PEER_ID);
        assert_eq!(node.as_bytes(), key.as_bytes());
    }

    #[test]
    fn other_bases_of_the_same_name_are_read() {
        let key = one();
        let cid: Cid = key.to_string().parse().unwrap();
        let base32 = cid.to_string_of_base(Base::Base32Lower).unwrap();
        assert_eq!(base32.parse(), Ok(key));
    }

    #[test]
    fn text_that_is_no_key_says_what_was_expected() {
        for bad in ["", "k51", "12D3Koo", "hello", &"k".repeat(500)] {
            let error = bad.parse::<Publisher>().unwrap_err();
            assert!(matches!(error, ParseKeyError::NotAKey(_)), "{bad}: {error}");
        }
        // An RSA peer id of the public bootstrappers.
        let rsa = "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ".parse::<Publisher>();
        assert!(matches!(rsa, Err(ParseKeyError::NotEd25519(_))), "{rsa:?}");
    }

    #[test]
    fn keys_that_would_verify_anything_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut no_point = [0; 32];
        no_point[0] = 2;
        // y = p + 1 is the neutral element, spelled the other way.
        let mut other_spelling = [0xff; 32];
        other_spelling[0] = 0xee;
        other_spelling[31] = 0x7f;
        // y = p + 3: a point of full order, but not in its one encoding.
        let mut unreduced = other_spelling;
        unreduced[0] = 0xf0;
        for bad in [[0; 32], neutral, no_point, other_spelling, unreduced] {
            assert_eq!(Publisher::from_bytes(&bad), Err(ParseKeyError::Unusable));
        }
        assert_eq!(
            Publisher::from_bytes(&[1; 31]),
            Err(ParseKeyError::Length(31))
        );
    }

    #[test]
    fn a_key_is_text_in_json() {
        let json = serde_json::to_string(&one()).unwrap();
        assert_eq!(json, format!("\"{}\"", one()));
        assert_eq!(serde_json::from_str::<Publisher>(&json).unwrap(), one());
    }
}
