//! Finding somebody to ask.

use std::ops::Bound;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::want::{Answer, Asked, Place, Question, Want};
use super::{Action, Client};
use crate::block_id::BlockId;
use crate::message::{Ask, Entry};
use crate::session::{Class, SessionId};

/// Wants that are passed over in one round because their peers have no room: what is behind them
/// may have other peers, but mostly has the same.
const MAX_BLOCKED: usize = 64;
/// Wants that a session asks everybody for at a time.
const MAX_SEEKING: usize = 16;
/// Wants that a new peer is asked about.
const PROBES: usize = 8;
/// A want that was answered with silence may be repeated to the same peer after this, and after
/// twice and three times as long: a message can get lost when a connection is replaced.
const REPEAT: Duration = Duration::from_secs(2);
/// After this a peer that has said no is asked again. It should tell by itself when it gets the
/// block, but not every implementation does.
const REASK: Duration = Duration::from_secs(30);
/// How long a question whether a block is there may be unanswered.
const HAVE_PATIENCE: Duration = Duration::from_secs(2);
/// The shortest time after which an order is overdue although its peer delivers others.
const OVERDUE_PLAYBACK: Duration = Duration::from_secs(4);
const OVERDUE_REPLICATION: Duration = Duration::from_secs(10);
/// The longest.
const OVERDUE_MOST: Duration = Duration::from_secs(60);
/// A session is told of the same starving block once in so long.
const STARVING_AGAIN: Duration = Duration::from_secs(60);

enum Choice {
    Peer(PeerId),
    /// One that has failed before: only when there is nobody new to ask.
    Again(PeerId),
    /// There are peers, but they have no room.
    Full,
    Nobody,
}

/// How well asking a peer promises to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    Fresh,
    /// It was silent, or has said no.
    Stale,
}

impl Client {
    /// Orders what is queued, the most urgent first, from peers that have room.
    pub(crate) fn place(&mut self, now: Instant) {
        let mut blocked = 0;
        let mut from = Bound::Unbounded;
        while blocked < MAX_BLOCKED {
            let next = self.queue.range((from, Bound::Unbounded)).next();
            let Some(&(rank, id)) = next else {
                return;
            };
            from = Bound::Excluded((rank, id));
            let Some(want) = self.wants.get(&id) else {
                self.queue.remove(&(rank, id));
                continue;
            };
            match self.choose(want, now) {
                Choice::Peer(peer) => {
                    self.queue.remove(&(rank, id));
                    self.order(id, peer, now);
                }
                Choice::Again(peer) if !self.has_askable(want, now) => {
                    self.queue.remove(&(rank, id));
                    self.order(id, peer, now);
                    self.tell_starving(id, now);
                }
                Choice::Full => blocked += 1,
                Choice::Again(_) | Choice::Nobody => {
                    self.queue.remove(&(rank, id));
                    self.seek(id, now);
                }
            }
        }
    }

    /// The peer that would deliver soonest.
    fn choose(&self, want: &Want, now: Instant) -> Choice {
        let mut full = false;
        let mut best: Option<(Fitness, Duration, PeerId)> = None;
        for peer in self.candidates(want) {
            let Some(there) = self.peers.get(&peer) else {
                continue;
            };
            let Some(fitness) = self.fitness(want, &peer, now) else {
                continue;
            };
            let window = there.pace.window(&self.limits);
            let room = match want.rank.class() {
                // What is urgent goes before what is on order already.
                Class::Playback => window + window / 4 + 4,
                Class::Replication => window,
            };
            let room = room.min(there.most());
            if there.live >= room {
                full |= fitness == Fitness::Fresh;
                continue;
            }
            let offer = (fitness, there.pace.offer(there.live), peer);
            if best.is_none_or(|best| (offer.0, offer.1) < (best.0, best.1)) {
                best = Some(offer);
            }
        }
        match best {
            Some((Fitness::Fresh, _, peer)) => Choice::Peer(peer),
            _ if full => Choice::Full,
            Some((Fitness::Stale, _, peer)) => Choice::Again(peer),
            None => Choice::Nobody,
        }
    }

