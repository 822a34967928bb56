//! Which key is provided next.
//!
//! A state machine without clock or network: times are since some start. Each key is provided once
//! in a period. The DHT's own store holds a limited number of keys, so that one more first costs
//! the one that was provided longest ago its place there; its records with other peers stay until
//! they expire, which is after the key's next turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cid::Cid;
use cidcast_runtime::Backoff;

/// A failed key: soon again, then hourly, for as long as it is wanted.
const FAILED: Backoff = Backoff {
    first: Duration::from_secs(60),
    factor: 2,
    ceiling: Duration::from_secs(3600),
    attempts: u32::MAX,
};

/// What to do with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Tell the DHT that it is here.
    Provide(Cid),
    /// Take it out of the DHT's own store.
    Withdraw(Cid),
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Do(Task),
    /// Nothing before this time.
    At(Duration),
    /// Nothing until a key ends or the wanted keys change.
    Nothing,
}

#[derive(Debug, Default)]
struct Key {
    due: Duration,
    /// When it was provided last.
    provided: Option<Duration>,
    failures: u32,
    turn: Turn,
}

/// What is happening to a key.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    #[default]
    Waiting,
    Running,
}

/// All keys that are wanted, and those that the DHT still has.
#[derive(Debug)]
pub(super) struct Rotation {
    every: Duration,
    limit: usize,
    keys: BTreeMap<Cid, Key>,
    due: BTreeSet<(Duration, Cid)>,
    /// In the DHT's own store, or on the way there.
    held: BTreeSet<Cid>,
    unwanted: Vec<Cid>,
}

impl Rotation {
    pub(super) fn new(every: Duration, limit: usize) -> Self {
        Self {
            every,
            limit: limit.max(1),
            keys: BTreeMap::new(),
            due: BTreeSet::new(),
            held: BTreeSet::new(),
            unwanted: Vec::new(),
        }
    }

    /// Replaces the keys that are wanted. New ones are due at once.
    pub(super) fn set(&mut self, wanted: &BTreeSet<Cid>, now: Duration) {
        let gone: Vec<Cid> = (self.keys.keys())
            .filter(|cid| !wanted.contains(cid))
            .copied()
            .collect();
        for cid in gone {
            if let Some(key) = self.keys.remove(&cid) {
                self.due.remove(&(key.due, cid));
            }
            if self.held.contains(&cid) {
                self.unwanted.push(cid);
            }
        }
        for cid in wanted {
            if !self.keys.contains_key(cid) {
                let key = Key {
                    due: now,
                    ..Key::default()
                };
                self.keys.insert(*cid, key);
                self.due.insert((now, *cid));
            }
        }
        self.unwanted.retain(|cid| !wanted.contains(cid));
    }

    /// What to do at `now`. What this gives is taken for begun.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        if let Some(cid) = self.unwanted.pop() {
            self.held.remove(&cid);
            return Next::Do(Task::Withdraw(cid));
        }
        let Some((due, cid)) = self.due.first().copied() else {
            return Next::Nothing;
        };
        if due > now {
            return Next::At(due);
        }
        if !self.held.contains(&cid) && self.held.len() >= self.limit {
            return match self.oldest() {
                Some(oldest) => {
                    self.held.remove(&oldest);
                    Next::Do(Task::Withdraw(oldest))
                }
                None => Next::Nothing,
            };
        }
        self.due.remove(&(due, cid));
        self.held.insert(cid);
        if let Some(key) = self.keys.get_mut(&cid) {
            key.turn = Turn::Running;
        }
        Next::Do(Task::Provide(cid))
    }

    /// A key was provided.
    pub(super) fn provided(&mut self, cid: &Cid, now: Duration) {
        let every = self.every;
        self.end(cid, |key| {
            key.failures = 0;
            key.provided = Some(now);
            now + every
        });
    }

    /// A key could not be provided.
    pub(super) fn failed(&mut self, cid: &Cid, now: Duration) {
        self.end(cid, |key| {
            key.failures = key.failures.saturating_add(1);
            now + FAILED.delay(key.failures).unwrap_or(FAILED.ceiling)
        });
    }

    /// How many keys are wanted, and how many of them were provided within the period.
    pub(super) fn counts(&self, now: Duration) -> (usize, usize) {
        let fresh = |key: &&Key| (key.provided).is_some_and(|at| now < at + self.every);
        (self.keys.len(), self.keys.values().filter(fresh).count())
    }

    fn end(&mut self, cid: &Cid, next: impl FnOnce(&mut Key) -> Duration) {
        match self.keys.get_mut(cid) {
            Some(key) => {
                key.due = next(key);
                key.turn = Turn::Waiting;
                self.due.insert((key.due, *cid));
            }
            // It stopped being wanted while it was provided, and may have been put into the DHT's
            // store after it was withdrawn.
            None => self.unwanted.push(*cid),
        }
    }

    /// The held key whose place is the least needed.
    fn oldest(&self) -> Option<Cid> {
        let waiting = self.held.iter().filter_map(|cid| {
            let key = self.keys.get(cid)?;
            (key.turn == Turn::Waiting).then_some((key.provided, *cid))
        });
        waiting.min().map(|(_, cid)| cid)
    }
}

