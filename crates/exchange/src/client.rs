//! The client: whom to ask for what, and when to ask somebody else.
//!
//! A state machine without clock, network or disk. Events are method calls with the time in them;
//! what has to be told to a peer collects in its outbox ([`Client::take_entries`]), what has to be
//! told to a session in [`Client::take_actions`].
//!
//! How a want lives. It is *queued* until a peer that probably has the block has room for it, then
//! *placed*: WANT-BLOCK, with the wish to be told if the block is not there. When no such peer is
//! known it is *seeking*: every connected peer is asked WANT-HAVE. A session that knows nobody seeks
//! for a few of its wants only; the others are *parked*, since who has some of a title has mostly
//! all of it. A want whose peers have all said no, or nothing for too long, is *starving*: its
//! session is told, and it goes on asking whoever connects.
//!
//! Invariants (`tests::model`): a want is in exactly one of these places; a peer's count of blocks
//! on order is that of the wants placed with it; a claim ends exactly once; when nothing is wanted,
//! nothing is left.

mod answers;
mod conduct;
mod outbox;
mod pace;
mod peer;
mod place;
mod recent;
mod tick;
mod want;

pub(crate) use answers::Surplus;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p::PeerId;

use crate::block_id::BlockId;
use crate::command::ClaimId;
use crate::message::Entry;
use crate::session::{Class, SessionId};
use conduct::Conducts;
use peer::Peer;
use recent::Recent;
use want::{Claim, Party, Place, Rank, Want};

/// Bounds of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_wants: usize,
    pub(crate) window_bytes: u64,
    pub(crate) window_blocks: usize,
}

/// What the worker has to tell a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A claim has waited for too long.
    Expired { claim: ClaimId, waited: Duration },
    /// Nobody is left to ask.
    Starving { session: SessionId, cid: Cid },
    /// Nobody wants this block any more.
    Dropped(BlockId),
}

/// A claim that cannot be taken: there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    limits: Limits,
    wants: HashMap<BlockId, Want>,
    claims: HashMap<ClaimId, BlockId>,
    queue: BTreeSet<(Rank, BlockId)>,
    peers: HashMap<PeerId, Peer>,
    parties: HashMap<SessionId, Party>,
    conducts: Conducts,
    recent: Recent,
    actions: Vec<Action>,
    /// Peers whose outbox may have something.
    ready: BTreeSet<PeerId>,
    silences: u64,
}

/// A new claim.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewClaim {
    pub(crate) claim: ClaimId,
    pub(crate) session: SessionId,
    pub(crate) class: Class,
    pub(crate) cid: Cid,
    pub(crate) order: u64,
    pub(crate) patience: Duration,
}

