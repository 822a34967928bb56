//! Why bytes are not what they claim to be, and why something cannot be signed.

use crate::field::FieldError;
use crate::public_key::ParseKeyError;

/// Bytes are not a valid signed object. Nothing of them may be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Larger than any valid one; nothing was parsed.
    #[error("{bytes} bytes are more than the {limit} that are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// Not a map of `sig` and `body`.
    #[error("not a signed envelope: expected the DAG-CBOR map of a 64 byte `sig` and a `body`")]
    NotAnEnvelope,
    /// The body is not DAG-CBOR of the expected shape.
    #[error("the body cannot be read: {0}")]
    Malformed(#[source] serde_ipld_dagcbor::DecodeError<std::convert::Infallible>),
    /// A value has another spelling than the canonical one.
    #[error("the body is not canonical DAG-CBOR: the same content has another encoding")]
    NotCanonical,
    /// Written by a later version of the format.
    #[error("version {found} of the format is unknown, this program reads {known}: update cidcast")]
    Unsupported {
        /// What the body says.
        found: u64,
        /// The version that is read.
        known: u64,
    },
    /// A field is out of bounds.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The signer is no usable key.
    #[error("the signer is no usable key: {0}")]
    Signer(#[from] ParseKeyError),
    /// The signature is not of this signer over this body for this purpose.
    #[error("the signature does not match: forged, damaged, or signed for another purpose")]
    Signature,
}

/// Content cannot be signed as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A field is out of bounds.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// All fields are within their bounds, but together they are too large.
    #[error("{bytes} bytes are more than the {limit} that fit: split it into several")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that fits.
        limit: usize,
    },
    /// The content has no encoding.
    #[error("the content cannot be encoded: {0}")]
    Encode(#[source] serde_ipld_dagcbor::EncodeError<std::collections::TryReserveError>),
}
