//! What is wanted, as the threads that write see it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cid::Cid;
use cidcast_runtime::locked;

use crate::block_id::BlockId;
use crate::session::{SessionId, Shared};

/// Who wants which block. Threads look here between hashing and writing.
#[derive(Default)]
pub(super) struct Wanted {
    blocks: Mutex<HashMap<BlockId, Sought>>,
}

/// A wanted block.
#[derive(Clone)]
pub(super) struct Sought {
    pub(super) cid: Cid,
    pub(super) sessions: Vec<Arc<Shared>>,
}

impl Wanted {
    pub(super) fn add(&self, cid: &Cid, session: &Arc<Shared>) {
        let mut blocks = locked(&self.blocks);
        let sought = blocks.entry(BlockId::of(cid)).or_insert_with(|| Sought {
            cid: *cid,
            sessions: Vec::new(),
        });
        if sought.sessions.iter().all(|there| there.id != session.id) {
            sought.sessions.push(Arc::clone(session));
        }
    }

    pub(super) fn get(&self, id: &BlockId) -> Option<Sought> {
        locked(&self.blocks).get(id).cloned()
    }

    pub(super) fn remove(&self, id: &BlockId) {
        locked(&self.blocks).remove(id);
    }

    /// Lets go of a session that has ended.
    pub(super) fn close(&self, session: SessionId) {
        for sought in locked(&self.blocks).values_mut() {
            sought.sessions.retain(|there| there.id != session);
        }
    }
}
