//! What should be here: a pure function of what is wanted, what exists and what there is room for.
//!
//! In this order, each while there is room:
//! 1. What is here and not yet for its minimum lifetime; it stays even above a budget that became
//!    smaller.
//! 2. What has fewer copies than its publisher wishes.
//! 3. The rest.
//!
//! In 2 and 3 each follow names what it wants by its own strategy, and the follow that was given
//! the fewest bytes so far has the next turn, so that strategies compete for one budget and no
//! follow takes it all. What does not fit is passed over for something smaller. What stays in any
//! case takes room from the beginning, and a turn like the rest: that something has arrived, and
//! may not go for a while, makes no difference to whose turn it is.
//!
//! The same input gives the same plan, in whatever order it comes, and carrying a plan out changes
//! nothing in the next one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_catalog::{AssetOf, KeepReason, Strategy};
use cidcast_types::{AssetId, Timestamp};

/// How much of a publisher is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Nothing: what it announces is indexed only.
    Nothing,
    /// What it announced last.
    Newest(u32),
    /// As much as these bytes hold.
    Budget(u64),
    /// All of it.
    All,
    /// What is here, and nothing more: the publisher is blocked or revoked, and the operator keeps
    /// what came before.
    Frozen,
}

/// What is wanted of one publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whose assets.
    pub publisher: Publisher,
    /// How much.
    pub amount: Amount,
    /// What first.
    pub strategy: Strategy,
    /// How long something stays once it is here, whatever is wanted then.
    pub min_lifetime: Duration,
}

/// An asset that could be here or is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub of: AssetOf,
    /// When it was announced.
    pub announced_at: Timestamp,
    /// Bytes of what is wanted of it.
    pub bytes: u64,
    /// How many copies its publisher wants at least.
    pub min_copies: u32,
    /// How many copies its publisher wants at most: no more are made.
    pub max_copies: u32,
    /// Other nodes that are known to have it, the origin among them.
    pub copies: u32,
    /// How often it was watched on this node.
    pub views: u64,
    /// What is here of it.
    pub here: Option<Here>,
}

/// What is here of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Here {
    /// Since when.
    pub since: Timestamp,
    /// How much.
    pub bytes: u64,
    /// Whether it is what is wanted now.
    pub version: Version,
}

/// Whether what is here is what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// It is.
    Current,
    /// The publisher has announced another package since, or other renditions are wanted.
    Outdated,
}

/// What should be here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What stays or is taken, the most important first.
    pub keep: Vec<Kept>,
    /// What goes.
    pub evict: Vec<Evicted>,
    /// Bytes of what stays and is taken.
    pub bytes: u64,
}

/// Something that should be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub of: AssetOf,
    /// Why.
    pub reason: KeepReason,
    /// What there is to do.
    pub action: Action,
}

/// What there is to do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Stay,
    /// It has to be fetched.
    Take,
    /// It has to be fetched in its new form; what is here goes then.
    Renew,
}

/// Something that should not be here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// Which.
    pub of: AssetOf,
    /// Why.
    pub cause: Cause,
}

/// Why something has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody follows its publisher here.
    NotFollowed,
    /// The follow wants something else.
    NotWanted,
    /// Something else comes first and the room is not enough for both.
    NoRoom,
}

/// What should be here by these rules within `budget` bytes.
pub fn plan(rules: &[Rule], candidates: &[Candidate], budget: u64, now: Timestamp) -> Plan {
    let mut sorted: BTreeMap<AssetOf, &Candidate> = BTreeMap::new();
    for candidate in candidates {
        sorted.entry(candidate.of).or_insert(candidate);
    }
    let mut shares: BTreeMap<Publisher, Share<'_>> = rules
        .iter()
        .map(|rule| (rule.publisher, Share::new(rule)))
        .collect();
    let mut planner = Planner {
        budget,
        plan: Plan::default(),
    };
    for candidate in sorted.values() {
        match shares.get_mut(&candidate.of.publisher) {
            Some(share) => share.candidates.push(candidate),
            None => planner.evict(candidate, Cause::NotFollowed),
        }
    }
    let mut shares: Vec<Share<'_>> = shares.into_values().collect();
    for share in &mut shares {
        share.sort();
        planner.keep_protected(share, now);
    }
    for share in &mut shares {
        planner.renew_protected(share);
    }
    planner.deal(&mut shares, Round::Wishes);
    planner.deal(&mut shares, Round::Rest);
    for share in &shares {
        planner.evict_rest(share);
    }
    planner.plan
}

