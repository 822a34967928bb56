//! What the machine hears, and what it wants done.

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Entry, Heartbeat, HeartbeatDraft, PinAudience, Role};

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed: at [`crate::Machine::next_wake`].
    Tick,
    /// A heartbeat of somebody.
    Beat(Heartbeat),
    /// Entries that somebody gave, in any order.
    Entries {
        /// Who gave them.
        from: NodeId,
        /// Verified.
        entries: Vec<Entry>,
    },
    /// An own entry, made from a draft of the machine's, is on disk.
    Signed(Entry),
    /// Where a root stands in this member's store, under the cluster's holder.
    Local {
        /// Which.
        root: Cid,
        /// Where.
        state: LocalPin,
    },
    /// How much room this member has.
    Space {
        /// Bytes that it offers in all.
        capacity: u64,
        /// Bytes that can still be written.
        free: u64,
    },
    /// What a member keeps: an answer to [`Action::AskHoldings`].
    Holdings {
        /// Who.
        member: NodeId,
        /// Part of it.
        page: HoldingsPage,
    },
    /// A challenge was answered, or not.
    Proof {
        /// By whom.
        member: NodeId,
        /// For which root.
        root: Cid,
        /// How.
        outcome: ProofOutcome,
    },
    /// A member says that this one has failed a challenge.
    Suspected {
        /// For which root.
        root: Cid,
    },
}

/// Where a root stands in this member's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalPin {
    /// It waits for its turn in the store's own queue.
    Queued,
    /// Blocks are on their way.
    Pinning {
        /// Bytes so far.
        bytes: u64,
    },
    /// Every block is on disk, synced and kept.
    Pinned {
        /// Its bytes.
        bytes: u64,
    },
    /// The last attempt failed; the store tries again by itself.
    Failed {
        /// Why.
        error: String,
    },
    /// Nothing is kept of it.
    Gone,
}

/// What a member says of one root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldingState {
    /// It is to keep it, and waits.
    Queued,
    /// Blocks are on their way.
    Pinning,
    /// It keeps it.
    Pinned {
        /// Its bytes.
        bytes: u64,
    },
    /// It could not fetch it, and tries again.
    Failed,
    /// It cannot keep it: no room, or nobody gives it.
    Refused,
    /// It does not keep it any longer.
    Gone,
}

/// A root and what a member says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub root: Cid,
    /// What.
    pub state: HoldingState,
}

/// Changes of what a member keeps, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingsPage {
    /// The run of the program that they are of.
    pub boot: u64,
    /// Changes after this number were asked for.
    pub after: u64,
    /// The newest for each root, oldest first.
    pub holdings: Vec<Holding>,
    /// They end with this number.
    pub up_to: u64,
    /// Whether there are more.
    pub more: bool,
}

/// How a challenge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofOutcome {
    /// The member has the blocks that it was asked for.
    Proved {
        /// Their bytes.
        bytes: u64,
    },
    /// It does not have them, or has other bytes.
    Failed,
    /// It did not answer in time: no proof, and no failure.
    Unanswered,
}

/// Something is to be done.
#[expect(
    clippy::large_enum_variant,
    reason = "they live for a moment, a few at a time"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Keep an entry of somebody else on disk.
    Persist(Entry),
    /// Sign a heartbeat and send it to each; their own come back.
    Beat {
        /// Everyone else.
        to: Vec<NodeId>,
        /// What it says.
        draft: HeartbeatDraft,
    },
    /// Ask a member for entries of a log.
    AskEntries {
        /// Whom.
        of: NodeId,
        /// Whose log.
        author: NodeId,
        /// The number of the first that is wanted.
        from: u64,
    },
    /// Ask a member for changes of what it keeps.
    AskHoldings {
        /// Whom.
        of: NodeId,
        /// After this number; 0 for all.
        after: u64,
    },
    /// Fetch a root and keep it, under the cluster's holder.
    Pin {
        /// Which.
        root: Cid,
        /// Who may have its blocks.
        audience: PinAudience,
        /// Addresses of others that may have it.
        origins: Vec<String>,
    },
    /// A root that is kept here, or on its way, is for others than before.
    Open {
        /// Which.
        root: Cid,
        /// Who may have its blocks.
        audience: PinAudience,
    },
    /// Let go of a root.
    Unpin {
        /// Which.
        root: Cid,
    },
    /// Ask a member for proof that it has some blocks of a root, chosen at random.
    Challenge {
        /// Whom.
        of: NodeId,
        /// Which root.
        root: Cid,
    },
    /// Tell a member that it has failed a challenge.
    Accuse {
        /// Whom.
        of: NodeId,
        /// For which root.
        root: Cid,
    },
    /// Hash every block of an own copy again, and fetch those anew that are damaged.
    Verify {
        /// Which root.
        root: Cid,
    },
    /// These are the members now, this one included. Nobody else is given what is theirs.
    Members(Vec<(NodeId, Role)>),
    /// Something that an operator wants to know.
    Note(Happening),
}

/// Something that an operator wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A node is a member now.
    Joined(NodeId),
    /// A node is no member any longer.
    Left(NodeId),
    /// A member is silent for longer than the grace period: its share is made anew.
    Lost(NodeId),
    /// A lost member is back.
    Returned(NodeId),
    /// A member has signed two entries with one number.
    Forked(NodeId),
    /// A member could not prove that it has a root.
    ProofFailed {
        /// Who.
        member: NodeId,
        /// Which root.
        root: Cid,
    },
    /// This member has no room for a root.
    NoRoom {
        /// Which root.
        root: Cid,
    },
    /// Little room is left here: bytes.
    LowSpace {
        /// Bytes that are left.
        free: u64,
    },
    /// This node is no member any longer.
    Removed,
}
