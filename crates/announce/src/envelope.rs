//! The signed envelope: `{"sig": 64 bytes, "body": {…}}` as canonical DAG-CBOR.
//!
//! DAG-CBOR orders keys by length, so an envelope is a constant head, the signature, a constant
//! middle, and the body's own encoding, which is what is signed (behind the domain).

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{SignError, VerifyError};
use crate::public_key::PublicKey;
use crate::secret::Signer;
use crate::wire;

/// The format that this program reads and writes.
pub(crate) const VERSION: u64 = 1;
/// Multicodec of DAG-CBOR.
pub(crate) const DAG_CBOR: u64 = 0x71;

/// A map of two, and its first key with the head of 64 bytes.
const HEAD: [u8; 7] = [0xa2, 0x63, b's', b'i', b'g', 0x58, 0x40];
/// The second key.
const MIDDLE: [u8; 5] = [0x64, b'b', b'o', b'd', b'y'];

/// What a signature is for: a signature for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Domain(pub(crate) &'static str);

impl Domain {
    /// `domain 0x00 body`
    fn message(self, body: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), &[0], body].concat()
    }
}

/// Signed bytes, exactly as they travel and are kept, and their CID. Only a verified or newly
/// signed object has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    bytes: Bytes,
    cid: Cid,
}

impl Envelope {
    /// The canonical bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The CID of the bytes as a block: CIDv1, DAG-CBOR, SHA2-256.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    pub(crate) fn of(bytes: Bytes) -> Self {
        let cid = Cid::new_v1(DAG_CBOR, Code::Sha2_256.digest(&bytes));
        Self { bytes, cid }
    }

    /// Encodes, signs and wraps `body`.
    pub(crate) fn seal(
        body: &impl Serialize,
        domain: Domain,
        key: &impl Signer,
        limit: usize,
    ) -> Result<Self, SignError> {
        let body = serde_ipld_dagcbor::to_vec(body).map_err(SignError::Encode)?;
        let signature = key.sign(&domain.message(&body));
        let bytes = [&HEAD, signature.as_slice(), &MIDDLE, body.as_slice()].concat();
        if bytes.len() > limit {
            return Err(SignError::TooLarge {
                bytes: bytes.len(),
                limit,
            });
        }
        Ok(Self::of(bytes.into()))
    }
}

/// The parts of an envelope whose signature has not been checked.
pub(crate) struct Unverified<'a, B> {
    pub(crate) body: B,
    signature: [u8; 64],
    body_bytes: &'a [u8],
}

impl<'a, B: Serialize + DeserializeOwned> Unverified<'a, B> {
    /// Takes an envelope apart: size, then shape, then spelling.
    pub(crate) fn open(bytes: &'a [u8], limit: usize) -> Result<Self, VerifyError> {
        if bytes.len() > limit {
            return Err(VerifyError::TooLarge {
                bytes: bytes.len(),
                limit,
            });
        }
        let (signature, body_bytes) = split(bytes).ok_or(VerifyError::NotAnEnvelope)?;
        Ok(Self {
            body: wire::read_canonical(body_bytes)?,
            signature,
            body_bytes,
        })
    }

    /// Checks the signature, by the strict rules: no key and no `R` of small order, `S` reduced.
    pub(crate) fn check_signature(
        &self,
        domain: Domain,
        signer: &PublicKey,
    ) -> Result<(), VerifyError> {
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        let key = signer.verifying_key().ok_or(VerifyError::Signature)?;
        key.verify_strict(&domain.message(self.body_bytes), &signature)
            .map_err(|_| VerifyError::Signature)
    }
}

/// Signature and body.
fn split(bytes: &[u8]) -> Option<([u8; 64], &[u8])> {
    let rest = bytes.strip_prefix(&HEAD)?;
    let (signature, rest) = rest.split_first_chunk::<64>()?;
    Some((*signature, rest.strip_prefix(&MIDDLE)?))
}

pub(crate) fn check_version(found: u64) -> Result<(), VerifyError> {
    if found == VERSION {
        return Ok(());
    }
    Err(VerifyError::Unsupported {
        found,
        known: VERSION,
    })
}
