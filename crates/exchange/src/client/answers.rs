//! What peers answer.

use std::time::Instant;

use cid::Cid;
use libp2p::PeerId;

use super::want::{Answer, Place, Question, Want};
use super::{Client, SessionId};
use crate::block_id::BlockId;
use crate::command::ClaimId;

/// What a block is that nobody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surplus {
    /// It was wanted until a moment ago.
    Late,
    /// It never was: its bytes are not those of any block that was asked for.
    Lie,
}

impl Client {
    /// A peer says whether it has a block.
    pub(crate) fn presence(&mut self, peer: PeerId, cid: &Cid, here: bool, now: Instant) {
        self.heard(peer, now);
        let id = BlockId::of(cid);
        let Some(want) = self.wants.get_mut(&id) else {
            // Too late for this block, but the peer will have others.
            if here && let Some(session) = self.recent.session(&id) {
                self.found(peer, &[session]);
            }
            return;
        };
        let Some(asked) = want.asked.get_mut(&peer) else {
            return;
        };
        let sessions: Vec<SessionId> = want.claims.iter().map(|claim| claim.session).collect();
        if here {
            if asked.question == Question::Block {
                return; // the block will follow
            }
            if asked.answer != Answer::Has {
                asked.answer = Answer::Has;
                want.moved = now;
            }
            let is_placed = want.place == Place::Placed;
            if let Some(there) = self.peers.get_mut(&peer) {
                there.outbox.answered(&id);
            }
            self.found(peer, &sessions);
            if !is_placed {
                self.enqueue(id);
            }
            return;
        }
        let was_live = asked.is_live();
        asked.answer = Answer::Denied;
        let stuck = match want.place {
            Place::Placed => !want.is_live(),
            Place::Seeking(_) => !want.is_asking(),
            Place::Queued | Place::Parked(_) | Place::Starving => false,
        };
        if let Some(there) = self.peers.get_mut(&peer) {
            there.live -= usize::from(was_live);
        }
        for session in sessions {
            if let Some(party) = self.parties.get_mut(&session) {
                party.denied(peer);
            }
        }
        if stuck {
            self.enqueue(id);
        }
    }

    /// A peer has something of these sessions.
    fn found(&mut self, peer: PeerId, sessions: &[SessionId]) {
        for session in sessions {
            if let Some(party) = self.parties.get_mut(session) {
                party.add(peer);
            }
            self.unpark(*session);
        }
    }

    /// A wanted block is here, from a peer or from elsewhere: the claims that have ended.
    pub(crate) fn arrived(
        &mut self,
        from: Option<PeerId>,
        id: BlockId,
        bytes: u64,
        now: Instant,
    ) -> Vec<ClaimId> {
        let Some(want) = self.wants.get(&id) else {
            return Vec::new();
        };
        let sessions: Vec<SessionId> = want.sessions().collect();
        if let Some(peer) = from {
            let ordered = want.asked.get(&peer);
            let ordered = ordered.filter(|asked| asked.is_live()).map(|a| a.at);
            self.delivered(peer, ordered, bytes, now);
            self.found(peer, &sessions);
        }
        for session in &sessions {
            if let Some(party) = self.parties.get_mut(session) {
                party.arrived = now;
            }
        }
        let want = self.forget(id, from);
        self.end(want)
    }

    /// A wanted block is here and cannot be kept: the claims that have ended.
    pub(crate) fn failed(&mut self, id: BlockId) -> Vec<ClaimId> {
        let want = self.forget(id, None);
        self.end(want)
    }

    fn end(&mut self, want: Option<Want>) -> Vec<ClaimId> {
        let claims = want.map(|want| want.claims).unwrap_or_default();
        for claim in &claims {
            self.claims.remove(&claim.id);
        }
        claims.into_iter().map(|claim| claim.id).collect()
    }

    fn delivered(&mut self, peer: PeerId, ordered: Option<Instant>, bytes: u64, now: Instant) {
        self.conducts.gave(&peer);
        let Some(there) = self.peers.get_mut(&peer) else {
            return;
        };
        there.blocks += 1;
        there.bytes += bytes;
        there.heard = now;
        there.gave = now;
        if let Some(at) = ordered {
            let waited = now.saturating_duration_since(at);
            there.pace.arrived(bytes, waited, there.live, now);
        }
    }

    /// Bytes of this peer have arrived, whatever they are.
    pub(crate) fn heard(&mut self, peer: PeerId, now: Instant) {
        if let Some(there) = self.peers.get_mut(&peer) {
            there.heard = there.heard.max(now);
        }
    }

    /// A peer sent a block that nobody wants; `None`: its hash function is not known here.
    pub(crate) fn surplus(&mut self, peer: PeerId, id: Option<BlockId>, now: Instant) -> Surplus {
        if id.is_some_and(|id| self.recent.contains(&id)) {
            return Surplus::Late;
        }
        self.distrust(peer, now);
        Surplus::Lie
    }

    /// A peer sent what it should not have. It is avoided for a while, and what was on order from
    /// it is asked from others.
    pub(crate) fn distrust(&mut self, peer: PeerId, now: Instant) {
        self.conducts.lied(peer, now);
        self.desert(peer);
    }

    /// A peer sends a message beyond the limit of the specification. Not every implementation
    /// divides its answers: what was asked of it may have been too much for one message, so it is
    /// asked half as much at a time. `false`: it was not asked enough for that.
    pub(crate) fn overfilled(&mut self, peer: PeerId) -> bool {
        let Some(there) = self.peers.get_mut(&peer) else {
            return false;
        };
        let asked = there.outbox.asked();
        if asked < 2 {
            return false;
        }
        there.pace.limit(asked / 2);
        self.desert(peer);
        true
    }

    /// Takes back everything that is on order from a peer.
    fn desert(&mut self, peer: PeerId) {
        let Some(there) = self.peers.get_mut(&peer) else {
            return;
        };
        let mut lost = Vec::new();
        for (id, want) in &mut self.wants {
            let Some(asked) = want.asked.get_mut(&peer) else {
                continue;
            };
            there.live -= usize::from(asked.is_live());
            asked.gone();
            if there.outbox.cancel(id, want.cid) {
                self.ready.insert(peer);
            }
            let left = match want.place {
                Place::Placed => !want.is_live(),
                Place::Seeking(_) => !want.is_asking(),
                Place::Queued | Place::Parked(_) | Place::Starving => false,
            };
            if left {
                lost.push(*id);
            }
        }
        for id in lost {
            self.enqueue(id);
        }
    }
}
