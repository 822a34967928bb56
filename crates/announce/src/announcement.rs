//! The verified announcement.

use bytes::Bytes;
use cid::Cid;
use cidcast_types::Timestamp;
use serde_bytes::ByteArray;

use crate::envelope::{self, Domain, Envelope, Unverified};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::op::{MAX_OPS, Op};
use crate::public_key::Publisher;
use crate::secret::SigningKey;
use crate::wire::{BodyWire, OpWire};

/// Largest announcement, with its signature. Nothing larger is parsed.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 64 << 10;
/// The version of the format that this crate reads and writes.
pub const VERSION: u64 = envelope::VERSION;

const DOMAIN: Domain = Domain("cidcast-announcement-v1");
/// How far ahead of the reader's clock an announcement may be: a day, which no honest clock is
/// off by.
const MAX_AHEAD: std::time::Duration = std::time::Duration::from_hours(24);

/// A batch of operations by one publisher, in sequence, with a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    envelope: Envelope,
    publisher: Publisher,
    content: Draft,
}

/// What an announcement says, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its number in the feed: 0, then one more each time.
    pub seq: u64,
    /// The CID of the announcement before it; none for number 0 only.
    pub prev: Option<Cid>,
    /// When it was made.
    pub at: Timestamp,
    /// 1 to 1024 operations, in order.
    pub ops: Vec<Op>,
}

impl Announcement {
    /// Signs `draft`.
    ///
    /// # Errors
    ///
    /// [`SignError::Field`] names what is out of bounds, [`SignError::TooLarge`] asks for fewer
    /// operations in one announcement.
    pub fn sign(key: &SigningKey, draft: Draft) -> Result<Self, SignError> {
        draft.check()?;
        let mut ops = Vec::with_capacity(draft.ops.len());
        for op in &draft.ops {
            op.check()?;
            match OpWire::of(op) {
                Some(wire) => ops.push(wire),
                None => field::expect("op", "of a kind that this version writes", false)?,
            }
        }
        let publisher = key.publisher();
        let body = BodyWire {
            v: VERSION,
            publisher: ByteArray::new(*publisher.as_bytes()),
            seq: draft.seq,
            prev: draft.prev,
            at: draft.at,
            ops,
        };
        Ok(Self {
            envelope: Envelope::seal(&body, DOMAIN, key, MAX_ANNOUNCEMENT_BYTES)?,
            publisher,
            content: draft,
        })
    }

    /// Reads and verifies bytes from outside: the only way from bytes to an announcement.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first: size, shape, spelling, version,
    /// fields, signer, signature.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<BodyWire>::open(bytes, MAX_ANNOUNCEMENT_BYTES)?;
        envelope::check_version(opened.body.v)?;
        let publisher = Publisher::from_bytes(opened.body.publisher.as_slice())?;
        // Before the fields: what the signer did not write needs no second look.
        opened.check_signature(DOMAIN, &publisher.0)?;
        let BodyWire {
            seq, prev, at, ops, ..
        } = opened.body;
        field::at_most("ops", &ops, MAX_OPS)?;
        let content = Draft {
            seq,
            prev,
            at,
            ops: ops.into_iter().map(OpWire::read).collect::<Checked<_>>()?,
        };
        content.check()?;
        Ok(Self {
            envelope: Envelope::of(Bytes::copy_from_slice(bytes)),
            publisher,
            content,
        })
    }

    /// The signed bytes and their CID.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
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
    pub fn publisher(&self) -> Publisher {
        self.publisher
    }

    /// Its number in the feed.
    pub fn seq(&self) -> u64 {
        self.content.seq
    }

    /// The announcement before it.
    pub fn prev(&self) -> Option<Cid> {
        self.content.prev
    }

    /// When it was made, by the publisher's clock.
    pub fn at(&self) -> Timestamp {
        self.content.at
    }

    /// What it says, in order.
    pub fn ops(&self) -> &[Op] {
        &self.content.ops
    }

    /// Whether it claims to be from more than a day after `now`: such a one is refused until its
    /// time has come.
    pub fn is_future(&self, now: Timestamp) -> bool {
        self.at() > now.after(MAX_AHEAD)
    }
}

impl Draft {
    fn check(&self) -> Checked {
        field::integer("seq", self.seq)?;
        field::integer("at", self.at.as_millis())?;
        field::expect(
            "prev",
            "there for all but the first announcement",
            (self.seq == 0) == self.prev.is_none(),
        )?;
        if let Some(prev) = &self.prev {
            field::link("prev", prev)?;
        }
        field::expect("ops", "at least one operation", !self.ops.is_empty())?;
        field::at_most("ops", &self.ops, MAX_OPS)?;
        for op in &self.ops {
            if let Op::Snapshot(snapshot) = op {
                let earlier = snapshot.seq < self.seq;
                field::expect("snapshot", "of an earlier number", earlier)?;
            }
        }
        Ok(())
    }
}
