//! One entry of a member's log.

use bytes::Bytes;
use cid::Cid;
use serde_bytes::ByteArray;

use super::id::ClusterId;
use super::op::ClusterOp;
use super::stamp::Stamp;
use super::wire::{ClusterOpWire, EntryWire};
use crate::envelope::{Domain, Envelope, Unverified, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::public_key::NodeId;
use crate::secret::NodeKey;

/// Largest entry. Nothing larger is parsed.
pub const MAX_ENTRY_BYTES: usize = 64 << 10;
/// Most operations of one entry.
pub const MAX_ENTRY_OPS: usize = 512;
const DOMAIN: Domain = Domain("cidcast-cluster-log-v1");

/// An entry, with a valid signature of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    envelope: Envelope,
    author: NodeId,
    cluster: ClusterId,
    content: EntryDraft,
}

/// What an entry is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// Which cluster; `None` for the entry that founds one.
    pub cluster: Option<ClusterId>,
    /// Its number in the author's log, from 0.
    pub seq: u64,
    /// The entry before it; `None` for number 0.
    pub prev: Option<Cid>,
    /// Its place among the entries of all members.
    pub at: Stamp,
    /// What it does, in order: 1 to 512.
    pub ops: Vec<ClusterOp>,
}

impl Entry {
    /// Signs an entry.
    ///
    /// # Errors
    ///
    /// [`SignError::Field`] names what is out of bounds, [`SignError::TooLarge`] asks for fewer
    /// operations.
    pub fn sign(key: &NodeKey, draft: EntryDraft) -> Result<Self, SignError> {
        draft.check()?;
        let mut ops = Vec::with_capacity(draft.ops.len());
        for op in &draft.ops {
            match ClusterOpWire::of(op) {
                Some(wire) => ops.push(wire),
                None => field::expect("op", "of a kind that this version writes", false)?,
            }
        }
        let author = key.node();
        let body = EntryWire {
            v: VERSION,
            cluster: draft.cluster.map(|cluster| cluster.cid()),
            author: ByteArray::new(*author.as_bytes()),
            seq: draft.seq,
            prev: draft.prev,
            wall: draft.at.wall,
            count: draft.at.count,
            ops,
        };
        let envelope = Envelope::seal(&body, DOMAIN, key, MAX_ENTRY_BYTES)?;
        Ok(Self {
            cluster: cluster_of(&draft, &envelope)?,
            envelope,
            author,
            content: draft,
        })
    }

    /// Reads and verifies bytes from outside: the only way from bytes to an entry.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<EntryWire>::open(bytes, MAX_ENTRY_BYTES)?;
        check_version(opened.body.v)?;
        let author = NodeId::from_bytes(opened.body.author.as_slice())?;
        opened.check_signature(DOMAIN, &author.0)?;
        let body = opened.body;
        field::at_most("ops", &body.ops, MAX_ENTRY_OPS)?;
        let cluster = body.cluster.map(|cid| {
            field::link("cluster", &cid)?;
            ClusterId::new(cid).ok_or(VerifyError::NotCanonical)
        });
        let ops = body.ops.into_iter().map(ClusterOpWire::read);
        let content = EntryDraft {
            cluster: cluster.transpose()?,
            seq: body.seq,
            prev: body.prev,
            at: Stamp {
                wall: body.wall,
                count: body.count,
            },
            ops: ops.collect::<Result<_, _>>()?,
        };
        content.check()?;
        let envelope = Envelope::of(Bytes::copy_from_slice(bytes));
        Ok(Self {
            cluster: cluster_of(&content, &envelope)?,
            envelope,
            author,
            content,
        })
    }

    /// The canonical bytes, as they travel and are kept.
    pub fn bytes(&self) -> &Bytes {
        self.envelope.bytes()
    }

    /// The CID of the bytes: CIDv1, DAG-CBOR, SHA2-256.
    pub fn cid(&self) -> Cid {
        self.envelope.cid()
    }

    /// Who signed it.
    pub fn author(&self) -> NodeId {
        self.author
    }

    /// Which cluster it belongs to; the one that it founds, if it does.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Whether it founds its cluster.
    pub fn is_genesis(&self) -> bool {
        self.content.cluster.is_none()
    }

    /// Its number in the author's log.
    pub fn seq(&self) -> u64 {
        self.content.seq
    }

    /// The entry before it.
    pub fn prev(&self) -> Option<Cid> {
        self.content.prev
    }

    /// Its place among the entries of all members.
    pub fn at(&self) -> Stamp {
        self.content.at
    }

    /// What it does, in order.
    pub fn ops(&self) -> &[ClusterOp] {
        &self.content.ops
    }
}

/// A genesis is named by its own CID.
fn cluster_of(content: &EntryDraft, envelope: &Envelope) -> Checked<ClusterId> {
    let cluster = content.cluster.or_else(|| ClusterId::new(envelope.cid()));
    match cluster {
        Some(cluster) => Ok(cluster),
        None => field::refuse("cluster", field::Problem::Expected("the CID of an entry")),
    }
}

impl EntryDraft {
    fn check(&self) -> Checked {
        field::integer("seq", self.seq)?;
        field::integer("wall", self.at.wall.as_millis())?;
        let holds = (self.seq == 0) == self.prev.is_none();
        field::expect("prev", "there for all but the first entry", holds)?;
        if let Some(prev) = &self.prev {
            field::link("prev", prev)?;
        }
        field::expect("ops", "at least one operation", !self.ops.is_empty())?;
        field::at_most("ops", &self.ops, MAX_ENTRY_OPS)?;
        let founds = |op: &ClusterOp| matches!(op, ClusterOp::Found { .. });
        let first = usize::from(self.ops.first().is_some_and(founds));
        let all = self.ops.iter().filter(|op| founds(op)).count();
        let is_genesis = self.cluster.is_none();
        let holds = all == first && (first == 1) == is_genesis && (!is_genesis || self.seq == 0);
        field::expect("found", "first in the entry that founds a cluster", holds)?;
        self.ops.iter().try_for_each(ClusterOp::check)
    }
}
