//! Whom to ask for what was missed, and when.
//!
//! A state machine without clock, network or disk. Events are method calls with the time in them;
//! what is to be done comes from [`Sync::plan`].
//!
//! A peer *claims* to have so many announcements of a publisher: its answer about heads says so, or
//! it passed on a later announcement. Claims are believed only as far as asking goes. A feed that
//! is behind is asked of one peer at a time, together with others, of another one after a failure,
//! and waits longer and longer once everybody who claims to have more has failed.
//!
//! Invariants (tests): at most one request for a feed, a few for each peer and for all; everything
//! here is bounded, whatever peers claim; when nothing is behind, nothing is asked but heads.

mod asking;
mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_ipfs::swarm::PeerId;
use cidcast_runtime::Backoff;
use cidcast_types::Timestamp;

use super::pace::{Pace, Rate};
use crate::wire::{MAX_FEEDS, Mark};
use asking::Asked;
use peer::{Peer, Piece};

/// Bounds and rhythm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncSettings {
    /// Requests at a time.
    pub(crate) requests: usize,
    /// And to one peer.
    pub(crate) requests_per_peer: usize,
    /// Peers that are looked at.
    pub(crate) peers: usize,
    /// Claims of one peer that are remembered.
    pub(crate) claims_per_peer: usize,
    /// Feeds that can be behind at a time.
    pub(crate) feeds: usize,
    /// And how fast one peer is asked: whoever asks faster than a peer answers is refused, and would
    /// take that for a failure.
    pub(crate) pace: Rate,
    /// Some peer is asked for its heads this often.
    pub(crate) round: Duration,
    /// And for its whole list, not only for what has moved, this often.
    pub(crate) whole: Duration,
    /// A peer that cannot be asked is left alone for so long.
    pub(crate) rest: Duration,
    /// Waits of a feed that nobody gives.
    pub(crate) backoff: Backoff,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            requests: 8,
            requests_per_peer: 2,
            // A little less than what is answered (`serve`), because requests bunch on their way.
            pace: Rate {
                burst: 200,
                every: Duration::from_millis(25),
            },
            peers: 256,
            claims_per_peer: 4096,
            feeds: 16_384,
            // Gossip brings the new within a second; this is for what it lost.
            round: Duration::from_secs(20),
            // Nothing is known to need it: whatever was overlooked heals within the day.
            whole: Duration::from_secs(6 * 3600),
            rest: Duration::from_secs(600),
            backoff: Backoff {
                first: Duration::from_secs(10),
                factor: 3,
                ceiling: Duration::from_secs(3600),
                attempts: u32::MAX,
            },
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ask a peer how much it has of whom.
    AskHeads {
        peer: PeerId,
        after: Option<Publisher>,
        /// It was told before: only what has moved since.
        since: Option<Mark>,
    },
    /// Ask a peer for feeds, each from a number on: as many as it gives in one answer at most.
    AskFeeds {
        peer: PeerId,
        feeds: Vec<(Publisher, u64)>,
    },
    /// A feed has to wait: nobody gives it.
    Waiting {
        publisher: Publisher,
        failures: u32,
        next_at: Timestamp,
    },
}

/// Why a request brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This peer cannot be asked anything: it speaks something else, or is gone.
    Peer,
    /// Not this time.
    Request,
}

#[derive(Debug)]
struct Behind {
    have: u64,
    /// The request in which it is asked for.
    asked: Option<u64>,
    /// Asked in this round, without success.
    tried: BTreeSet<PeerId>,
    failures: u32,
    next_at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sync {
    settings: SyncSettings,
    peers: BTreeMap<PeerId, Peer>,
    behind: BTreeMap<Publisher, Behind>,
    /// Requests for feeds under way.
    asked: BTreeMap<u64, Asked>,
    next_request: u64,
    pace: Pace<PeerId>,
    next_round: Timestamp,
    chance: u64,
}

impl Sync {
    /// `seed`: where chance begins.
    pub(crate) fn new(settings: SyncSettings, seed: u64) -> Self {
        Self {
            settings,
            peers: BTreeMap::new(),
            behind: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            pace: Pace::new(settings.pace, settings.peers.saturating_mul(4)),
            next_round: Timestamp::from_millis(0),
            chance: seed | 1,
        }
    }

