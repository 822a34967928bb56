//! A feed: all announcements of one publisher, in order, and the state they add up to.

use std::collections::BTreeMap;

use cid::Cid;

use crate::announcement::Announcement;
use crate::chain::{self, Head, Place};
use crate::op::{Op, Snapshot};
use crate::public_key::Publisher;
use crate::segment::{SegmentBlock, SegmentWriter, SnapshotState};
use crate::state::State;
use crate::{FieldError, SignError};

/// Most forks that are remembered: one is enough to distrust a publisher, and a malicious one can
/// sign as many as it likes.
const MAX_FORKS: usize = 16;

/// A feed in memory. A database does the same with [`chain::place`] and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    publisher: Publisher,
    /// The CID of every announcement that was applied.
    held: BTreeMap<u64, Cid>,
    state: State,
    snapshot: Option<Snapshot>,
    forks: Vec<Fork>,
}

/// Evidence of a second history: the publisher is dishonest, or its key is on two hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The number that two announcements have.
    pub seq: u64,
    /// The CID of the one that is held.
    pub held: Cid,
    /// The other one, or the one behind it.
    pub other: Announcement,
}

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is part of the feed now.
    Applied,
    /// It was already: nothing changed.
    Duplicate,
    /// Others before it are missing: nothing changed.
    Gap {
        /// The last number that is held.
        have: Option<u64>,
        /// The number that came.
        got: u64,
    },
    /// It contradicts what is held. The state did not change; the evidence is kept.
    Fork {
        /// The number at which the histories part.
        seq: u64,
    },
    /// It is older than the snapshot that this feed began with: nothing changed.
    BeforeStart,
    /// It is of another publisher: nothing changed.
    OtherPublisher,
}

impl Feed {
    /// The empty feed of `publisher`.
    pub fn new(publisher: Publisher) -> Self {
        Self {
            publisher,
            held: BTreeMap::new(),
            state: State::default(),
            snapshot: None,
            forks: Vec::new(),
        }
    }

    /// A feed that begins where a snapshot ends.
    pub fn from_snapshot(snapshot: SnapshotState) -> Self {
        let SnapshotState {
            publisher,
            head,
            state,
        } = snapshot;
        Self {
            held: BTreeMap::from([(head.seq, head.cid)]),
            state,
            ..Self::new(publisher)
        }
    }

    /// Takes the next announcement; whatever else it is given changes no state.
    pub fn apply(&mut self, announcement: &Announcement) -> Step {
        if announcement.publisher() != self.publisher {
            return Step::OtherPublisher;
        }
        let held = |seq| self.held.get(&seq).copied();
        match chain::place(self.head(), held, announcement) {
            Place::Next => {
                self.accept(announcement);
                Step::Applied
            }
            Place::Duplicate => Step::Duplicate,
            Place::Gap { have, got } => Step::Gap { have, got },
            Place::BeforeStart => Step::BeforeStart,
            Place::Fork { seq } => {
                self.keep_evidence(seq, announcement);
                Step::Fork { seq }
            }
        }
    }

    fn accept(&mut self, announcement: &Announcement) {
        self.held.insert(announcement.seq(), announcement.cid());
        self.state.apply(announcement);
        for op in announcement.ops() {
            if let Op::Snapshot(snapshot) = op {
                self.snapshot = Some(snapshot.clone());
            }
        }
    }

    fn keep_evidence(&mut self, seq: u64, other: &Announcement) {
        let known = self.forks.iter().any(|fork| fork.other == *other);
        if known || self.forks.len() >= MAX_FORKS {
            return;
        }
        if let Some(held) = self.held.get(&seq).copied() {
            self.forks.push(Fork {
                seq,
                held,
                other: other.clone(),
            });
        }
    }

    /// Whose feed it is.
    pub fn publisher(&self) -> Publisher {
        self.publisher
    }

    /// The last announcement that was applied.
    pub fn head(&self) -> Option<Head> {
        let (seq, cid) = self.held.last_key_value()?;
        Some(Head {
            seq: *seq,
            cid: *cid,
        })
    }

    /// What the announcements add up to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The newest snapshot that was announced.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The evidence against the publisher; at most 16 pieces.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The state now, as an operation for the next announcement and the blocks that it links.
    /// `None`: nothing was announced yet.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the state needs more segments than an operation links.
    pub fn to_snapshot(&self) -> Result<Option<(Snapshot, Vec<SegmentBlock>)>, SignError> {
        let Some(head) = self.head() else {
            return Ok(None);
        };
        let mut writer = SegmentWriter::new(self.publisher);
        let mut blocks = Vec::new();
        for entry in self.state.entries() {
            blocks.extend(writer.push(entry)?);
        }
        blocks.extend(writer.finish()?);
        let snapshot = Snapshot {
            seq: head.seq,
            head: head.cid,
            segments: blocks.iter().map(|block| block.cid).collect(),
        };
        let check: Result<(), FieldError> = snapshot.check();
        check?;
        Ok(Some((snapshot, blocks)))
    }
}
