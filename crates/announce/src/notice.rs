//! Notices: what a node tells a publisher's nodes about the publisher's assets.

use bytes::Bytes;
use cid::Cid;
use cidcast_types::{AssetId, RenditionName, RootCid, Timestamp};
use serde_bytes::ByteArray;

use crate::day::Day;
use crate::envelope::{Domain, Envelope, Unverified, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::public_key::{NodeId, Publisher};
use crate::secret::NodeKey;
use crate::wire::{NoticeWire, SaysWire};

/// Largest notice. Nothing larger is parsed.
pub const MAX_NOTICE_BYTES: usize = 4 << 10;
const DOMAIN: Domain = Domain("cidcast-notice-v1");
/// Most renditions that a replica names.
const MAX_RENDITIONS: usize = 32;

/// What a node says, with a valid signature of the node's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    envelope: Envelope,
    node: NodeId,
    at: Timestamp,
    says: Says,
}

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Says {
    /// The node holds a copy.
    Replica {
        /// Whose asset.
        publisher: Publisher,
        /// Which.
        asset: AssetId,
        /// The package that it holds.
        root: RootCid,
        /// How much of it.
        holds: Holds,
        /// The notice is void after this time, unless it is renewed.
        until: Timestamp,
    },
    /// The node holds no copy any longer.
    ReplicaWithdrawn {
        /// Whose asset.
        publisher: Publisher,
        /// Which.
        asset: AssetId,
        /// The package that it held.
        root: RootCid,
    },
    /// The node has seen a retraction.
    RetractionAck {
        /// Whose asset.
        publisher: Publisher,
        /// Which.
        asset: AssetId,
        /// Number of the announcement that retracts it.
        seq: u64,
        /// What the node did.
        outcome: Outcome,
    },
    /// How often the asset was played from this node on a day. A later notice for the same day
    /// replaces an earlier one.
    Views {
        /// Whose asset.
        publisher: Publisher,
        /// Which.
        asset: AssetId,
        /// Which day.
        day: Day,
        /// How often.
        count: u64,
    },
    /// The node follows the publisher.
    Follow {
        /// Who is followed.
        publisher: Publisher,
        /// Who follows, if the node has a publisher of its own. A claim: believe it if that
        /// publisher's profile names the node.
        by: Option<Publisher>,
    },
    /// The node does not follow the publisher any longer.
    Unfollow {
        /// Who was followed.
        publisher: Publisher,
    },
}

/// How much of a package a replica holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of it.
    All,
    /// These renditions and all small files; 1 to 32, in the order of the package.
    Only(Vec<RenditionName>),
}

/// What became of a copy when its asset was retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone.
    Deleted,
    /// It is neither listed nor found any longer, but its blocks are kept.
    Unindexed,
    /// The operator keeps it.
    Kept,
}

impl Notice {
    /// Signs a notice.
    ///
    /// # Errors
    ///
    /// [`SignError::Field`] names what is out of bounds.
    pub fn sign(key: &NodeKey, at: Timestamp, says: Says) -> Result<Self, SignError> {
        field::integer("at", at.as_millis())?;
        says.check()?;
        let node = key.node();
        let body = NoticeWire {
            v: VERSION,
            node: ByteArray::new(*node.as_bytes()),
            at,
            says: SaysWire::of(&says),
        };
        Ok(Self {
            envelope: Envelope::seal(&body, DOMAIN, key, MAX_NOTICE_BYTES)?,
            node,
            at,
            says,
        })
    }

    /// Reads and verifies bytes from outside.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<NoticeWire>::open(bytes, MAX_NOTICE_BYTES)?;
        check_version(opened.body.v)?;
        let node = NodeId::from_bytes(opened.body.node.as_slice())?;
        opened.check_signature(DOMAIN, &node.0)?;
        let at = opened.body.at;
        field::integer("at", at.as_millis())?;
        let says = opened.body.says.read()?;
        says.check()?;
        Ok(Self {
            envelope: Envelope::of(Bytes::copy_from_slice(bytes)),
            node,
            at,
            says,
        })
    }

    /// The canonical bytes, as they travel and are kept.
    pub fn bytes(&self) -> &Bytes {
        self.envelope.bytes()
    }

    /// The CID of the bytes.
    pub fn cid(&self) -> Cid {
        self.envelope.cid()
    }

    /// Who signed it.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// When, by the node's clock.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What it says.
    pub fn says(&self) -> &Says {
        &self.says
    }
}

impl Says {
    /// The publisher that it is for.
    pub fn publisher(&self) -> Publisher {
        match self {
            Self::Replica { publisher, .. }
            | Self::ReplicaWithdrawn { publisher, .. }
            | Self::RetractionAck { publisher, .. }
            | Self::Views { publisher, .. }
            | Self::Follow { publisher, .. }
            | Self::Unfollow { publisher } => *publisher,
        }
    }

    fn check(&self) -> Checked {
        match self {
            Self::Replica {
                root, holds, until, ..
            } => {
                field::root("root", &root.cid())?;
                field::integer("until", until.as_millis())?;
                match holds {
                    Holds::All => Ok(()),
                    Holds::Only(renditions) => {
                        let some = !renditions.is_empty();
                        field::expect("renditions", "at least one", some)?;
                        field::at_most("renditions", renditions, MAX_RENDITIONS)
                    }
                }
            }
            Self::ReplicaWithdrawn { root, .. } => field::root("root", &root.cid()),
            Self::RetractionAck { seq, .. } => field::integer("seq", *seq),
            Self::Views { count, .. } => field::integer("count", *count),
            Self::Follow { .. } | Self::Unfollow { .. } => Ok(()),
        }
    }
}
