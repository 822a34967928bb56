//! Messages between members: from bytes to values and back, bounded.
//!
//! One request and one response, each a DAG-CBOR map with one key, the kind, over the protocol
//! `/cidcast/cluster/1` (docs/cluster.md). Signed things travel as the bytes that were signed:
//! nothing here says that they are true. Whoever reads them verifies them.
//!
//! Bounds: the protocol caps the bytes; lists are capped here. Fields and kinds that a later version
//! adds are ignored, or refused as unknown, and do no harm.

mod shape;

use bytes::Bytes;
use cid::Cid;
use cidcast_announce::{NodeId, ParseKeyError};

use crate::event::HoldingsPage;
use shape::{RequestShape, ResponseShape};

/// Most entries in one answer.
pub const MAX_ENTRIES: usize = 1_000;
/// Bytes of entries in one answer; one is sent whatever it has.
pub const MAX_ENTRIES_BYTES: usize = 512 << 10;
/// Most changes in one answer.
pub const MAX_HOLDINGS: usize = 4_096;
/// Most blocks in one challenge.
pub const MAX_CHALLENGED: usize = 64;
/// Bytes of one piece of a block.
pub const MAX_PIECE: usize = 512 << 10;
/// Most members, and most addresses of one, in one answer.
pub const MAX_MEMBERS: usize = 1_024;
/// Most addresses of one member.
pub const MAX_ADDRESSES: usize = 16;
/// Longest address.
pub const MAX_ADDRESS: usize = 512;
/// Longest reason of a refusal, in bytes.
pub const MAX_TEXT: usize = 512;

/// What one member asks of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A heartbeat, and where its sender can be reached.
    Beat {
        /// As it was signed.
        beat: Bytes,
        /// Multiaddresses with `/p2p/…`. At most [`MAX_ADDRESSES`].
        addresses: Vec<String>,
    },
    /// Entries of a log.
    Entries {
        /// Whose.
        author: NodeId,
        /// The number of the first.
        from: u64,
    },
    /// What do you keep?
    Holdings {
        /// Changes after this number.
        after: u64,
    },
    /// Prove that you have these blocks.
    Challenge {
        /// Of which root.
        root: Cid,
        /// Which. At most [`MAX_CHALLENGED`].
        blocks: Vec<Cid>,
        /// What is hashed before each.
        nonce: [u8; 16],
    },
    /// Part of a block.
    Piece {
        /// Of which root.
        root: Cid,
        /// Which block.
        block: Cid,
        /// From this byte on; at most [`MAX_PIECE`].
        from: u64,
    },
    /// You have failed a challenge.
    Accuse {
        /// For which root.
        root: Cid,
    },
    /// Where are the others?
    Addresses,
    /// Let me in.
    Join {
        /// As it was signed.
        invitation: Bytes,
        /// What its sender is called.
        name: String,
        /// Where it can be reached. At most [`MAX_ADDRESSES`].
        addresses: Vec<String>,
    },
    /// Put me out.
    Leave,
}

/// What the other answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done, with nothing to say.
    Done,
    /// To [`Request::Beat`]: the answerer's newest one, as it was signed.
    Beat(Option<Bytes>),
    /// To [`Request::Entries`]: as they were signed, in order.
    Entries(Vec<Bytes>),
    /// To [`Request::Holdings`].
    Holdings(HoldingsPage),
    /// To [`Request::Challenge`]: for each block SHA-256 of nonce and bytes, or nothing if it is not
    /// here.
    Hashes(Vec<Option<[u8; 32]>>),
    /// To [`Request::Piece`].
    Piece {
        /// The bytes. None: the block is not here.
        bytes: Option<Bytes>,
        /// How many the whole block has.
        total: u64,
    },
    /// To [`Request::Addresses`].
    Addresses(Vec<(NodeId, Vec<String>)>),
    /// To [`Request::Join`]: whose logs there are, and how many entries each has.
    Joined(Vec<(NodeId, u64)>),
    /// To a node that was put out: the entries that say so, as they were signed.
    Out(Vec<Bytes>),
    /// No.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// A message that is not one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not DAG-CBOR, or of a kind that this version does not know.
    #[error("the message cannot be read: {0}")]
    Read(String),
    /// A value could not be written.
    #[error("the message cannot be written: {0}")]
    Write(String),
    /// A list or text is longer than the protocol allows.
    #[error("{field} has {len}, at most {limit} are allowed")]
    TooLong {
        /// Which.
        field: &'static str,
        /// What it has.
        len: usize,
        /// What it may have.
        limit: usize,
    },
    /// A key that cannot sign.
    #[error(transparent)]
    Key(#[from] ParseKeyError),
}

impl Request {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        read::<RequestShape>(bytes)?.read()
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`WireError::Write`]
    pub fn encode(self) -> Result<Bytes, WireError> {
        write(&RequestShape::of(self))
    }
}