#[cfg(test)]
mod tests {
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn cid(n: u64) -> Cid {
        Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))
    }

    fn set(numbers: std::ops::Range<u64>) -> BTreeSet<Cid> {
        numbers.map(cid).collect()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Does everything that is due at `now`; says what was provided and withdrawn.
    fn run(rotation: &mut Rotation, now: Duration) -> (Vec<Cid>, Vec<Cid>) {
        let (mut provided, mut withdrawn) = (Vec::new(), Vec::new());
        loop {
            match rotation.next(now) {
                Next::Do(Task::Provide(cid)) => {
                    rotation.provided(&cid, now);
                    provided.push(cid);
                }
                Next::Do(Task::Withdraw(cid)) => withdrawn.push(cid),
                Next::At(_) | Next::Nothing => return (provided, withdrawn),
            }
        }
    }

    #[test]
    fn every_key_is_provided_once_a_period() {
        let mut rotation = Rotation::new(DAY, 10);
        rotation.set(&set(0..3), at(0));
        assert_eq!(run(&mut rotation, at(0)).0.len(), 3);
        assert_eq!(rotation.next(at(5)), Next::At(DAY));
        assert_eq!(rotation.counts(at(5)), (3, 3));
        rotation.set(&set(0..4), at(10));
        assert_eq!(run(&mut rotation, at(10)), (vec![cid(3)], vec![]));
        assert_eq!(run(&mut rotation, DAY).0.len(), 3);
        assert_eq!(rotation.counts(DAY + at(5)), (4, 4));
    }

    #[test]
    fn more_keys_than_places_take_turns() {
        let mut rotation = Rotation::new(DAY, 4);
        rotation.set(&set(0..11), at(0));
        let (provided, withdrawn) = run(&mut rotation, at(0));
        assert_eq!(provided.len(), 11);
        assert_eq!(withdrawn.len(), 7);
        let (again, _) = run(&mut rotation, DAY);
        assert_eq!(again.len(), 11);
    }

    #[test]
    fn a_key_that_is_not_wanted_any_more_is_withdrawn() {
        let mut rotation = Rotation::new(DAY, 4);
        rotation.set(&set(0..2), at(0));
        run(&mut rotation, at(0));
        rotation.set(&set(0..1), at(1));
        assert_eq!(run(&mut rotation, at(1)), (vec![], vec![cid(1)]));
        // Also when it goes while it is being provided.
        rotation.set(&set(0..3), at(2));
        let Next::Do(Task::Provide(running)) = rotation.next(at(2)) else {
            panic!("a new key is due");
        };
        rotation.set(&set(0..1), at(3));
        while let Next::Do(task) = rotation.next(at(3)) {
            assert!(matches!(task, Task::Withdraw(_)), "{task:?}");
        }
        rotation.provided(&running, at(4));
        assert_eq!(rotation.next(at(4)), Next::Do(Task::Withdraw(running)));
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let mut rotation = Rotation::new(DAY, 4);
        rotation.set(&set(0..1), at(0));
        let mut now = at(0);
        for wait in [60, 120, 240] {
            assert_eq!(rotation.next(now), Next::Do(Task::Provide(cid(0))));
            rotation.failed(&cid(0), now);
            assert_eq!(rotation.next(now), Next::At(now + at(wait)));
            now += at(wait);
        }
        assert_eq!(rotation.counts(now), (1, 0));
    }

    proptest! {
        /// Whatever is wanted when: the limit holds, and what is not wanted ends up withdrawn.
        #[test]
        fn the_dht_never_holds_more_than_the_limit_nor_what_is_not_wanted(
            sets in prop::collection::vec((0u64..20, 0u64..20, any::<bool>()), 1..20),
            limit in 1usize..6,
        ) {
            let mut rotation = Rotation::new(DAY, limit);
            let mut here = BTreeSet::new();
            let mut wanted = BTreeSet::new();
            for (n, (from, len, works)) in sets.into_iter().enumerate() {
                let now = DAY * u32::try_from(n).unwrap();
                wanted = set(from..from + len);
                rotation.set(&wanted, now);
                let mut running = Vec::new();
                loop {
                    match rotation.next(now) {
                        Next::Do(Task::Provide(cid)) => {
                            here.insert(cid);
                            running.push(cid);
                        }
                        Next::Do(Task::Withdraw(cid)) => {
                            here.remove(&cid);
                        }
                        Next::At(_) | Next::Nothing => match running.pop() {
                            Some(cid) if works => rotation.provided(&cid, now),
                            Some(cid) => rotation.failed(&cid, now),
                            None => break,
                        },
                    }
                    prop_assert!(here.len() <= limit);
                }
            }
            prop_assert!(here.is_subset(&wanted));
        }
    }
}