    /// Who is connected now.
    pub(crate) fn connected(&mut self, peers: &BTreeSet<PeerId>) {
        self.peers.retain(|peer, state| {
            let is_here = peers.contains(peer);
            if !is_here {
                // It may come back as somebody who knows nothing of its marks.
                state.forget_marks();
            }
            is_here || state.busy > 0 || state.asked_heads.is_some()
        });
        for peer in peers {
            if self.peers.len() >= self.settings.peers {
                break;
            }
            self.peers.entry(*peer).or_insert_with(Peer::new);
        }
    }

    /// How many announcements of a feed are here.
    pub(crate) fn moved(&mut self, publisher: Publisher, have: u64) {
        for peer in self.peers.values_mut() {
            if peer
                .claims
                .get(&publisher)
                .is_some_and(|claim| *claim <= have)
            {
                peer.claims.remove(&publisher);
            }
        }
        if let Some(feed) = self.behind.get_mut(&publisher) {
            if have > feed.have {
                feed.failures = 0;
                feed.tried.clear();
                feed.next_at = Timestamp::from_millis(0);
            }
            feed.have = have;
        }
        self.tidy(&publisher);
    }

    /// A publisher is not wanted any more.
    pub(crate) fn dropped(&mut self, publisher: &Publisher) {
        for peer in self.peers.values_mut() {
            peer.claims.remove(publisher);
        }
        self.tidy(publisher);
    }

    /// `peer` claims to have `count` announcements of a feed of which `have` are here.
    pub(crate) fn claimed(&mut self, peer: PeerId, publisher: Publisher, count: u64, have: u64) {
        let most = self.settings.claims_per_peer;
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if count <= have {
            state.claims.remove(&publisher);
            self.tidy(&publisher);
            return;
        }
        let known = self.behind.contains_key(&publisher);
        let room = state.claims.contains_key(&publisher) || state.claims.len() < most;
        if !room || !(known || self.behind.len() < self.settings.feeds) {
            state.is_cut = true;
            return;
        }
        let before = state.claims.insert(publisher, count);
        let feed = self.behind.entry(publisher).or_insert_with(|| Behind {
            have,
            asked: None,
            tried: BTreeSet::new(),
            failures: 0,
            next_at: Timestamp::from_millis(0),
        });
        // Who claims more than before has something new to say.
        if before.is_none_or(|before| before < count) {
            feed.tried.remove(&peer);
        }
    }

    /// `peer` has answered about heads: the claims were told before. `after`: where its list goes
    /// on, if it does. `mark`: what to ask with next time.
    pub(crate) fn heads_answered(
        &mut self,
        peer: PeerId,
        after: Option<Publisher>,
        mark: Option<Mark>,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        // What moves while a list is told piece by piece may be in a piece that was told already.
        let beginning = match state.asked_heads.take() {
            Some(Piece::Later) => state.beginning.take(),
            Some(Piece::First) | None => mark,
        };
        if after.is_some() {
            state.beginning = beginning;
        } else if state.is_cut {
            state.forget_marks();
        } else {
            state.mark = beginning;
        }
        state.after = after;
    }

