//! Blocks that were wanted until a moment ago.

use std::collections::{HashSet, VecDeque};

use crate::block_id::BlockId;

/// As many as can be on order from a few fast peers when they are cancelled.
const KEPT: usize = 8192;

/// Tells a late block from one that was never asked for.
#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<BlockId>,
    ids: HashSet<BlockId>,
}

impl Recent {
    pub(super) fn add(&mut self, id: BlockId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: &BlockId) -> bool {
        self.ids.contains(id)
    }
}
