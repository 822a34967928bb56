//! The encoded shape of everything that is signed or linked. Field by field it is
//! `docs/announcement-format.md`.
//!
//! Optional fields are left out when there is nothing to say, never `null`; `prev` alone is always
//! there. Unknown fields are refused; an operation of an unknown kind is kept as it is.

mod asset;
mod block_list;
mod notice;
mod op;

use cid::Cid;
use cidcast_types::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

pub(crate) use block_list::{BlockListWire, BlockedWire};
pub(crate) use notice::{NoticeWire, SaysWire};
pub(crate) use op::{MAX_DEPTH, OpWire, check_depth};

use crate::envelope::check_version;
use crate::error::VerifyError;

/// The body of an announcement.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyWire {
    pub(crate) v: u64,
    pub(crate) publisher: ByteArray<32>,
    pub(crate) seq: u64,
    pub(crate) prev: Option<Cid>,
    pub(crate) at: Timestamp,
    pub(crate) ops: Vec<OpWire>,
}

/// A snapshot segment.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentWire {
    pub(crate) v: u64,
    pub(crate) publisher: ByteArray<32>,
    pub(crate) entries: Vec<EntryWire>,
}

/// One entry of a segment.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryWire {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) op: OpWire,
}

/// Parses `bytes` and makes sure that they are the one spelling of what they say.
pub(crate) fn read_canonical<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
) -> Result<T, VerifyError> {
    let value: T = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| unsupported(bytes).unwrap_or(VerifyError::Malformed(error)))?;
    match serde_ipld_dagcbor::to_vec(&value) {
        Ok(again) if again == bytes => Ok(value),
        _ => Err(VerifyError::NotCanonical),
    }
}

/// What does not read as this version may be of another: then that is what to say.
fn unsupported(bytes: &[u8]) -> Option<VerifyError> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        v: u64,
    }
    let OnlyVersion { v } = serde_ipld_dagcbor::from_slice(bytes).ok()?;
    check_version(v).err()
}
