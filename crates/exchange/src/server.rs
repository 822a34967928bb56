//! The server: who wants what, and whose turn it is.
//!
//! A state machine without clock, network or disk. Wants go in with [`Server::wants`]; look-ups
//! come out with [`Server::next_job`], a peer at a time in turn, and go back with
//! [`Server::looked_up`], which makes the answer. A peer has one look-up and a bounded number of
//! answers out at a time, so what is read for it depends on how fast it takes them.
//!
//! Invariants (`tests`): a peer holds no more wants than the limit, and no more unsent refusals; a
//! want is answered once, until it is asked again; peers get answers in turn.

mod ledger;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;

use crate::block_id::BlockId;
use crate::message::{Ask, Block, Entry, Message, Prefix, Presence};
use crate::standing::{Members, Reach, Standing};
use ledger::{Held, Ledger, Stage};

/// Answers of one peer that wait for its link: with the one being written and the one in the
/// link's channel enough to keep a line busy while the next is read.
const PREPARED: usize = 2;

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Wants held of one peer.
    pub(crate) wants: usize,
    /// Bytes of blocks that make a message full.
    pub(crate) message_bytes: usize,
}

/// Blocks to look up for a peer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) peer: PeerId,
    /// The narrowest that it may have.
    pub(crate) allowed: Reach,
    pub(crate) items: Vec<Item>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) id: BlockId,
    pub(crate) cid: Cid,
    pub(crate) ask: Ask,
    /// Tells a want from a later one for the same block.
    seq: u64,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The block, and who may have it.
    Block(Bytes, Reach),
    /// It is here; the peer asked no more than that. Who may know.
    Here(Reach),
    /// Not here, or not for this peer.
    Absent,
    /// Not looked up: the message was full.
    Later,
}

/// An answer for a peer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Message,
    /// Who may have all that is in it.
    pub(crate) reach: Reach,
}

/// What can be seen of a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LedgerView {
    pub(crate) wants: usize,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    limits: Limits,
    peers: HashMap<PeerId, Ledger>,
    /// Who holds a want for a block.
    wanting: HashMap<BlockId, HashSet<PeerId>>,
    /// Peers that something can be looked up for, each once.
    turns: VecDeque<PeerId>,
    members: Arc<Members>,
    next_seq: u64,
    refused: u64,
}