/// A rule, and what became of its candidates.
struct Share<'a> {
    rule: &'a Rule,
    /// Best first.
    candidates: Vec<&'a Candidate>,
    /// What the rule would have, if there is room.
    eligible: BTreeSet<AssetId>,
    kept: BTreeSet<AssetId>,
    /// Bytes of what is kept.
    bytes: u64,
    /// What of it was dealt in a turn.
    dealt: BTreeSet<AssetId>,
    /// Bytes of what was dealt, in the form that is wanted.
    dealt_bytes: u64,
}

/// Which candidates a round is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Those with fewer copies than wished.
    Wishes,
    /// All.
    Rest,
}

impl<'a> Share<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            rule,
            candidates: Vec::new(),
            eligible: BTreeSet::new(),
            kept: BTreeSet::new(),
            bytes: 0,
            dealt: BTreeSet::new(),
            dealt_bytes: 0,
        }
    }

    /// Puts the best first, and finds out what the rule would have at all.
    fn sort(&mut self) {
        self.candidates
            .sort_by_key(|c| (Reverse(c.announced_at), c.of));
        let most = match self.rule.amount {
            Amount::Nothing | Amount::Frozen => 0,
            Amount::Newest(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Amount::Budget(_) | Amount::All => usize::MAX,
        };
        let wanted = self.candidates.iter().take(most);
        self.eligible = wanted
            .filter(|c| c.here.is_some() || c.copies < c.max_copies)
            .map(|c| c.of.asset)
            .collect();
        // Stable: what is equal stays in the order of its announcement.
        match self.rule.strategy {
            Strategy::Newest => {}
            Strategy::Watched => self.candidates.sort_by_key(|c| Reverse(c.views)),
            Strategy::Rare => self.candidates.sort_by_key(|c| c.copies),
        }
    }

    /// Bytes that the rule itself allows.
    fn limit(&self) -> u64 {
        match self.rule.amount {
            Amount::Budget(bytes) => bytes,
            _ => u64::MAX,
        }
    }

    fn is_open(&self, candidate: &Candidate, round: Round) -> bool {
        let asset = &candidate.of.asset;
        let is_in_round = match round {
            Round::Wishes => candidate.copies < candidate.min_copies,
            Round::Rest => true,
        };
        is_in_round && self.eligible.contains(asset) && !self.dealt.contains(asset)
    }

    fn deal(&mut self, candidate: &Candidate) {
        if self.dealt.insert(candidate.of.asset) {
            self.dealt_bytes = self.dealt_bytes.saturating_add(candidate.bytes);
        }
    }
}

struct Planner {
    budget: u64,
    plan: Plan,
}

impl Planner {
    /// What may not go yet, whatever the budgets say.
    fn keep_protected(&mut self, share: &mut Share<'_>, now: Timestamp) {
        for candidate in share.candidates.clone() {
            let Some(here) = candidate.here else {
                continue;
            };
            let reason = match share.rule.amount {
                Amount::Frozen => KeepReason::Frozen,
                _ if here.since.after(share.rule.min_lifetime) > now => KeepReason::Lifetime,
                _ => continue,
            };
            self.keep(share, candidate, (reason, Action::Stay, here.bytes));
        }
    }

