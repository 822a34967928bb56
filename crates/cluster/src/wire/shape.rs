//! The messages as DAG-CBOR has them. CIDs are links, keys and hashes byte strings.

use bytes::Bytes;
use cid::Cid;
use cidcast_announce::NodeId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    MAX_ADDRESS, MAX_ADDRESSES, MAX_CHALLENGED, MAX_ENTRIES, MAX_HOLDINGS, MAX_MEMBERS, MAX_PIECE,
    MAX_TEXT, Request, Response, WireError, at_most,
};
use crate::event::{Holding, HoldingState, HoldingsPage};

type Key = ByteArray<32>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RequestShape {
    Beat {
        beat: Bytes,
        addresses: Vec<String>,
    },
    Entries {
        author: Key,
        from: u64,
    },
    Holdings {
        after: u64,
    },
    Challenge {
        root: Cid,
        blocks: Vec<Cid>,
        nonce: ByteArray<16>,
    },
    Piece {
        root: Cid,
        block: Cid,
        from: u64,
    },
    Accuse {
        root: Cid,
    },
    Addresses(Nothing),
    Join {
        invitation: Bytes,
        name: String,
        addresses: Vec<String>,
    },
    Leave(Nothing),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResponseShape {
    Done(Nothing),
    Beat {
        beat: Option<Bytes>,
    },
    Entries {
        entries: Vec<Bytes>,
    },
    Holdings {
        boot: u64,
        after: u64,
        holdings: Vec<(Cid, StateShape, u64)>,
        up_to: u64,
        more: bool,
    },
    Hashes {
        hashes: Vec<Option<Key>>,
    },
    Piece {
        bytes: Option<Bytes>,
        total: u64,
    },
    Addresses {
        members: Vec<(Key, Vec<String>)>,
    },
    Joined {
        logs: Vec<(Key, u64)>,
    },
    Out {
        entries: Vec<Bytes>,
    },
    Refused {
        reason: String,
    },
}

/// A map without content.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

/// With it go the bytes; 0 unless it is pinned.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StateShape {
    Queued,
    Pinning,
    Pinned,
    Failed,
    Refused,
    Gone,
}

impl RequestShape {
    pub(super) fn of(request: Request) -> Self {
        match request {
            Request::Beat { beat, addresses } => Self::Beat { beat, addresses },
            Request::Entries { author, from } => Self::Entries {
                author: key(&author),
                from,
            },
            Request::Holdings { after } => Self::Holdings { after },
            Request::Challenge {
                root,
                blocks,
                nonce,
            } => Self::Challenge {
                root,
                blocks,
                nonce: ByteArray::new(nonce),
            },
            Request::Piece { root, block, from } => Self::Piece { root, block, from },
            Request::Accuse { root } => Self::Accuse { root },
            Request::Addresses => Self::Addresses(Nothing {}),
            Request::Join {
                invitation,
                name,
                addresses,
            } => Self::Join {
                invitation,
                name,
                addresses,
            },
            Request::Leave => Self::Leave(Nothing {}),
        }
    }

    pub(super) fn read(self) -> Result<Request, WireError> {
        Ok(match self {
            Self::Beat { beat, addresses } => Request::Beat {
                beat,
                addresses: addresses_of_one(addresses)?,
            },
            Self::Entries { author, from } => Request::Entries {
                author: node(&author)?,
                from,
            },
            Self::Holdings { after } => Request::Holdings { after },
            Self::Challenge {
                root,
                blocks,
                nonce,
            } => {
                at_most("blocks", blocks.len(), MAX_CHALLENGED)?;
                Request::Challenge {
                    root,
                    blocks,
                    nonce: nonce.into_array(),
                }
            }
            Self::Piece { root, block, from } => Request::Piece { root, block, from },
            Self::Accuse { root } => Request::Accuse { root },
            Self::Addresses(_) => Request::Addresses,
            Self::Join {
                invitation,
                name,
                addresses,
            } => {
                at_most("name", name.len(), MAX_TEXT)?;
                Request::Join {
                    invitation,
                    name,
                    addresses: addresses_of_one(addresses)?,
                }
            }
            Self::Leave(_) => Request::Leave,
        })
    }
}