impl Response {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        read::<ResponseShape>(bytes)?.read()
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`WireError::Write`]
    pub fn encode(self) -> Result<Bytes, WireError> {
        write(&ResponseShape::of(self))
    }

    /// A refusal, its reason cut to what the protocol allows.
    pub fn refused(reason: &dyn std::fmt::Display) -> Self {
        let mut text = reason.to_string();
        while text.len() > MAX_TEXT {
            text.pop();
        }
        Self::Refused { reason: text }
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| WireError::Read(error.to_string()))
}

fn write<T: serde::Serialize>(shape: &T) -> Result<Bytes, WireError> {
    let bytes = serde_ipld_dagcbor::to_vec(shape);
    let bytes = bytes.map_err(|error| WireError::Write(error.to_string()))?;
    Ok(bytes.into())
}

fn at_most(field: &'static str, len: usize, limit: usize) -> Result<(), WireError> {
    if len > limit {
        return Err(WireError::TooLong { field, len, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cidcast_announce::NodeKey;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Holding, HoldingState};

    fn node(n: u8) -> NodeId {
        NodeKey::from_seed([n; 32]).node()
    }

    fn root() -> Cid {
        let cid = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        cid.parse().unwrap()
    }

    fn requests() -> Vec<Request> {
        let addresses = vec!["/ip4/192.0.2.1/tcp/1/p2p/x".to_owned()];
        let bytes = Bytes::from_static(b"signed");
        let block = root();
        vec![
            Request::Beat {
                beat: bytes.clone(),
                addresses: addresses.clone(),
            },
            Request::Entries {
                author: node(1),
                from: 7,
            },
            Request::Holdings { after: 9 },
            Request::Challenge {
                root: root(),
                blocks: vec![block],
                nonce: [3; 16],
            },
            Request::Piece {
                root: root(),
                block,
                from: 5,
            },
            Request::Accuse { root: root() },
            Request::Addresses,
            Request::Join {
                invitation: bytes,
                name: "attic".to_owned(),
                addresses,
            },
            Request::Leave,
        ]
    }

    fn responses() -> Vec<Response> {
        let states = [
            HoldingState::Queued,
            HoldingState::Pinning,
            HoldingState::Pinned { bytes: 12 },
            HoldingState::Failed,
            HoldingState::Refused,
            HoldingState::Gone,
        ];
        let holdings = states.map(|state| Holding {
            root: root(),
            state,
        });
        let bytes = Bytes::from_static(b"bytes");
        vec![
            Response::Done,
            Response::Beat(None),
            Response::Beat(Some(bytes.clone())),
            Response::Entries(vec![bytes.clone()]),
            Response::Holdings(HoldingsPage {
                boot: 1,
                after: 2,
                holdings: holdings.to_vec(),
                up_to: 8,
                more: true,
            }),
            Response::Hashes(vec![None, Some([4; 32])]),
            Response::Piece {
                bytes: Some(bytes.clone()),
                total: 5,
            },
            Response::Addresses(vec![(node(1), vec!["/dns/a/tcp/1/p2p/x".to_owned()])]),
            Response::Joined(vec![(node(1), 3)]),
            Response::Out(vec![bytes]),
            Response::refused(&"no"),
        ]
    }

    #[test]
    fn every_message_reads_back() {
        for request in requests() {
            let bytes = request.clone().encode().unwrap();
            assert_eq!(Request::decode(&bytes).unwrap(), request);
        }
        for response in responses() {
            let bytes = response.clone().encode().unwrap();
            assert_eq!(Response::decode(&bytes).unwrap(), response);
        }
    }

    #[test]
    fn long_lists_are_refused() {
        let long = Request::Challenge {
            root: root(),
            blocks: vec![root(); MAX_CHALLENGED + 1],
            nonce: [0; 16],
        };
        let read = Request::decode(&long.encode().unwrap());
        assert!(matches!(read, Err(WireError::TooLong { .. })));
        let long = Response::Entries(vec![Bytes::new(); MAX_ENTRIES + 1]);
        assert!(Response::decode(&long.encode().unwrap()).is_err());
        let addresses = vec!["x".repeat(MAX_ADDRESS + 1)];
        let long = Response::Addresses(vec![(node(1), addresses)]);
        assert!(Response::decode(&long.encode().unwrap()).is_err());
        let reason = Response::refused(&"é".repeat(MAX_TEXT));
        assert!(Response::decode(&reason.encode().unwrap()).is_ok());
    }

    #[test]
    fn what_a_later_version_says_is_refused_or_read_without_it() {
        assert!(Request::decode(b"\xa1\x65later\xa0").is_err());
        let read = Request::decode(b"\xa1\x68holdings\xa2\x63new\x01\x65after\x09").unwrap();
        assert_eq!(read, Request::Holdings { after: 9 });
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = Request::decode(&bytes);
            let _ = Response::decode(&bytes);
        }

        #[test]
        fn a_damaged_message_is_read_or_refused(which in 0usize..9, at in 0usize..200, flip: u8) {
            let mut bytes = requests().swap_remove(which).encode().unwrap().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let _ = Request::decode(&bytes);
        }
    }
}
