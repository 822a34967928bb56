//! The encoded shape of a body and its operations. Field by field it is `docs/announcement-format.md`.
//!
//! Optional fields are left out when there is nothing to say, never `null`; `prev` alone is always
//! there. Unknown fields are refused; an operation of an unknown kind is kept as it is.

mod asset;
mod op;

use cid::Cid;
use cidcast_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

pub(crate) use op::OpWire;

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
