//! The listing of a sealed DAG: a head that names the key and the shards, and shards that name
//! the sealed blocks in order.

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::SealKeyId;

/// Multicodec of DAG-CBOR.
const DAG_CBOR: u64 = 0x71;
const VERSION: u64 = 1;
/// Sealed blocks in a shard: at 41 bytes for each, 330 KB.
const PER_SHARD: usize = 8_000;
/// Shards in a head: 32 million blocks.
const MAX_SHARDS: usize = 4_000;

/// A block is no listing of a sealed DAG.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not the DAG-CBOR of a listing.
    #[error("its listing cannot be read ({0})")]
    Unreadable(String),
    /// A later format.
    #[error("its format is {found}, this release reads {VERSION}: upgrade cidcast")]
    Version {
        /// What it says.
        found: u64,
    },
    /// It lists nothing.
    #[error("it lists no block")]
    Empty,
    /// It lists too much.
    #[error("it lists more than {MAX_SHARDS} shards")]
    TooLong,
}

/// `{v, kind, key, shards}`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadWire {
    v: u64,
    kind: Kind,
    key: ByteArray<8>,
    shards: Vec<Cid>,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "cidcast-sealed")]
    Sealed,
}

/// The sealed blocks so far.
pub(super) struct Index {
    key: SealKeyId,
    parts: Vec<Cid>,
}

/// All blocks of a listing.
pub(super) struct Listing {
    pub(super) root: Cid,
    pub(super) all: Vec<(Cid, Vec<u8>)>,
}

/// What a head says.
pub(super) struct Head {
    pub(super) key: SealKeyId,
    pub(super) shards: Vec<Cid>,
}

/// Reads shards.
pub(super) struct Shard;

impl Index {
    pub(super) fn new(key: SealKeyId) -> Self {
        let parts = Vec::new();
        Self { key, parts }
    }

    pub(super) fn push(&mut self, part: Cid) {
        self.parts.push(part);
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Shards, then the head.
    pub(super) fn blocks(&self) -> Listing {
        let shards = self.parts.chunks(PER_SHARD).map(|parts| block(&parts));
        let mut all: Vec<(Cid, Vec<u8>)> = shards.collect();
        let head = HeadWire {
            v: VERSION,
            kind: Kind::Sealed,
            key: ByteArray::new(self.key.0),
            shards: all.iter().map(|(cid, _)| *cid).collect(),
        };
        let head = block(&head);
        let root = head.0;
        all.push(head);
        Listing { root, all }
    }
}

impl Head {
    pub(super) fn read(data: &Bytes) -> Result<Self, IndexError> {
        let wire: HeadWire = serde_ipld_dagcbor::from_slice(data)
            .map_err(|error| IndexError::Unreadable(error.to_string()))?;
        if wire.v != VERSION {
            return Err(IndexError::Version { found: wire.v });
        }
        match wire.shards.len() {
            0 => Err(IndexError::Empty),
            n if n > MAX_SHARDS => Err(IndexError::TooLong),
            _ => Ok(Self {
                key: SealKeyId(wire.key.into_array()),
                shards: wire.shards,
            }),
        }
    }
}

impl Shard {
    pub(super) fn read(data: &Bytes) -> Result<Vec<Cid>, IndexError> {
        serde_ipld_dagcbor::from_slice(data)
            .map_err(|error| IndexError::Unreadable(error.to_string()))
    }
}

#[expect(
    clippy::expect_used,
    reason = "lists of CIDs and short maps always encode"
)]
fn block(value: &impl Serialize) -> (Cid, Vec<u8>) {
    let data = serde_ipld_dagcbor::to_vec(value).expect("encodes");
    let cid = Cid::new_v1(DAG_CBOR, Code::Sha2_256.digest(&data));
    (cid, data)
}
