//! Pins: who wants which DAG kept, and who may have its blocks.

mod changes;
mod database;
mod holder;
mod partials;
mod scope;

use cid::Cid;
use cidcast_types::Timestamp;

pub(crate) use changes::NewPin;
pub(crate) use database::{Database, Totals};
pub use holder::{Holder, ParseHolderError};
pub use scope::PinScope;

/// Who may have the blocks of a pin. A block under several pins is open to the widest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Members of the cluster that may read: its writers, not those that only store.
    Writers,
    /// Members of the cluster.
    Members,
    /// Anyone.
    Anyone,
}

/// One recursive pin, of a whole DAG or of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Who wants it.
    pub holder: Holder,
    /// The root of the DAG.
    pub root: Cid,
    /// Who may have its blocks.
    pub audience: Audience,
    /// How many blocks it has, each counted once.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Which part of the DAG it keeps.
    pub scope: PinScope,
}

/// A DAG that is on its way here: what has arrived of it is kept, and served to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Who wants it.
    pub holder: Holder,
    /// The root of the DAG.
    pub root: Cid,
    /// When to give it up.
    pub until: Timestamp,
    /// The holder's own words about it, for the next process.
    pub note: String,
}

/// What a pin covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinSummary {
    /// How many blocks, each counted once.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What removing pins did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpinned {
    /// Pins removed.
    pub pins: u64,
    /// Blocks that no pin refers to any more; they are deleted in the background.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}