    /// New forms of what may not go, where there is room for both: once all of that is counted.
    fn renew_protected(&mut self, share: &mut Share<'_>) {
        for candidate in share.candidates.clone() {
            let is_outdated = candidate
                .here
                .is_some_and(|here| here.version == Version::Outdated);
            let is_open = share.eligible.contains(&candidate.of.asset);
            if !is_outdated || !is_open || !self.fits(share, candidate.bytes) {
                continue;
            }
            let mut kept = self.plan.keep.iter_mut();
            let kept = kept.find(|kept| kept.of == candidate.of);
            if let Some(kept) = kept.filter(|kept| kept.reason == KeepReason::Lifetime) {
                kept.action = Action::Renew;
                share.bytes = share.bytes.saturating_add(candidate.bytes);
                self.plan.bytes = self.plan.bytes.saturating_add(candidate.bytes);
            }
        }
    }

    /// Gives each follow its turns until nothing fits.
    fn deal(&mut self, shares: &mut [Share<'_>], round: Round) {
        let mut next = vec![0; shares.len()];
        let mut turns: BinaryHeap<Reverse<(u64, usize)>> = shares
            .iter()
            .enumerate()
            .map(|(n, share)| Reverse((share.dealt_bytes, n)))
            .collect();
        while let Some(Reverse((_, n))) = turns.pop() {
            let (Some(share), Some(next)) = (shares.get_mut(n), next.get_mut(n)) else {
                continue;
            };
            let Some(candidate) = share.candidates.get(*next).copied() else {
                continue;
            };
            *next += 1;
            if share.is_open(candidate, round) {
                self.offer(share, candidate, round);
            }
            turns.push(Reverse((share.dealt_bytes, n)));
        }
    }

    /// Keeps a candidate if there is room, or if it stays in any case.
    fn offer(&mut self, share: &mut Share<'_>, candidate: &Candidate, round: Round) {
        if share.kept.contains(&candidate.of.asset) {
            return share.deal(candidate);
        }
        let (action, bytes) = match candidate.here {
            None => (Action::Take, candidate.bytes),
            Some(here) => match here.version {
                Version::Current => (Action::Stay, here.bytes),
                // Both are here until the new one is complete.
                Version::Outdated => (Action::Renew, here.bytes.saturating_add(candidate.bytes)),
            },
        };
        if self.fits(share, bytes) {
            let reason = match round {
                Round::Wishes => KeepReason::Wish,
                Round::Rest => by_strategy(share.rule.strategy),
            };
            self.keep(share, candidate, (reason, action, bytes));
            share.deal(candidate);
        }
    }

    fn fits(&self, share: &Share<'_>, bytes: u64) -> bool {
        self.plan.bytes.saturating_add(bytes) <= self.budget
            && share.bytes.saturating_add(bytes) <= share.limit()
    }

    fn keep(
        &mut self,
        share: &mut Share<'_>,
        candidate: &Candidate,
        (reason, action, bytes): (KeepReason, Action, u64),
    ) {
        let of = candidate.of;
        share.kept.insert(of.asset);
        share.bytes = share.bytes.saturating_add(bytes);
        self.plan.bytes = self.plan.bytes.saturating_add(bytes);
        self.plan.keep.push(Kept { of, reason, action });
    }

    fn evict_rest(&mut self, share: &Share<'_>) {
        for candidate in &share.candidates {
            let asset = &candidate.of.asset;
            if !share.kept.contains(asset) {
                let cause = match share.eligible.contains(asset) {
                    true => Cause::NoRoom,
                    false => Cause::NotWanted,
                };
                self.evict(candidate, cause);
            }
        }
    }

    fn evict(&mut self, candidate: &Candidate, cause: Cause) {
        if candidate.here.is_some() {
            let of = candidate.of;
            self.plan.evict.push(Evicted { of, cause });
        }
    }
}

fn by_strategy(strategy: Strategy) -> KeepReason {
    match strategy {
        Strategy::Newest => KeepReason::Newest,
        Strategy::Watched => KeepReason::Watched,
        Strategy::Rare => KeepReason::Rare,
    }
}

#[cfg(test)]
mod tests;