impl ResponseShape {
    pub(super) fn of(response: Response) -> Self {
        match response {
            Response::Done => Self::Done(Nothing {}),
            Response::Beat(beat) => Self::Beat { beat },
            Response::Entries(entries) => Self::Entries { entries },
            Response::Holdings(page) => Self::Holdings {
                boot: page.boot,
                after: page.after,
                holdings: page.holdings.iter().map(state).collect(),
                up_to: page.up_to,
                more: page.more,
            },
            Response::Hashes(hashes) => Self::Hashes {
                hashes: hashes
                    .into_iter()
                    .map(|hash| hash.map(ByteArray::new))
                    .collect(),
            },
            Response::Piece { bytes, total } => Self::Piece { bytes, total },
            Response::Addresses(members) => Self::Addresses {
                members: members
                    .into_iter()
                    .map(|(member, addresses)| (key(&member), addresses))
                    .collect(),
            },
            Response::Joined(logs) => Self::Joined {
                logs: logs
                    .iter()
                    .map(|(author, count)| (key(author), *count))
                    .collect(),
            },
            Response::Out(entries) => Self::Out { entries },
            Response::Refused { reason } => Self::Refused { reason },
        }
    }

    pub(super) fn read(self) -> Result<Response, WireError> {
        Ok(match self {
            Self::Done(_) => Response::Done,
            Self::Beat { beat } => Response::Beat(beat),
            Self::Entries { entries } => {
                at_most("entries", entries.len(), MAX_ENTRIES)?;
                Response::Entries(entries)
            }
            Self::Holdings {
                boot,
                after,
                holdings,
                up_to,
                more,
            } => {
                at_most("holdings", holdings.len(), MAX_HOLDINGS)?;
                Response::Holdings(HoldingsPage {
                    boot,
                    after,
                    holdings: holdings.into_iter().map(holding).collect(),
                    up_to,
                    more,
                })
            }
            Self::Hashes { hashes } => {
                at_most("hashes", hashes.len(), MAX_CHALLENGED)?;
                let hashes = hashes.into_iter();
                Response::Hashes(hashes.map(|hash| hash.map(ByteArray::into_array)).collect())
            }
            Self::Piece { bytes, total } => {
                at_most("bytes", bytes.as_ref().map_or(0, Bytes::len), MAX_PIECE)?;
                Response::Piece { bytes, total }
            }
            Self::Addresses { members } => {
                at_most("members", members.len(), MAX_MEMBERS)?;
                let members = members.into_iter();
                let members = members.map(|(member, addresses)| {
                    Ok::<_, WireError>((node(&member)?, addresses_of_one(addresses)?))
                });
                Response::Addresses(members.collect::<Result<_, _>>()?)
            }
            Self::Joined { logs } => {
                at_most("logs", logs.len(), MAX_MEMBERS)?;
                let logs = logs.iter();
                let logs = logs.map(|(author, count)| Ok::<_, WireError>((node(author)?, *count)));
                Response::Joined(logs.collect::<Result<_, _>>()?)
            }
            Self::Out { entries } => {
                at_most("entries", entries.len(), MAX_ENTRIES)?;
                Response::Out(entries)
            }
            Self::Refused { reason } => {
                at_most("reason", reason.len(), MAX_TEXT)?;
                Response::Refused { reason }
            }
        })
    }
}

fn addresses_of_one(addresses: Vec<String>) -> Result<Vec<String>, WireError> {
    at_most("addresses", addresses.len(), MAX_ADDRESSES)?;
    for address in &addresses {
        at_most("address", address.len(), MAX_ADDRESS)?;
    }
    Ok(addresses)
}

fn state(holding: &Holding) -> (Cid, StateShape, u64) {
    let (state, bytes) = match holding.state {
        HoldingState::Queued => (StateShape::Queued, 0),
        HoldingState::Pinning => (StateShape::Pinning, 0),
        HoldingState::Pinned { bytes } => (StateShape::Pinned, bytes),
        HoldingState::Failed => (StateShape::Failed, 0),
        HoldingState::Refused => (StateShape::Refused, 0),
        HoldingState::Gone => (StateShape::Gone, 0),
    };
    (holding.root, state, bytes)
}

fn holding((root, state, bytes): (Cid, StateShape, u64)) -> Holding {
    let state = match state {
        StateShape::Queued => HoldingState::Queued,
        StateShape::Pinning => HoldingState::Pinning,
        StateShape::Pinned => HoldingState::Pinned { bytes },
        StateShape::Failed => HoldingState::Failed,
        StateShape::Refused => HoldingState::Refused,
        StateShape::Gone => HoldingState::Gone,
    };
    Holding { root, state }
}

fn key(node: &NodeId) -> Key {
    ByteArray::new(*node.as_bytes())
}

fn node(key: &Key) -> Result<NodeId, WireError> {
    Ok(NodeId::from_bytes(key.as_slice())?)
}
