//! What one peer has to be told, and what it has been told.

use std::collections::{HashMap, HashSet, VecDeque};

use cid::Cid;

use crate::block_id::BlockId;
use crate::message::{Ask, Entry};

/// Entries that wait for the peer to read. A later one on the same block replaces an earlier one,
/// so a peer that never reads has no more waiting than there are wants.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: HashMap<BlockId, Entry>,
    /// In the order of arrival; may name blocks that do not wait any more.
    order: VecDeque<BlockId>,
    /// What the peer knows that we want.
    told: HashSet<BlockId>,
    /// What the peer has given.
    given: Vec<(BlockId, Cid)>,
}

/// Blocks that a peer gave before it is told that they are not wanted any more. By the
/// specification it knows; beetswap does not, and holds 1,024 wants.
const MAX_GIVEN: usize = 64;

impl Outbox {
    pub(super) fn ask(&mut self, id: BlockId, entry: Entry) {
        if self.waiting.insert(id, entry).is_none() {
            self.order.push_back(id);
        }
        self.tidy();
    }

    /// Takes a want back; whether the peer has to be told.
    pub(super) fn cancel(&mut self, id: &BlockId, cid: Cid) -> bool {
        self.waiting.remove(id);
        if !self.told.remove(id) {
            return false;
        }
        self.ask(*id, cancel(cid));
        true
    }

    /// The peer has said that it has the block, and forgotten the question.
    pub(super) fn answered(&mut self, id: &BlockId) {
        self.waiting.remove(id);
        self.told.remove(id);
    }

    /// The peer has given the block, and has forgotten the want if it does as the specification
    /// says. Whether there is something to tell it.
    pub(super) fn gave(&mut self, id: BlockId, cid: Cid) -> bool {
        self.waiting.remove(&id);
        if !self.told.remove(&id) {
            return false;
        }
        self.given.push((id, cid));
        let is_much = self.given.len() >= MAX_GIVEN;
        if is_much {
            for (id, cid) in std::mem::take(&mut self.given) {
                // Unless it is wanted again.
                if !self.told.contains(&id) && !self.waiting.contains_key(&id) {
                    self.ask(id, cancel(cid));
                }
            }
        }
        is_much
    }

    pub(super) fn take(&mut self, most: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(id) = self.order.pop_front()
        {
            let Some(entry) = self.waiting.remove(&id) else {
                continue;
            };
            if entry.ask != Ask::Cancel {
                self.told.insert(id);
            }
            taken.push(entry);
        }
        taken
    }

    /// Whether something that was asked is about to be taken back.
    pub(super) fn is_cancelling(&self) -> bool {
        let mut waiting = self.waiting.values();
        waiting.any(|entry| entry.ask == Ask::Cancel)
    }

    /// How many blocks the peer is asked for, or about.
    pub(super) fn asked(&self) -> usize {
        let new = self.waiting.iter();
        let new = new.filter(|(id, entry)| entry.ask != Ask::Cancel && !self.told.contains(*id));
        self.told.len() + new.count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the peer was asked anything that it has not answered.
    pub(super) fn is_waiting(&self) -> bool {
        !self.told.is_empty() || !self.waiting.is_empty()
    }

    /// Keeps names that do not wait any more from piling up.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.waiting.len() + 64 {
            let mut seen = HashSet::new();
            let waiting = &self.waiting;
            self.order
                .retain(|id| waiting.contains_key(id) && seen.insert(*id));
        }
    }
}

fn cancel(cid: Cid) -> Entry {
    Entry {
        cid,
        priority: 0,
        ask: Ask::Cancel,
        send_dont_have: false,
    }
}