    /// Peers that probably have the block. When only one can be asked at all, it is: asking it
    /// first whether it has the block would cost a round trip and save nothing.
    fn candidates(&self, want: &Want) -> Vec<PeerId> {
        let parties = want.sessions().filter_map(|id| self.parties.get(&id));
        let useful = parties.flat_map(|party| party.useful.iter().map(|(peer, _)| *peer));
        let saying = want.asked.iter();
        let saying = saying.filter(|(_, asked)| asked.answer == Answer::Has);
        let only = (self.peers.len() == 1).then(|| self.peers.keys().copied());
        useful
            .chain(saying.map(|(peer, _)| *peer))
            .chain(only.into_iter().flatten())
            .collect()
    }

    /// Whether a peer can be asked for the block, and how well that promises to go.
    fn fitness(&self, want: &Want, peer: &PeerId, now: Instant) -> Option<Fitness> {
        if self.conducts.is_avoided(peer, now) {
            return None;
        }
        let fresh = if self.conducts.is_doubted(peer, now) {
            Fitness::Stale
        } else {
            Fitness::Fresh
        };
        let Some(asked) = want.asked.get(peer) else {
            return Some(fresh);
        };
        let ago = now.saturating_duration_since(asked.at);
        match (asked.answer, asked.question) {
            (Answer::Has | Answer::Gone, _) | (Answer::Waiting, Question::Have) => Some(fresh),
            (Answer::Waiting, Question::Block) => None,
            (Answer::Denied, _) => (ago >= REASK).then_some(Fitness::Stale),
            (Answer::Silent, _) => {
                (ago >= REPEAT.saturating_mul(asked.tries)).then_some(Fitness::Stale)
            }
        }
    }

    /// Asks a peer for a block.
    fn order(&mut self, id: BlockId, peer: PeerId, now: Instant) {
        let (Some(want), Some(there)) = (self.wants.get_mut(&id), self.peers.get_mut(&peer)) else {
            return;
        };
        there.live += 1;
        there.ordered = Some(now);
        if there.live == 1 {
            there.pace.restarted(now);
        }
        let least = match want.rank.class() {
            Class::Playback => OVERDUE_PLAYBACK,
            Class::Replication => OVERDUE_REPLICATION,
        };
        let expected = there.pace.estimate(there.live).saturating_mul(3);
        want.ask(
            peer,
            Question::Block,
            now,
            expected.clamp(least, OVERDUE_MOST),
        );
        want.place = Place::Placed;
        there.outbox.ask(id, want.entry(Ask::Block));
        self.ready.insert(peer);
    }

    /// Asks a peer whether it has a block.
    fn ask_have(&mut self, id: BlockId, peer: PeerId, now: Instant) {
        if let (Some(want), Some(there)) = (self.wants.get_mut(&id), self.peers.get_mut(&peer)) {
            want.ask(peer, Question::Have, now, HAVE_PATIENCE);
            there.outbox.ask(id, want.entry(Ask::Have));
            self.ready.insert(peer);
        }
    }

    /// Asks everybody who was not asked yet, or parks the want while others of its session do so.
    fn seek(&mut self, id: BlockId, now: Instant) {
        let Some(want) = self.wants.get_mut(&id) else {
            return;
        };
        want.sought = now;
        let Some(session) = want.leader() else {
            return;
        };
        let party = self.parties.get_mut(&session);
        if let Some(party) = party {
            if party.seeking >= MAX_SEEKING {
                want.place = Place::Parked(session);
                party.parked.insert((want.rank, id));
                return;
            }
            party.seeking += 1;
        }
        want.place = Place::Seeking(session);
        let Some(want) = self.wants.get(&id) else {
            return;
        };
        let askable: Vec<PeerId> = self.askable(want, now).collect();
        if askable.is_empty() && !want.is_asking() {
            self.starve(id, session, now);
        }
        for peer in askable {
            self.ask_have(id, peer, now);
        }
    }

    /// Peers that were not asked yet whether they have the block, or long ago.
    fn askable(&self, want: &Want, now: Instant) -> impl Iterator<Item = PeerId> {
        let peers = self.peers.keys();
        peers
            .filter(move |peer| self.may_ask(want, peer, now) && self.can_answer(peer))
            .copied()
    }