impl Server {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            peers: HashMap::new(),
            wanting: HashMap::new(),
            turns: VecDeque::new(),
            members: Arc::default(),
            next_seq: 0,
            refused: 0,
        }
    }

    /// A peer changes what it wants.
    pub(crate) fn wants(&mut self, peer: PeerId, full: bool, entries: Vec<Entry>) {
        if full {
            let named: HashSet<BlockId> = entries.iter().map(|e| BlockId::of(&e.cid)).collect();
            let held = self.peers.get(&peer).into_iter();
            let held = held.flat_map(|ledger| ledger.wants.keys());
            let gone: Vec<BlockId> = held.filter(|id| !named.contains(id)).copied().collect();
            for id in gone {
                self.drop_want(&peer, &id);
            }
        }
        for entry in entries {
            let id = BlockId::of(&entry.cid);
            if entry.ask == Ask::Cancel {
                self.drop_want(&peer, &id);
            } else {
                self.want(peer, id, &entry);
            }
        }
        self.take_turn(peer);
    }

    fn want(&mut self, peer: PeerId, id: BlockId, entry: &Entry) {
        self.next_seq += 1;
        let seq = self.next_seq;
        let ledger = self.peers.entry(peer).or_default();
        if let Some(held) = ledger.wants.get(&id) {
            // A want for the block is more than one for its presence.
            let ask = held.ask.max(entry.ask);
            ledger.take_out(&id);
            ledger.put(id, Held::new(entry, ask, seq));
            return;
        }
        if ledger.wants.len() >= self.limits.wants {
            self.refused += 1;
            match ledger.least(entry) {
                Some(least) => {
                    self.drop_want(&peer, &least);
                    self.want_new(peer, id, entry, seq);
                }
                None => ledger.refuse(entry.cid, entry.send_dont_have),
            }
        } else {
            self.want_new(peer, id, entry, seq);
        }
    }

    fn want_new(&mut self, peer: PeerId, id: BlockId, entry: &Entry, seq: u64) {
        let ledger = self.peers.entry(peer).or_default();
        ledger.put(id, Held::new(entry, entry.ask, seq));
        self.wanting.entry(id).or_default().insert(peer);
    }

    fn drop_want(&mut self, peer: &PeerId, id: &BlockId) {
        if let Some(ledger) = self.peers.get_mut(peer) {
            ledger.take_out(id);
        }
        self.unlist(peer, id);
    }

    fn unlist(&mut self, peer: &PeerId, id: &BlockId) {
        if let Some(peers) = self.wanting.get_mut(id) {
            peers.remove(peer);
            if peers.is_empty() {
                self.wanting.remove(id);
            }
        }
    }

    /// A peer is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        if let Some(ledger) = self.peers.remove(peer) {
            for id in ledger.wants.keys() {
                self.unlist(peer, id);
            }
        }
    }

    /// A block came into the store, or more peers may have it than before.
    pub(crate) fn arrived(&mut self, id: &BlockId) {
        let peers = self.wanting.get(id).into_iter().flatten();
        for peer in peers.copied().collect::<Vec<_>>() {
            if let Some(ledger) = self.peers.get_mut(&peer) {
                ledger.look_again(id);
            }
            self.take_turn(peer);
        }
    }

    /// Who is a member from now on; the peers that may have less than before, and what.
    pub(crate) fn set_members(&mut self, members: Arc<Members>) -> Vec<(PeerId, Reach)> {
        let old = std::mem::replace(&mut self.members, members);
        let new = Arc::clone(&self.members);
        let risen = |(peer, standing): &(&PeerId, &Standing)| old.get(*peer) < Some(*standing);
        for (peer, _) in new.iter().filter(risen) {
            if let Some(ledger) = self.peers.get_mut(peer) {
                ledger.look_all_again();
            }
            self.take_turn(*peer);
        }
        let fallen = |(peer, standing): &(&PeerId, &Standing)| new.get(*peer) < Some(*standing);
        let fallen = old.iter().filter(fallen);
        fallen
            .map(|(peer, _)| (*peer, Reach::around(new.get(peer))))
            .collect()
    }

    /// What is to be looked up next, for the peer whose turn it is.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        while let Some(peer) = self.turns.pop_front() {
            let Some(ledger) = self.peers.get_mut(&peer) else {
                continue;
            };
            ledger.in_turn = false;
            if !ledger.is_able(PREPARED) {
                continue;
            }
            let items = ledger.start(self.limits.message_bytes);
            return Some(Job {
                peer,
                allowed: Reach::around(self.members.get(&peer)),
                items,
            });
        }
        None
    }

    /// What was found for a job, item by item; the answer, if there is anything to say.
    pub(crate) fn looked_up(
        &mut self,
        peer: PeerId,
        found: impl IntoIterator<Item = (Item, Found)>,
    ) -> Option<Answer> {
        let allowed = Reach::around(self.members.get(&peer));
        let ledger = self.peers.get_mut(&peer)?;
        ledger.is_looking = false;
        let mut answer = Answer {
            message: Message::default(),
            reach: Reach::Anyone,
        };
        let mut done = Vec::new();
        for (item, found) in found {
            // Membership may have ended while the disk was read.
            let found = match found {
                Found::Block(_, reach) | Found::Here(reach) if reach > allowed => Found::Absent,
                found => found,
            };
            if ledger.settle(&item, found, &mut answer) {
                done.push(item.id);
            }
        }
        ledger.say_refusals(&mut answer.message);
        let is_said = !answer.message.is_empty();
        if is_said {
            ledger.prepared += 1;
            ledger.measure(&answer.message);
        }
        for id in done {
            self.unlist(&peer, &id);
        }
        self.take_turn(peer);
        is_said.then_some(answer)
    }

    /// An answer was given to the peer's link, or thrown away.
    pub(crate) fn handed(&mut self, peer: PeerId) {
        if let Some(ledger) = self.peers.get_mut(&peer) {
            ledger.prepared = ledger.prepared.saturating_sub(1);
        }
        self.take_turn(peer);
    }

    /// An answer went out.
    pub(crate) fn sent(&mut self, peer: &PeerId, blocks: u64, bytes: u64) {
        if let Some(ledger) = self.peers.get_mut(peer) {
            ledger.blocks_sent += blocks;
            ledger.bytes_sent += bytes;
        }
    }

    /// Whether the connection to this peer is of use to it.
    pub(crate) fn needs(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|ledger| !ledger.wants.is_empty() || ledger.prepared > 0)
    }

    /// What can be seen of a peer.
    pub(crate) fn view(&self, peer: &PeerId) -> LedgerView {
        self.peers
            .get(peer)
            .map_or_else(LedgerView::default, |ledger| LedgerView {
                wants: ledger.wants.len(),
                blocks: ledger.blocks_sent,
                bytes: ledger.bytes_sent,
            })
    }

    /// Wants refused since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    fn take_turn(&mut self, peer: PeerId) {
        if let Some(ledger) = self.peers.get_mut(&peer)
            && !ledger.in_turn
            && ledger.is_able(PREPARED)
        {
            ledger.in_turn = true;
            self.turns.push_back(peer);
        }
    }
}

impl Ledger {
    /// Writes what was found into the answer; whether the want is done with.
    fn settle(&mut self, item: &Item, found: Found, answer: &mut Answer) -> bool {
        let is_same = |held: &Held| held.seq == item.seq && held.stage != Stage::Queued;
        let Some(held) = self.wants.get(&item.id).filter(|held| is_same(held)) else {
            return false; // cancelled, or asked again, meanwhile
        };
        let (cid, say, look_again) = (held.cid, held.say, held.stage == Stage::LookingAgain);
        match found {
            Found::Block(data, reach) => {
                let prefix = Prefix::of(&cid);
                answer.message.blocks.push(Block { prefix, data });
                answer.reach = answer.reach.max(reach);
            }
            Found::Here(reach) => {
                answer.message.presences.push(Presence { cid, here: true });
                answer.reach = answer.reach.max(reach);
            }
            Found::Absent if !look_again => {
                if say {
                    answer.message.presences.push(Presence { cid, here: false });
                }
                self.shelve(&item.id);
                return false;
            }
            Found::Absent | Found::Later => {
                self.requeue(&item.id);
                return false;
            }
        }
        self.take_out(&item.id);
        true
    }
}

#[cfg(test)]
mod tests;
