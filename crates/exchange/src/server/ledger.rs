//! What one peer wants from here.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};

use cid::Cid;

use super::Item;
use crate::block_id::BlockId;
use crate::message::{Ask, Entry, Message, Presence};

/// Items of one look-up: answers to WANT-HAVE are small, and a thread should not be busy for long.
const MAX_ITEMS: usize = 256;
/// Refusals that wait to be said, of 100 bytes each. Beyond that a peer that floods is not even
/// told.
const MAX_REFUSALS: usize = 8192;

/// Presences first, they are quick and others wait for them; then by priority, then by age.
type Urgency = (Ask, Reverse<i32>, u64);

/// Where a want is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    /// A look-up is out.
    Looking,
    /// A look-up is out, and the block came while it was.
    LookingAgain,
    /// Looked up and not here.
    Absent,
}

/// A want of the peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) cid: Cid,
    pub(super) ask: Ask,
    /// Whether the peer asks to be told if the block is not here.
    pub(super) say: bool,
    pub(super) seq: u64,
    pub(super) stage: Stage,
    priority: i32,
}

impl Held {
    pub(super) fn new(entry: &Entry, ask: Ask, seq: u64) -> Self {
        Self {
            cid: entry.cid,
            ask,
            say: entry.send_dont_have,
            seq,
            stage: Stage::Queued,
            priority: entry.priority,
        }
    }

    fn urgency(&self) -> Urgency {
        (self.ask, Reverse(self.priority), self.seq)
    }
}

/// The wants of one peer.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) wants: HashMap<BlockId, Held>,
    queue: BTreeSet<(Urgency, BlockId)>,
    /// Wants for what is not here, the oldest first.
    absent: BTreeSet<(u64, BlockId)>,
    refusals: VecDeque<Cid>,
    pub(super) is_looking: bool,
    pub(super) in_turn: bool,
    /// Answers that wait for the peer's link.
    pub(super) prepared: usize,
    /// Bytes of a block, as in the last message; 0: none was sent yet.
    average: usize,
    pub(super) blocks_sent: u64,
    pub(super) bytes_sent: u64,
}

impl Ledger {
    /// Takes a queued want in.
    pub(super) fn put(&mut self, id: BlockId, held: Held) {
        self.queue.insert((held.urgency(), id));
        self.wants.insert(id, held);
    }

    pub(super) fn take_out(&mut self, id: &BlockId) {
        if let Some(held) = self.wants.remove(id) {
            self.queue.remove(&(held.urgency(), *id));
            self.absent.remove(&(held.seq, *id));
        }
    }

    /// The want that has to make room for a new one, if one does: what is not here, or what is
    /// less urgent.
    pub(super) fn least(&self, new: &Entry) -> Option<BlockId> {
        if let Some((_, id)) = self.absent.first() {
            return Some(*id);
        }
        let (_, id) = self.queue.last()?;
        let last = self.wants.get(id)?;
        (last.priority < new.priority).then_some(*id)
    }

    /// Says no to a want that there is no room for.
    pub(super) fn refuse(&mut self, cid: Cid, say: bool) {
        if say && self.refusals.len() < MAX_REFUSALS {
            self.refusals.push_back(cid);
        }
    }

    pub(super) fn say_refusals(&mut self, message: &mut Message) {
        let refusals = self.refusals.drain(..);
        let said = refusals.map(|cid| Presence { cid, here: false });
        message.presences.extend(said);
    }

    /// Whether there is something to look up, and room for what is found.
    pub(super) fn is_able(&self, prepared: usize) -> bool {
        let has_work = !self.queue.is_empty() || !self.refusals.is_empty();
        has_work && !self.is_looking && self.prepared < prepared
    }

    /// Takes about as much out of the queue as fills a message.
    pub(super) fn start(&mut self, message_bytes: usize) -> Vec<Item> {
        self.is_looking = true;
        let most = (message_bytes / self.average.max(1)).saturating_add(1);
        let mut blocks = 0;
        let mut items = Vec::new();
        while items.len() < MAX_ITEMS && blocks < most {
            let Some((_, id)) = self.queue.pop_first() else {
                break;
            };
            let Some(held) = self.wants.get_mut(&id) else {
                continue;
            };
            held.stage = Stage::Looking;
            blocks += usize::from(held.ask == Ask::Block);
            items.push(Item {
                id,
                cid: held.cid,
                ask: held.ask,
                seq: held.seq,
            });
        }
        items
    }

    /// The want waits until its block comes.
    pub(super) fn shelve(&mut self, id: &BlockId) {
        if let Some(held) = self.wants.get_mut(id) {
            held.stage = Stage::Absent;
            self.absent.insert((held.seq, *id));
        }
    }

    pub(super) fn requeue(&mut self, id: &BlockId) {
        if let Some(held) = self.wants.get_mut(id) {
            held.stage = Stage::Queued;
            self.absent.remove(&(held.seq, *id));
            self.queue.insert((held.urgency(), *id));
        }
    }

    /// The block may be here now.
    pub(super) fn look_again(&mut self, id: &BlockId) {
        let Some(held) = self.wants.get_mut(id) else {
            return;
        };
        match held.stage {
            Stage::Absent => self.requeue(id),
            Stage::Looking => held.stage = Stage::LookingAgain,
            Stage::Queued | Stage::LookingAgain => {}
        }
    }

    pub(super) fn look_all_again(&mut self) {
        let ids: Vec<BlockId> = self.wants.keys().copied().collect();
        for id in ids {
            self.look_again(&id);
        }
    }

    /// Learns how large blocks are.
    pub(super) fn measure(&mut self, message: &Message) {
        if let Some(average) = message.block_bytes().checked_div(message.blocks.len()) {
            self.average = average;
        }
    }
}
