//! Block lists: publishers and nodes that a publisher advises against.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use cidcast_types::Timestamp;
use serde_bytes::ByteArray;

use crate::envelope::{Domain, Envelope, Unverified, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::public_key::{NodeId, Publisher};
use crate::secret::SigningKey;
use crate::wire::{BlockListWire, BlockedWire};

/// Largest block list. Nothing larger is parsed.
pub const MAX_BLOCK_LIST_BYTES: usize = 1 << 20;
const DOMAIN: Domain = Domain("cidcast-blocklist-v1");
const MAX_ENTRIES: usize = 10_000;
const MAX_REASON: usize = 200;
const MAX_TITLE: usize = 100;

/// A list with a valid signature of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockList {
    envelope: Envelope,
    author: Publisher,
    content: BlockListDraft,
}

/// A list before it is signed. A later list of the same author and title replaces an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockListDraft {
    /// For people; at most 100 characters, possibly none.
    pub title: String,
    /// When it was made.
    pub at: Timestamp,
    /// Who is blocked, and why (at most 200 characters, possibly none); at most 10,000.
    pub entries: BTreeMap<Blocked, String>,
}

/// Who is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blocked {
    /// Nothing of its feed is taken.
    Publisher(Publisher),
    /// Nothing is taken from it or given to it.
    Node(NodeId),
}

impl BlockList {
    /// Signs a list.
    ///
    /// # Errors
    ///
    /// [`SignError`] names what is out of bounds.
    pub fn sign(key: &SigningKey, draft: BlockListDraft) -> Result<Self, SignError> {
        draft.check()?;
        let author = key.publisher();
        let body = BlockListWire {
            v: VERSION,
            publisher: ByteArray::new(*author.as_bytes()),
            at: draft.at,
            title: draft.title.clone(),
            entries: draft
                .entries
                .iter()
                .map(|(blocked, reason)| BlockedWire::of(*blocked, reason))
                .collect(),
        };
        Ok(Self {
            envelope: Envelope::seal(&body, DOMAIN, key, MAX_BLOCK_LIST_BYTES)?,
            author,
            content: draft,
        })
    }

    /// Reads and verifies bytes from outside.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<BlockListWire>::open(bytes, MAX_BLOCK_LIST_BYTES)?;
        check_version(opened.body.v)?;
        let author = Publisher::from_bytes(opened.body.publisher.as_slice())?;
        opened.check_signature(DOMAIN, &author.0)?;
        let BlockListWire {
            at, title, entries, ..
        } = opened.body;
        field::at_most("entries", &entries, MAX_ENTRIES)?;
        let content = BlockListDraft {
            title,
            at,
            entries: in_order(entries)?,
        };
        content.check()?;
        Ok(Self {
            envelope: Envelope::of(Bytes::copy_from_slice(bytes)),
            author,
            content,
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
    pub fn author(&self) -> Publisher {
        self.author
    }

    /// When, by the author's clock.
    pub fn at(&self) -> Timestamp {
        self.content.at
    }

    /// Its name, for people.
    pub fn title(&self) -> &str {
        &self.content.title
    }

    /// Who is blocked, and why.
    pub fn entries(&self) -> &BTreeMap<Blocked, String> {
        &self.content.entries
    }
}

/// Entries in their one order: publishers, then nodes, each by the bytes of the key.
fn in_order(entries: Vec<BlockedWire>) -> Result<BTreeMap<Blocked, String>, VerifyError> {
    let mut kept = BTreeMap::new();
    for entry in entries {
        let (blocked, reason) = entry.read()?;
        let last = kept.last_key_value().map(|(last, _)| *last);
        field::expect("entries", "in order", last < Some(blocked))?;
        kept.insert(blocked, reason);
    }
    Ok(kept)
}

impl BlockListDraft {
    fn check(&self) -> Checked {
        field::integer("at", self.at.as_millis())?;
        field::text("title", &self.title, MAX_TITLE)?;
        if self.entries.len() > MAX_ENTRIES {
            return field::refuse("entries", field::Problem::TooLong(MAX_ENTRIES));
        }
        self.entries
            .values()
            .try_for_each(|reason| field::text("reason", reason, MAX_REASON))
    }
}
