//! What is known of one root.

use cidcast_announce::NodeId;
use cidcast_announce::cluster::PinAudience;
use cidcast_types::Timestamp;

use crate::event::HoldingState;
use crate::pinset::RootId;

/// What is known of one root.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    pub(super) local: Local,
    /// Whether every block of it was here once, since it was let go last.
    pub(super) was_whole: bool,
    /// What others say of it.
    pub(super) others: Vec<Held>,
    /// Who is to keep it.
    pub(super) allocated: Vec<NodeId>,
    /// Since when everyone who is to keep it does, while this member does so in addition.
    pub(super) surplus_since: Option<Timestamp>,
    /// Its place in the queue.
    pub(super) turn: Option<Turn>,
    /// When it is to be looked at again.
    pub(super) timer: Option<Timestamp>,
    /// Whom the store was told to give its blocks to.
    pub(super) audience: Option<PinAudience>,
    /// Number of its newest change here.
    pub(super) changed: u64,
    pub(super) standing: Standing,
}

/// What one other member says of a root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) node: NodeId,
    pub(super) state: HoldingState,
    /// It has failed a challenge since it said so.
    pub(super) is_suspect: bool,
    pub(super) proof: Option<Proved>,
}

/// The last proof that a member has a root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proved {
    pub(super) at: Timestamp,
    /// Bytes of all proofs.
    pub(super) bytes: u64,
}

/// Where a root stands here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Local {
    /// Not kept, and not to be.
    #[default]
    None,
    /// To be kept; waits for its turn.
    Wanted,
    /// On its way.
    Running { bytes: u64 },
    /// Kept.
    Held { bytes: u64 },
    /// Kept, but in doubt: being hashed again.
    Doubted { bytes: u64 },
    /// The last attempt failed, the first of them then.
    Failing { since: Timestamp, error: String },
    /// Cannot be kept: no room, or not to be had. Tried again at that time.
    Refused {
        retry_at: Option<Timestamp>,
        error: String,
    },
}

/// Place in the queue: fewest copies first, then the highest priority, then the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) copies: usize,
    pub(super) unimportance: u8,
    pub(super) id: RootId,
}

/// How well a root is kept, for the totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) is_pinned: bool,
    pub(super) copies: usize,
    /// Fewer are too few.
    pub(super) needed: usize,
    /// That many there should be.
    pub(super) wanted: usize,
}

impl Local {
    /// As others are told.
    pub(super) fn told(&self) -> HoldingState {
        match self {
            Self::None => HoldingState::Gone,
            Self::Wanted => HoldingState::Queued,
            Self::Running { .. } => HoldingState::Pinning,
            Self::Held { bytes } => HoldingState::Pinned { bytes: *bytes },
            Self::Doubted { .. } | Self::Failing { .. } => HoldingState::Failed,
            Self::Refused { .. } => HoldingState::Refused,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

impl Track {
    pub(super) fn held_by(&self, node: &NodeId) -> Option<&Held> {
        self.others.iter().find(|held| held.node == *node)
    }

    pub(super) fn held_by_mut(&mut self, node: &NodeId) -> Option<&mut Held> {
        self.others.iter_mut().find(|held| held.node == *node)
    }

    /// Whether another member has a copy that counts.
    pub(super) fn has(&self, node: &NodeId) -> bool {
        self.held_by(node).is_some_and(Held::counts)
    }

    /// The bytes of the root, if anyone has it.
    pub(super) fn size(&self) -> Option<u64> {
        let sizes = self.others.iter().filter_map(|held| match held.state {
            HoldingState::Pinned { bytes } => Some(bytes),
            _ => None,
        });
        sizes.max()
    }
}

impl Held {
    pub(super) fn counts(&self) -> bool {
        self.claims() && !self.is_suspect
    }

    /// Whether the member says that it keeps it.
    pub(super) fn claims(&self) -> bool {
        matches!(self.state, HoldingState::Pinned { .. })
    }
}
