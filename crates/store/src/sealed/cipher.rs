//! One key, and one block under it.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use cid::Cid;
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::SealError;
use crate::MAX_BLOCK_BYTES;

const NONCE: usize = 24;
/// What sealing adds besides the CID: nonce and authentication tag.
const ADDED: usize = NONCE + 16;
/// Longest CID that is kept; ours have 36 bytes.
const MAX_CID: usize = 100;
/// Begins the text of a key, so that nobody takes it for something else.
const PREFIX: &str = "cidcast-seal-";

/// The secret that seals and opens: 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey([u8; 32]);

/// Tells keys apart without telling them: eight bytes of a hash of the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealKeyId(pub(super) [u8; 8]);

/// Not the text of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a seal key: it is one line that begins with {PREFIX}")]
pub struct ParseSealKeyError;

impl SealKey {
    /// A key of 32 bytes from a secure random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's name.
    pub fn id(&self) -> SealKeyId {
        let digest = self.derive("id");
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        SealKeyId(id)
    }

    /// The secret as one line, for a file that only its owner reads.
    pub fn to_secret_text(&self) -> String {
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&self.0).to_lowercase())
    }

    /// HMAC-SHA-256 of a purpose.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(&self.0, &[b"cidcast-sealed-v1 ", purpose.as_bytes()])
    }
}

impl FromStr for SealKey {
    type Err = ParseSealKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(ParseSealKeyError)?;
        let bytes = BASE32_NOPAD.decode(encoded.to_uppercase().as_bytes());
        let bytes = bytes.map_err(|_| ParseSealKeyError)?;
        bytes.try_into().map(Self).map_err(|_| ParseSealKeyError)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id())
    }
}

impl fmt::Display for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKeyId({self})")
    }
}

/// Seals and opens blocks under one key.
pub(super) struct Cipher {
    cipher: XChaCha20Poly1305,
    nonces: [u8; 32],
}

impl Cipher {
    pub(super) fn new(key: &SealKey) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(Key::from_slice(&key.derive("encrypt"))),
            nonces: key.derive("nonce"),
        }
    }

    /// `nonce ‖ ciphertext of (length of CID ‖ CID ‖ bytes) ‖ tag`. The nonce is a keyed hash of
    /// what is sealed: equal blocks get equal nonces, different ones different ones.
    pub(super) fn seal(&self, cid: &Cid, data: &[u8]) -> Result<Vec<u8>, SealError> {
        let name = cid.to_bytes();
        let too_large = || SealError::TooLarge {
            cid: Box::new(*cid),
            bytes: data.len(),
            limit: MAX_BLOCK_BYTES - ADDED - 1 - MAX_CID,
        };
        if name.len() > MAX_CID || data.len() > MAX_BLOCK_BYTES - ADDED - 1 - name.len() {
            return Err(too_large());
        }
        let length = u8::try_from(name.len()).map_err(|_| too_large())?;
        let plain = [&[length], name.as_slice(), data].concat();
        let digest = mac(&self.nonces, &[&plain]);
        let nonce = digest.first_chunk::<NONCE>().ok_or_else(too_large)?;
        let sealed = self.cipher.encrypt(XNonce::from_slice(nonce), &*plain);
        let sealed = sealed.map_err(|_| too_large())?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The CID and the bytes; `None` if they were not sealed with this key. Whether the bytes are
    /// those of the CID is not checked here.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<(Cid, Bytes)> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let plain = self
            .cipher
            .decrypt(XNonce::from_slice(nonce), sealed)
            .ok()?;
        let plain = Bytes::from(plain);
        let length = usize::from(*plain.first()?);
        let name = plain.get(1..1 + length)?;
        let cid = Cid::try_from(name).ok()?;
        Some((cid, plain.slice(1 + length..)))
    }
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::RAW;
    use multihash_codetable::{Code, MultihashDigest};

    fn key(n: u8) -> SealKey {
        SealKey::from_bytes([n; 32])
    }

    fn cid_of(data: &[u8]) -> Cid {
        Cid::new_v1(RAW, Code::Sha2_256.digest(data))
    }

    #[test]
    fn a_key_reads_back_and_shows_no_secret() {
        let key = key(7);
        let text = key.to_secret_text();
        assert_eq!(text.parse(), Ok(key.clone()));
        assert_eq!(format!("{text}\n").parse(), Ok(key.clone()));
        let shown = format!("{key:?}");
        assert!(
            !text.contains(&shown) && shown.contains(&key.id().to_string()),
            "{shown}"
        );
        for bad in ["", "cidcast-seal-", "cidcast-seal-aaaa", &text[1..]] {
            assert_eq!(bad.parse::<SealKey>(), Err(ParseSealKeyError), "{bad}");
        }
    }

    #[test]
    fn the_largest_block_that_fits_is_sealed_and_a_larger_one_is_refused() {
        let cipher = Cipher::new(&key(1));
        let room = MAX_BLOCK_BYTES - ADDED - 1 - 36;
        let data = vec![0; room];
        assert_eq!(
            cipher.seal(&cid_of(&data), &data).unwrap().len(),
            MAX_BLOCK_BYTES
        );
        let data = vec![0; room + 1];
        let refused = cipher.seal(&cid_of(&data), &data);
        assert!(matches!(refused, Err(SealError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_key_only(data: Vec<u8>, flip: usize) {
            let cipher = Cipher::new(&key(1));
            let cid = cid_of(&data);
            let sealed = cipher.seal(&cid, &data).unwrap();
            prop_assert_eq!(&sealed, &cipher.seal(&cid, &data).unwrap());
            prop_assert_eq!(cipher.open(&sealed), Some((cid, Bytes::from(data))));
            prop_assert_eq!(Cipher::new(&key(2)).open(&sealed), None);
            let mut damaged = sealed;
            let at = flip % damaged.len();
            damaged[at] ^= 1;
            prop_assert_eq!(cipher.open(&damaged), None);
        }

        #[test]
        fn no_bytes_make_opening_panic(data: Vec<u8>) {
            prop_assert_eq!(Cipher::new(&key(1)).open(&data), None);
        }
    }
}