impl Client {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            wants: HashMap::new(),
            claims: HashMap::new(),
            queue: BTreeSet::new(),
            peers: HashMap::new(),
            parties: HashMap::new(),
            conducts: Conducts::default(),
            recent: Recent::default(),
            actions: Vec::new(),
            ready: BTreeSet::new(),
            silences: 0,
        }
    }

    /// Somebody wants a block. [`Self::place`] has to be called before anybody is asked.
    pub(crate) fn want(&mut self, new: NewClaim, now: Instant) -> Result<(), TooMany> {
        if self.claims.len() >= self.limits.max_wants {
            return Err(TooMany);
        }
        let id = BlockId::of(&new.cid);
        self.parties
            .entry(new.session)
            .or_insert_with(|| Party::new(now));
        self.claims.insert(new.claim, id);
        let claim = Claim {
            id: new.claim,
            session: new.session,
            rank: Rank::new(new.class, new.order, new.claim),
            patience: new.patience,
            since: now,
        };
        if let Some(want) = self.wants.get_mut(&id) {
            let (old, place) = (want.rank, want.place);
            want.claims.push(claim);
            want.rank = want.rank.min(claim.rank);
            if want.rank != old {
                self.reorder(id, old, place);
            }
        } else {
            let want = Want::new(new.cid, claim, now);
            self.queue.insert((want.rank, id));
            self.wants.insert(id, want);
        }
        Ok(())
    }

    /// A want became more urgent while it waited.
    fn reorder(&mut self, id: BlockId, old: Rank, place: Place) {
        let Some(want) = self.wants.get(&id) else {
            return;
        };
        match place {
            Place::Queued => {
                self.queue.remove(&(old, id));
                self.queue.insert((want.rank, id));
            }
            Place::Parked(session) => {
                if let Some(party) = self.parties.get_mut(&session) {
                    party.parked.remove(&(old, id));
                }
                self.enqueue(id);
            }
            Place::Placed | Place::Seeking(_) | Place::Starving => {}
        }
    }

    /// Somebody does not wait any more.
    pub(crate) fn withdraw(&mut self, claim: ClaimId) {
        let Some(id) = self.claims.remove(&claim) else {
            return;
        };
        let Some(want) = self.wants.get_mut(&id) else {
            return;
        };
        want.claims.retain(|there| there.id != claim);
        if want.claims.is_empty() {
            self.forget(id, None);
            self.actions.push(Action::Dropped(id));
        }
    }

    /// A session is gone, with all that it wanted.
    pub(crate) fn close(&mut self, session: SessionId) {
        let claims = self.wants.values().flat_map(|want| &want.claims);
        let left: Vec<ClaimId> = claims
            .filter(|claim| claim.session == session)
            .map(|claim| claim.id)
            .collect();
        for claim in left {
            self.withdraw(claim);
        }
        // What another session wants too.
        let of_it = |place| place == Place::Parked(session) || place == Place::Seeking(session);
        for id in self.of_place(of_it) {
            self.enqueue(id);
        }
        self.parties.remove(&session);
    }

    /// A session has a peer that probably has what it wants.
    pub(crate) fn add_peer(&mut self, session: SessionId, peer: PeerId, now: Instant) {
        let party = self.parties.entry(session);
        let party = party.or_insert_with(|| Party::new(now));
        party.add(peer);
        self.unpark(session);
    }

    /// A peer can be asked from now on.
    pub(crate) fn connected(&mut self, peer: PeerId, now: Instant) {
        self.peers.entry(peer).or_insert_with(|| Peer::new(now));
        let seek = |place| matches!(place, Place::Seeking(_) | Place::Starving);
        for id in self.of_place(seek) {
            self.enqueue(id);
        }
        self.probe(peer, now);
    }

    /// A peer is gone, and with it what it was asked.
    pub(crate) fn disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.ready.remove(&peer);
        let mut lost = Vec::new();
        for (id, want) in &mut self.wants {
            if let Some(asked) = want.asked.get_mut(&peer) {
                asked.gone();
                if want.place == Place::Placed && !want.is_live() {
                    lost.push(*id);
                }
            }
        }
        for id in lost {
            self.enqueue(id);
        }
    }

    /// What a peer has to be told: at most `most` entries. They count as sent.
    pub(crate) fn take_entries(&mut self, peer: PeerId, most: usize) -> Vec<Entry> {
        let Some(there) = self.peers.get_mut(&peer) else {
            self.ready.remove(&peer);
            return Vec::new();
        };
        let entries = there.outbox.take(most);
        if there.outbox.is_empty() {
            self.ready.remove(&peer);
        }
        entries
    }

    /// The peers that something has to be told.
    pub(crate) fn ready(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.ready.iter().copied()
    }

    /// What sessions have to be told.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether anybody wants a block.
    pub(crate) fn is_wanted(&self, id: &BlockId) -> bool {
        self.wants.contains_key(id)
    }

    /// Blocks wanted.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    /// Times that a peer did not answer in time, since the last call.
    pub(crate) fn take_silences(&mut self) -> u64 {
        std::mem::take(&mut self.silences)
    }

    fn of_place(&self, place: impl Fn(Place) -> bool) -> Vec<BlockId> {
        let wants = self.wants.iter();
        let there = wants.filter(|(_, want)| place(want.place));
        there.map(|(id, _)| *id).collect()
    }

    /// Puts a want back into the queue, from wherever it is.
    fn enqueue(&mut self, id: BlockId) {
        let Some(want) = self.wants.get_mut(&id) else {
            return;
        };
        let (rank, place) = (want.rank, want.place);
        want.place = Place::Queued;
        self.queue.insert((rank, id));
        self.leave(id, rank, place);
    }

    /// Takes a want out of the books of the place where it was.
    fn leave(&mut self, id: BlockId, rank: Rank, place: Place) {
        match place {
            Place::Queued | Place::Placed | Place::Starving => {}
            Place::Parked(session) => {
                if let Some(party) = self.parties.get_mut(&session) {
                    party.parked.remove(&(rank, id));
                }
            }
            Place::Seeking(session) => {
                if let Some(party) = self.parties.get_mut(&session) {
                    party.seeking = party.seeking.saturating_sub(1);
                }
            }
        }
    }

    /// Lets a session's parked wants be placed.
    fn unpark(&mut self, session: SessionId) {
        let parked = self.parties.get_mut(&session).map(|party| {
            let parked = std::mem::take(&mut party.parked);
            parked.into_iter().map(|(_, id)| id)
        });
        for id in parked.into_iter().flatten().collect::<Vec<_>>() {
            self.enqueue(id);
        }
    }

    /// Removes a want; everybody that was asked for it is told, except `giver`, who knows.
    fn forget(&mut self, id: BlockId, giver: Option<PeerId>) -> Option<Want> {
        let want = self.wants.remove(&id)?;
        self.recent.add(id, want.leader());
        if want.place == Place::Queued {
            self.queue.remove(&(want.rank, id));
        }
        self.leave(id, want.rank, want.place);
        if let Place::Seeking(session) = want.place {
            self.unpark_one(session);
        }
        for (peer, asked) in &want.asked {
            let Some(there) = self.peers.get_mut(peer) else {
                continue;
            };
            there.live -= usize::from(asked.is_live());
            let is_news = if giver == Some(*peer) {
                there.outbox.gave(id, want.cid)
            } else {
                there.outbox.cancel(&id, want.cid)
            };
            if is_news {
                self.ready.insert(*peer);
            }
        }
        Some(want)
    }

    fn unpark_one(&mut self, session: SessionId) {
        let party = self.parties.get(&session);
        if let Some((_, id)) = party.and_then(|party| party.parked.first()).copied() {
            self.enqueue(id);
        }
    }
}

#[cfg(test)]
mod tests;
