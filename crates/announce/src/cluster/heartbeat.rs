//! What a member says of itself every few seconds.

use bytes::Bytes;
use cid::Cid;
use cidcast_types::Timestamp;
use serde_bytes::ByteArray;

use super::id::ClusterId;
use super::wire::{HeartbeatWire, TipWire};
use crate::envelope::{Domain, Envelope, Unverified, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::public_key::NodeId;
use crate::secret::NodeKey;

/// Largest heartbeat. Nothing larger is parsed.
pub const MAX_HEARTBEAT_BYTES: usize = 32 << 10;
/// Most logs that it names.
pub const MAX_TIPS: usize = 256;
const DOMAIN: Domain = Domain("cidcast-cluster-heartbeat-v1");

/// A heartbeat, with a valid signature of the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    envelope: Envelope,
    node: NodeId,
    content: HeartbeatDraft,
}

/// What a heartbeat is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatDraft {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Which run of the program: grows with every start.
    pub boot: u64,
    /// Which heartbeat of this run, from 0: an older one says nothing new.
    pub number: u64,
    /// When, by the member's clock. For people: nothing depends on it.
    pub at: Timestamp,
    /// Bytes that it offers the cluster in all.
    pub capacity: u64,
    /// Bytes of them that are not used.
    pub free: u64,
    /// Roots that it keeps for the cluster.
    pub pins: u64,
    /// Bytes that these have.
    pub bytes: u64,
    /// Number of the newest change of what it keeps, in this run: whoever has seen fewer asks.
    pub changes: u64,
    /// The newest entry that it has of each log, in the order of the authors' keys: up to 256.
    pub tips: Vec<Tip>,
    /// The newest version of the cluster's protocol that it speaks.
    pub protocol: u32,
}

/// The newest entry of a log that somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tip {
    /// Whose log.
    pub author: NodeId,
    /// The entry's number.
    pub seq: u64,
    /// Its CID.
    pub cid: Cid,
}

impl Heartbeat {
    /// Signs a heartbeat.
    ///
    /// # Errors
    ///
    /// [`SignError::Field`] names what is out of bounds.
    pub fn sign(key: &NodeKey, draft: HeartbeatDraft) -> Result<Self, SignError> {
        draft.check()?;
        let node = key.node();
        let tips = draft.tips.iter().map(|tip| TipWire {
            author: ByteArray::new(*tip.author.as_bytes()),
            seq: tip.seq,
            cid: tip.cid,
        });
        let body = HeartbeatWire {
            v: VERSION,
            cluster: draft.cluster.cid(),
            node: ByteArray::new(*node.as_bytes()),
            boot: draft.boot,
            number: draft.number,
            at: draft.at,
            capacity: draft.capacity,
            free: draft.free,
            pins: draft.pins,
            bytes: draft.bytes,
            changes: draft.changes,
            tips: tips.collect(),
            protocol: draft.protocol,
        };
        Ok(Self {
            envelope: Envelope::seal(&body, DOMAIN, key, MAX_HEARTBEAT_BYTES)?,
            node,
            content: draft,
        })
    }

    /// Reads and verifies bytes from outside.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<HeartbeatWire>::open(bytes, MAX_HEARTBEAT_BYTES)?;
        check_version(opened.body.v)?;
        let node = NodeId::from_bytes(opened.body.node.as_slice())?;
        opened.check_signature(DOMAIN, &node.0)?;
        let body = opened.body;
        field::at_most("tips", &body.tips, MAX_TIPS)?;
        let tips = body.tips.into_iter().map(|tip| {
            Ok(Tip {
                author: NodeId::from_bytes(tip.author.as_slice())?,
                seq: tip.seq,
                cid: tip.cid,
            })
        });
        field::link("cluster", &body.cluster)?;
        let content = HeartbeatDraft {
            cluster: ClusterId::new(body.cluster).ok_or(VerifyError::NotCanonical)?,
            boot: body.boot,
            number: body.number,
            at: body.at,
            capacity: body.capacity,
            free: body.free,
            pins: body.pins,
            bytes: body.bytes,
            changes: body.changes,
            tips: tips.collect::<Result<_, VerifyError>>()?,
            protocol: body.protocol,
        };
        content.check()?;
        Ok(Self {
            envelope: Envelope::of(Bytes::copy_from_slice(bytes)),
            node,
            content,
        })
    }

    /// The canonical bytes, as they travel.
    pub fn bytes(&self) -> &Bytes {
        self.envelope.bytes()
    }

    /// Who signed it.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What it says.
    pub fn says(&self) -> &HeartbeatDraft {
        &self.content
    }
}

impl HeartbeatDraft {
    fn check(&self) -> Checked {
        field::integer("boot", self.boot)?;
        field::integer("number", self.number)?;
        field::integer("at", self.at.as_millis())?;
        field::integer("capacity", self.capacity)?;
        field::integer("free", self.free)?;
        field::integer("pins", self.pins)?;
        field::integer("bytes", self.bytes)?;
        field::integer("changes", self.changes)?;
        field::at_most("tips", &self.tips, MAX_TIPS)?;
        let order = |pair: &[Tip]| match pair {
            [first, second] => first.author < second.author,
            _ => true,
        };
        let sorted = self.tips.windows(2).all(order);
        field::expect("tips", "one for each author, in order", sorted)?;
        self.tips.iter().try_for_each(|tip| {
            field::integer("seq", tip.seq)?;
            field::link("cid", &tip.cid)
        })
    }
}
