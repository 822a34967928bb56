//! A want, who claims it, and who was asked.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p::PeerId;

use crate::block_id::BlockId;
use crate::command::ClaimId;
use crate::session::{Class, SessionId};

/// Order of urgency: class, then place in the order of need, then age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    class: Class,
    order: u64,
    age: ClaimId,
}

/// Where the priorities of one class end and those of the other begin.
const CLASS_SPAN: i32 = 1 << 30;

impl Rank {
    pub(super) fn new(class: Class, order: u64, age: ClaimId) -> Self {
        Self { class, order, age }
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    /// The priority that peers are told: larger is more urgent.
    pub(super) fn priority(&self) -> i32 {
        let top = match self.class {
            Class::Playback => i32::MAX,
            Class::Replication => CLASS_SPAN - 1,
        };
        let down = i32::try_from(self.order).unwrap_or(i32::MAX);
        top - down.min(CLASS_SPAN - 2)
    }
}

/// One waiting `get`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) id: ClaimId,
    pub(super) session: SessionId,
    pub(super) rank: Rank,
    pub(super) patience: Duration,
    pub(super) since: Instant,
}

/// Where a want is in its life; see [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Queued,
    /// At least one peer was asked for the block and may still give it.
    Placed,
    /// Counted in this session.
    Seeking(SessionId),
    /// In this session's books.
    Parked(SessionId),
    /// Nobody is left to ask.
    Starving,
}

/// What a peer was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Have,
    Block,
}

/// What it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Waiting,
    Has,
    /// It has said no, or given wrong bytes.
    Denied,
    /// Nothing, for too long.
    Silent,
    /// It was disconnected, or is avoided.
    Gone,
}

/// A peer's part in a want.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) answer: Answer,
    pub(super) at: Instant,
    /// When an answer is overdue even if the peer answers others.
    pub(super) due: Instant,
    /// How often it was asked.
    pub(super) tries: u32,
}

impl Asked {
    /// Whether the peer has a block on order.
    pub(super) fn is_live(&self) -> bool {
        self.question == Question::Block && self.answer == Answer::Waiting
    }

    pub(super) fn gone(&mut self) {
        self.answer = Answer::Gone;
    }
}

/// A wanted block.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) cid: Cid,
    pub(super) claims: Vec<Claim>,
    /// Of its most urgent claim.
    pub(super) rank: Rank,
    pub(super) place: Place,
    pub(super) asked: HashMap<PeerId, Asked>,
    /// When it was last asked of a new peer, or a peer said that it has it.
    pub(super) moved: Instant,
    /// When its sessions were last told that nobody is left.
    pub(super) starved: Option<Instant>,
    /// When it was last looked at while seeking.
    pub(super) sought: Instant,
}

impl Want {
    pub(super) fn new(cid: Cid, claim: Claim, now: Instant) -> Self {
        Self {
            cid,
            rank: claim.rank,
            claims: vec![claim],
            place: Place::Queued,
            asked: HashMap::new(),
            moved: now,
            starved: None,
            sought: now,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.asked.values().any(Asked::is_live)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.claims.iter().map(|claim| claim.session)
    }
}

/// Peers that one session keeps in mind. More than a few do not make it faster.
const MAX_USEFUL: usize = 64;
/// A peer that has said no this often in a row has other things than this session wants.
const MAX_DENIALS: u32 = 64;

/// What the client knows of a session.
#[derive(Debug)]
pub(super) struct Party {
    /// Peers that gave blocks, said that they have some, or were named; with the times that each
    /// has said no since.
    pub(super) useful: Vec<(PeerId, u32)>,
    pub(super) parked: BTreeSet<(Rank, BlockId)>,
    pub(super) seeking: usize,
    pub(super) arrived: Instant,
}

impl Party {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            useful: Vec::new(),
            parked: BTreeSet::new(),
            seeking: 0,
            arrived: now,
        }
    }

    /// Remembers a peer, or that it is good after all.
    pub(super) fn add(&mut self, peer: PeerId) {
        if let Some((_, denials)) = self.useful.iter_mut().find(|(there, _)| *there == peer) {
            *denials = 0;
        } else {
            if self.useful.len() >= MAX_USEFUL {
                // The one that has said no most often; the oldest of equals.
                let worst = self.useful.iter().enumerate();
                let worst = worst.max_by_key(|(at, (_, denials))| (*denials, usize::MAX - at));
                if let Some((at, _)) = worst {
                    self.useful.remove(at);
                }
            }
            self.useful.push((peer, 0));
        }
    }

    /// The peer has said no.
    pub(super) fn denied(&mut self, peer: PeerId) {
        if let Some((_, denials)) = self.useful.iter_mut().find(|(there, _)| *there == peer) {
            *denials += 1;
        }
        self.useful.retain(|(_, denials)| *denials < MAX_DENIALS);
    }
}
