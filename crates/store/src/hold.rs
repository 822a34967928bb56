//! Blocks in flight: written or relied on by somebody, not pinned yet.
//!
//! Deleting a block takes its shard's lock, looks that nobody holds it and nothing refers to it,
//! and unlinks it under that lock. Putting a block first takes a hold, then looks whether the
//! file is there. So either the deletion sees the hold, or the put sees that the file is gone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use cid::Cid;
use cidcast_runtime::locked;

use crate::delete::Queue;
use crate::key::BlockKey;

/// Enough that two threads seldom meet, and that one unlink stops few others.
const SHARDS: usize = 64;

#[derive(Default)]
struct Hold {
    guards: usize,
    /// Whether to look, when the last guard lets go, if the block is wanted by anyone.
    litter: bool,
}

/// Who holds which block.
pub(crate) struct HoldTable {
    shards: Vec<Mutex<HashMap<BlockKey, Hold>>>,
}

/// A locked shard: while it lives, no new hold on its blocks can be taken.
pub(crate) struct Shard<'a>(MutexGuard<'a, HashMap<BlockKey, Hold>>);

impl Shard<'_> {
    /// Whether somebody holds the block. If so, it is looked at again when the last one lets go.
    pub(crate) fn is_held(&mut self, key: &BlockKey) -> bool {
        let hold = self.0.get_mut(key);
        hold.map(|hold| hold.litter = true).is_some()
    }
}

impl HoldTable {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Locks the shard of `key`.
    #[expect(
        clippy::indexing_slicing,
        reason = "the index is taken modulo the length"
    )]
    pub(crate) fn shard(&self, key: &BlockKey) -> Shard<'_> {
        Shard(locked(&self.shards[key.spread() % SHARDS]))
    }

    /// How many blocks are held.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }
}

/// Keeps blocks from being deleted until they are pinned. Dropping it lets go of all of them;
/// blocks that were put under it and that no pin refers to by then are deleted soon after.
#[must_use = "blocks may be deleted as soon as the guard is dropped: keep it until they are pinned"]
pub struct InFlight {
    table: Arc<HoldTable>,
    queue: Arc<Queue>,
    held: Mutex<HashSet<BlockKey>>,
}

impl InFlight {
    pub(crate) fn new(table: Arc<HoldTable>, queue: Arc<Queue>) -> Self {
        Self {
            table,
            queue,
            held: Mutex::default(),
        }
    }

    /// Holds a block that is already in the store, or that somebody else will put. Whether it is
    /// there can be relied on only when asked after this call.
    pub fn hold(&self, cid: &Cid) {
        if let Ok(key) = BlockKey::of(cid) {
            self.hold_key(key);
        }
    }

    /// Holds a block.
    pub(crate) fn hold_key(&self, key: BlockKey) {
        self.take(key, |_| {});
    }

    /// Holds a block that this guard is responsible for.
    pub(crate) fn hold_put(&self, key: BlockKey) {
        self.take(key, |hold| hold.litter = true);
    }

    fn take(&self, key: BlockKey, mark: impl FnOnce(&mut Hold)) {
        // Locked throughout, so that another thread on this guard finds the key in the list only
        // when the hold is in the table too.
        let mut held = locked(&self.held);
        let new = held.insert(key);
        let mut shard = self.table.shard(&key);
        let hold = shard.0.entry(key).or_default();
        hold.guards += usize::from(new);
        mark(hold);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut litter = Vec::new();
        for key in locked(&self.held).drain() {
            let mut shard = self.table.shard(&key);
            let Some(hold) = shard.0.get_mut(&key) else {
                continue;
            };
            hold.guards -= 1;
            if hold.guards == 0 {
                litter.extend(hold.litter.then_some(key));
                shard.0.remove(&key);
            }
        }
        self.queue.released(litter);
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("blocks", &locked(&self.held).len())
            .finish()
    }
}
