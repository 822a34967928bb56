//! The body of a block list.

use cidcast_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::block_list::Blocked;
use crate::error::VerifyError;
use crate::field::{Problem, refuse};
use crate::public_key::{NodeId, Publisher};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockListWire {
    pub(crate) v: u64,
    pub(crate) publisher: ByteArray<32>,
    pub(crate) at: Timestamp,
    pub(crate) title: String,
    pub(crate) entries: Vec<BlockedWire>,
}

/// Either a publisher or a node.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockedWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publisher: Option<ByteArray<32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<ByteArray<32>>,
    reason: String,
}

impl BlockedWire {
    pub(crate) fn of(blocked: Blocked, reason: &str) -> Self {
        let (publisher, node) = match blocked {
            Blocked::Publisher(key) => (Some(ByteArray::new(*key.as_bytes())), None),
            Blocked::Node(key) => (None, Some(ByteArray::new(*key.as_bytes()))),
        };
        Self {
            publisher,
            node,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn read(self) -> Result<(Blocked, String), VerifyError> {
        let blocked = match (self.publisher, self.node) {
            (Some(key), None) => Blocked::Publisher(Publisher::from_bytes(key.as_slice())?),
            (None, Some(key)) => Blocked::Node(NodeId::from_bytes(key.as_slice())?),
            _ => refuse(
                "entries",
                Problem::Expected("either a publisher or a node each"),
            )?,
        };
        Ok((blocked, self.reason))
    }
}
