//! What time does.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::peer::Peer;
use super::want::{Answer, Asked, Claim, Place, Question, Want};
use super::{Action, Client};
use crate::block_id::BlockId;

/// A peer that has blocks on order and sends nothing at all for so long is silent: between these
/// bounds, by its usual delay.
const QUIET_LEAST: Duration = Duration::from_secs(2);
const QUIET_MOST: Duration = Duration::from_secs(5);
/// How often a want that nobody has is asked for again among those connected.
const STARVING_ROUND: Duration = Duration::from_secs(5);
/// How long a round of asking everybody takes.
const SEEKING_ROUND: Duration = Duration::from_secs(2);
/// A peer that sends bytes keeps what is on order from it moving, but only for so many tries: a
/// hostile one could send them one by one for ever.
const TRUSTED_TRIES: u32 = 3;

impl Client {
    /// Looks what is overdue. To be called a few times in a second while anything is wanted;
    /// [`Self::place`] has to be called afterwards.
    pub(crate) fn tick(&mut self, now: Instant) {
        let mut silent = BTreeSet::new();
        let mut again = Vec::new();
        for (id, want) in &mut self.wants {
            for (peer, asked) in &mut want.asked {
                let Some(there) = self.peers.get_mut(peer) else {
                    continue;
                };
                if there.give_up(asked, now) == Some(Reason::Quiet) {
                    silent.insert(*peer);
                }
            }
            if want.is_stale(now) {
                again.push(*id);
            }
        }
        for peer in silent {
            self.blame(peer, now);
        }
        for id in again {
            self.enqueue(id);
        }
        self.unpark_idle();
        self.expire(now);
    }

    /// Lets parked wants of sessions that seek for nothing any more have their turn.
    fn unpark_idle(&mut self) {
        let parties = self.parties.iter();
        let idle = parties.filter(|(_, party)| party.seeking == 0 && !party.parked.is_empty());
        for session in idle.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.unpark(session);
        }
    }

    fn blame(&mut self, peer: PeerId, now: Instant) {
        let Some(there) = self.peers.get_mut(&peer) else {
            return;
        };
        // All that was on order falls silent together: that is one silence.
        let lately = |at| now.saturating_duration_since(at) < QUIET_LEAST;
        if there.blamed.is_some_and(lately) {
            return;
        }
        there.blamed = Some(now);
        there.pace.was_silent(now);
        self.silences += 1;
        self.conducts.was_silent(peer, now);
    }

    /// Ends the claims that have seen no movement for too long.
    fn expire(&mut self, now: Instant) {
        let mut over: Vec<(BlockId, Claim)> = Vec::new();
        for (id, want) in &self.wants {
            let moved = self.moved(want);
            let late = want.claims.iter().filter(|claim| {
                let still = now.saturating_duration_since(moved.max(claim.since));
                still > claim.patience
            });
            over.extend(late.map(|claim| (*id, *claim)));
        }
        for (_, claim) in over {
            let waited = now.saturating_duration_since(claim.since);
            self.withdraw(claim.id);
            self.actions.push(Action::Expired {
                claim: claim.id,
                waited,
            });
        }
    }

    /// When something last happened that brings this want nearer to its block.
    fn moved(&self, want: &Want) -> Instant {
        let mut moved = want.moved;
        for (peer, asked) in want.asked.iter().filter(|(_, asked)| asked.is_live()) {
            if let Some(there) = self.peers.get(peer) {
                moved = moved.max(if asked.tries <= TRUSTED_TRIES {
                    there.heard
                } else {
                    there.gave
                });
            }
        }
        if let Place::Queued | Place::Parked(_) = want.place {
            // It waits for its turn.
            let parties = want.sessions().filter_map(|id| self.parties.get(&id));
            moved = parties.map(|party| party.arrived).fold(moved, Ord::max);
        }
        moved
    }
}

/// Why a peer is not waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It sends nothing at all.
    Quiet,
    /// It sends, but not this.
    Overdue,
}

impl Peer {
    fn give_up(&mut self, asked: &mut Asked, now: Instant) -> Option<Reason> {
        if asked.answer != Answer::Waiting {
            return None;
        }
        let usual = self.pace.latency().unwrap_or_default();
        let patience = usual.saturating_mul(4).clamp(QUIET_LEAST, QUIET_MOST);
        let since = asked.at.max(self.heard);
        let reason = if now.saturating_duration_since(since) > patience {
            Reason::Quiet
        } else if now >= asked.due {
            Reason::Overdue
        } else {
            return None;
        };
        self.live -= usize::from(asked.is_live());
        asked.answer = Answer::Silent;
        // Not every implementation answers the question whether it has a block.
        (asked.question == Question::Block).then_some(reason)
    }
}

impl Want {
    /// Whether it has to be looked at again.
    fn is_stale(&self, now: Instant) -> bool {
        let round = now.saturating_duration_since(self.sought);
        match self.place {
            Place::Placed => !self.is_live(),
            Place::Seeking(_) => !self.is_asking() || round >= SEEKING_ROUND,
            Place::Starving => round >= STARVING_ROUND,
            Place::Queued | Place::Parked(_) => false,
        }
    }
}