    /// Whether a peer's answers to all that it is asked fit into one message, if it sends one.
    fn can_answer(&self, peer: &PeerId) -> bool {
        let there = self.peers.get(peer);
        there.is_some_and(|there| {
            let most = there.most();
            most == usize::MAX || there.outbox.asked() < most
        })
    }

    fn has_askable(&self, want: &Want, now: Instant) -> bool {
        want.is_asking() || self.askable(want, now).next().is_some()
    }

    fn may_ask(&self, want: &Want, peer: &PeerId, now: Instant) -> bool {
        if self.conducts.is_avoided(peer, now) {
            return false;
        }
        want.asked.get(peer).is_none_or(|asked| {
            let ago = now.saturating_duration_since(asked.at);
            match asked.answer {
                Answer::Gone => true,
                Answer::Denied | Answer::Silent => ago >= REASK,
                Answer::Waiting | Answer::Has => false,
            }
        })
    }

    /// Nobody is left.
    fn starve(&mut self, id: BlockId, session: SessionId, now: Instant) {
        let Some(want) = self.wants.get_mut(&id) else {
            return;
        };
        want.place = Place::Starving;
        if let Some(party) = self.parties.get_mut(&session) {
            party.seeking = party.seeking.saturating_sub(1);
        }
        self.tell_starving(id, now);
        self.unpark_one(session);
    }

    /// Tells the sessions of a want that nobody is left, if they were not told lately.
    fn tell_starving(&mut self, id: BlockId, now: Instant) {
        let Some(want) = self.wants.get_mut(&id) else {
            return;
        };
        let lately = |at| now.saturating_duration_since(at) < STARVING_AGAIN;
        if want.starved.is_some_and(lately) {
            return;
        }
        want.starved = Some(now);
        let mut sessions: Vec<SessionId> = want.sessions().collect();
        sessions.sort_unstable();
        sessions.dedup();
        let cid = want.cid;
        let told = sessions.into_iter();
        let told = told.map(|session| Action::Starving { session, cid });
        self.actions.extend(told);
    }

    /// Asks a new peer whether it has some of what is queued.
    pub(super) fn probe(&mut self, peer: PeerId, now: Instant) {
        if self.conducts.is_avoided(&peer, now) {
            return;
        }
        let is_new = |id: &&BlockId| {
            let want = self.wants.get(*id);
            want.is_some_and(|want| want.may_probe(&peer))
        };
        let queued = self.queue.iter().map(|(_, id)| id);
        // When all is on order elsewhere, some of that: the peer may help with what comes next.
        let ordered = if self.queue.is_empty() { PROBES } else { 0 };
        let first: Vec<BlockId> = queued
            .chain(self.wants.keys().take(ordered))
            .filter(is_new)
            .take(PROBES)
            .copied()
            .collect();
        for id in first {
            self.ask_have(id, peer, now);
        }
    }
}

impl Want {
    /// Writes down a question. A peer that is asked for the first time is movement.
    fn ask(&mut self, peer: PeerId, question: Question, now: Instant, patience: Duration) {
        let before = self.asked.get(&peer);
        if before.is_none() {
            self.moved = now;
        }
        let tries = before.map_or(0, |asked| asked.tries).saturating_add(1);
        let asked = Asked {
            question,
            answer: Answer::Waiting,
            at: now,
            due: now + patience,
            tries,
        };
        self.asked.insert(peer, asked);
    }

    fn entry(&self, ask: Ask) -> Entry {
        Entry {
            cid: self.cid,
            priority: self.rank.priority(),
            ask,
            send_dont_have: true,
        }
    }

    fn may_probe(&self, peer: &PeerId) -> bool {
        let asked = self.asked.get(peer);
        asked.is_none_or(|asked| asked.answer == Answer::Gone)
    }

    /// Whether somebody was asked if the block is there and may still answer.
    pub(super) fn is_asking(&self) -> bool {
        self.asked
            .values()
            .any(|asked| asked.answer == Answer::Waiting)
    }

    /// The session of the most urgent claim.
    pub(super) fn leader(&self) -> Option<SessionId> {
        let first = self.claims.iter().min_by_key(|claim| claim.rank);
        first.map(|claim| claim.session)
    }
}
