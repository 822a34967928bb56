//! Blocks that were wanted until a moment ago.

use std::collections::{HashMap, VecDeque};

use crate::block_id::BlockId;
use crate::session::SessionId;

/// As many as can be on order from a few fast peers when they are cancelled.
const KEPT: usize = 8192;

/// Tells a late answer from one that was never asked for.
#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<BlockId>,
    sessions: HashMap<BlockId, Option<SessionId>>,
}

impl Recent {
    /// Remembers a block, and the session that wanted it most.
    pub(super) fn add(&mut self, id: BlockId, session: Option<SessionId>) {
        if self.sessions.insert(id, session).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: &BlockId) -> bool {
        self.sessions.contains_key(id)
    }

    pub(super) fn session(&self, id: &BlockId) -> Option<SessionId> {
        self.sessions.get(id).copied().flatten()
    }
}