    /// `peer` has not answered about heads.
    pub(crate) fn heads_failed(&mut self, peer: PeerId, failure: Failure, now: Timestamp) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.asked_heads = None;
            state.after = None;
            state.forget_marks();
        }
        self.rest(peer, failure, now);
    }

    /// A feed that was asked for has moved.
    pub(crate) fn delivered(&mut self, publisher: Publisher, have: u64) {
        self.free(&publisher);
        self.moved(publisher, have);
    }

    /// `peer` was asked for a feed and has not moved it: its claim was worth nothing.
    pub(crate) fn failed(
        &mut self,
        peer: PeerId,
        publisher: Publisher,
        failure: Failure,
        now: Timestamp,
    ) {
        self.free(&publisher);
        if let Some(feed) = self.behind.get_mut(&publisher) {
            feed.tried.insert(peer);
        }
        self.rest(peer, failure, now);
    }

    /// A feed was asked for, and the answer had no room for it.
    pub(crate) fn not_answered(&mut self, publisher: Publisher) {
        self.free(&publisher);
        self.tidy(&publisher);
    }

    /// `peer` gives so many feeds in one answer.
    pub(crate) fn gives_together(&mut self, peer: PeerId, feeds: u64) {
        if let Some(state) = self.peers.get_mut(&peer) {
            let feeds = usize::try_from(feeds).unwrap_or(MAX_FEEDS);
            state.together = feeds.clamp(1, MAX_FEEDS);
        }
    }

    /// Nobody waits or rests any longer: the operator says that it is worth trying.
    pub(crate) fn hurry(&mut self) {
        for peer in self.peers.values_mut() {
            peer.rests_until = None;
            peer.is_new = true;
            peer.forget_marks();
        }
        for feed in self.behind.values_mut() {
            feed.next_at = Timestamp::from_millis(0);
            feed.tried.clear();
        }
    }

    /// What is to be done now.
    pub(crate) fn plan(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        self.plan_feeds(now, &mut actions);
        self.plan_heads(now, &mut actions);
        actions
    }

    /// Feeds that are behind some claim.
    pub(crate) fn behind(&self) -> usize {
        self.behind.len()
    }

    /// Everybody who claimed more has failed, or is gone.
    fn postpone(&mut self, publisher: Publisher, now: Timestamp) -> Option<Action> {
        let is_claimed = self
            .peers
            .values()
            .any(|peer| peer.claims.contains_key(&publisher));
        if !is_claimed {
            self.behind.remove(&publisher);
            return None;
        }
        let feed = self.behind.get_mut(&publisher)?;
        feed.failures = feed.failures.saturating_add(1);
        let wait = self.settings.backoff.delay(feed.failures);
        feed.next_at = now.after(wait.unwrap_or(self.settings.backoff.ceiling));
        feed.tried.clear();
        Some(Action::Waiting {
            publisher,
            failures: feed.failures,
            next_at: feed.next_at,
        })
    }

    fn plan_heads(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let can = |peer: &Peer| {
            peer.asked_heads.is_none() && peer.rests_until.is_none_or(|until| until <= now)
        };
        let mut asked: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| can(peer) && (peer.is_new || peer.after.is_some()))
            .map(|(id, _)| *id)
            .collect();
        if self.next_round <= now {
            self.next_round = now.after(self.settings.round);
            let known: Vec<PeerId> = self
                .peers
                .iter()
                .filter(|(id, peer)| can(peer) && !asked.contains(id))
                .map(|(id, _)| *id)
                .collect();
            let chosen = usize::try_from(self.next_chance()).unwrap_or(0);
            asked.extend(known.get(chosen.checked_rem(known.len()).unwrap_or(0)));
        }
        asked.truncate(self.settings.requests);
        for id in asked {
            if let Some(peer) = self.peers.get_mut(&id)
                && self.pace.allows(id, now)
            {
                actions.push(peer.ask_heads(id, now, self.settings.whole));
            }
        }
    }

    fn rest(&mut self, peer: PeerId, failure: Failure, now: Timestamp) {
        if failure == Failure::Peer
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.rests_until = Some(now.after(self.settings.rest));
            state.claims.clear();
            state.forget_marks();
        }
    }

    /// Forgets that a feed is behind when nobody claims so any more.
    fn tidy(&mut self, publisher: &Publisher) {
        if !self.behind.contains_key(publisher) {
            return;
        }
        let is_asked = |feed: &Behind| feed.asked.is_some();
        let is_claimed = |peer: &Peer| peer.claims.contains_key(publisher);
        if !self.behind.get(publisher).is_some_and(is_asked) && !self.peers.values().any(is_claimed)
        {
            self.behind.remove(publisher);
        }
    }

    fn next_chance(&mut self) -> u64 {
        // xorshift64: whom to ask first needs no better chance.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }
}

#[cfg(test)]
mod tests;
