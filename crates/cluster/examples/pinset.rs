//! What a large pinset costs five members, for `cargo xtask bench cluster`.
//!
//! `pinset ROOTS` makes a cluster of five machines in one process, with a network that loses nothing
//! and stores that fetch at once, so that what is measured is the machine alone. It pins that many
//! roots at three members each, waits until all are kept, rests for ten minutes of virtual time,
//! then loses a member and waits until its share is made anew. It prints one line of JSON.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on has failed"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_announce::cluster::{
    ClusterOp, Copies, Entry, EntryDraft, Heartbeat, MemberSettings, Nonce, PinSpec, Role,
};
use cidcast_announce::{NodeId, NodeKey};
use cidcast_cluster::{Action, Event, LocalPin, Machine, Restored, Settings};
use cidcast_types::Timestamp;
use sha2::{Digest, Sha256};

const MEMBERS: u8 = 5;
const COPIES: u16 = 3;
const PER_ENTRY: u32 = 200;
const BYTES: u64 = 100_000_000;
const PAGE: usize = 512;
const ENTRIES: usize = 64;
const START: u64 = 1_700_000_000_000;

struct World {
    now: u64,
    keys: Vec<NodeKey>,
    machines: Vec<Option<Machine>>,
    /// The founder's log, which is the only one.
    log: Vec<Entry>,
    inbox: VecDeque<(usize, Event)>,
    beat_bytes: u64,
    fetched: u64,
    ticks: u32,
    in_ticks: Duration,
}

fn main() {
    let roots: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut world = World::found();
    for first in (0..roots).step_by(PER_ENTRY as usize) {
        let last = roots.min(first + PER_ENTRY);
        let now = world.time();
        let machine = world.machines[0].as_mut().unwrap();
        let draft = machine.draft(now, (first..last).map(pin).collect());
        let entry = Entry::sign(&world.keys[0], draft.unwrap()).unwrap();
        // The others hear of them all at once, as after a partition.
        let actions = machine.handle(now, Event::Signed(entry.clone()));
        world.log.push(entry);
        world.act(0, actions);
    }
    let before = resident();
    let begin = Instant::now();
    let asked_at = world.now;
    while !world.is_settled(roots) {
        world.second();
    }
    let (converged, virtual_s) = (begin.elapsed(), (world.now - asked_at) / 1000);
    let memory = resident().saturating_sub(before) as f64 / f64::from(MEMBERS);
    (world.beat_bytes, world.ticks, world.in_ticks) = (0, 0, Duration::ZERO);
    let rest = 600;
    for _ in 0..rest {
        world.second();
    }
    let beats = world.beat_bytes as f64 / f64::from(MEMBERS) / (rest as f64 / 60.0);
    let tick = world.in_ticks.as_secs_f64() * 1e6 / f64::from(world.ticks);
    let (lost, moved, restored_s) = world.lose(roots);
    println!(
        "{{\"roots\":{roots},\"converge_ms\":{},\"converge_virtual_s\":{virtual_s},\"memory\":{memory:.0},\"tick_us\":{tick:.1},\"rest_bytes_per_minute\":{beats:.0},\"lost_roots\":{lost},\"moved_roots\":{moved},\"restore_virtual_s\":{restored_s}}}",
        converged.as_millis(),
    );
}

impl World {
    fn found() -> Self {
        let keys: Vec<NodeKey> = (1..=MEMBERS)
            .map(|seed| NodeKey::from_seed([seed; 32]))
            .collect();
        let at = Timestamp::from_millis(START);
        let draft = Machine::genesis("bench".to_owned(), at);
        let genesis = Entry::sign(&keys[0], draft).unwrap();
        let admit = |(seed, key): (u8, &NodeKey)| ClusterOp::Admit {
            member: key.node(),
            settings: MemberSettings::new(Role::Writer),
            invitation: Nonce::from_bytes([seed; 16]),
        };
        let draft = EntryDraft {
            cluster: Some(genesis.cluster()),
            seq: 1,
            prev: Some(genesis.cid()),
            at: genesis.at().next(at),
            ops: (1..).zip(&keys).skip(1).map(admit).collect(),
        };
        let log = vec![genesis.clone(), Entry::sign(&keys[0], draft).unwrap()];
        let machine = |key: &NodeKey| {
            let entries = log.clone();
            let held = Vec::new();
            let restored = Restored { entries, held };
            let settings = Settings::default();
            Some(Machine::new(
                key.node(),
                genesis.cluster(),
                settings,
                1,
                restored,
                at,
            ))
        };
        let mut world = Self {
            now: START,
            machines: keys.iter().map(machine).collect(),
            keys,
            log,
            inbox: VecDeque::new(),
            beat_bytes: 0,
            fetched: 0,
            ticks: 0,
            in_ticks: Duration::ZERO,
        };
        let (capacity, free) = (1 << 50, 1 << 50);
        let all = 0..usize::from(MEMBERS);
        world
            .inbox
            .extend(all.map(|member| (member, Event::Space { capacity, free })));
        for _ in 0..10 {
            world.second();
        }
        world
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn index(&self, node: &NodeId) -> usize {
        let mut keys = self.keys.iter();
        keys.position(|key| key.node() == *node).unwrap()
    }

    /// A second passes, with all that follows at once.
    fn second(&mut self) {
        self.now += 1000;
        let now = self.time();
        for member in 0..self.machines.len() {
            while let Some(machine) = &mut self.machines[member]
                && machine.next_wake() <= now
            {
                let begin = Instant::now();
                let actions = machine.handle(now, Event::Tick);
                self.in_ticks += begin.elapsed();
                self.ticks += 1;
                self.act(member, actions);
            }
        }
        while let Some((to, event)) = self.inbox.pop_front() {
            if let Some(machine) = &mut self.machines[to] {
                let actions = machine.handle(now, event);
                self.act(to, actions);
            }
        }
    }

    fn act(&mut self, me: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Beat { to, draft } => {
                    let beat = Heartbeat::sign(&self.keys[me], draft).unwrap();
                    self.beat_bytes += (beat.bytes().len() * to.len()) as u64;
                    for node in to {
                        let to = self.index(&node);
                        self.inbox.push_back((to, Event::Beat(beat.clone())));
                    }
                }
                Action::AskEntries { of, from, .. } => {
                    let from = usize::try_from(from).unwrap();
                    let entries = self.log.iter().skip(from).take(ENTRIES).cloned();
                    let entries = entries.collect();
                    self.inbox
                        .push_back((me, Event::Entries { from: of, entries }));
                }
                Action::AskHoldings { of, after } => {
                    if let Some(other) = &self.machines[self.index(&of)] {
                        let page = other.holdings_after(after, PAGE);
                        self.inbox
                            .push_back((me, Event::Holdings { member: of, page }));
                    }
                }
                Action::Pin { root, .. } => {
                    self.fetched += 1;
                    let state = LocalPin::Pinned { bytes: BYTES };
                    self.inbox.push_back((me, Event::Local { root, state }));
                }
                _ => {}
            }
        }
    }

    /// Whether everyone that is left knows that each root is kept by as many as it should.
    fn is_settled(&self, roots: u32) -> bool {
        let machines = self.machines.iter().flatten();
        let mut healths = machines.map(|machine| machine.health(self.time()));
        healths.all(|health| health.pins == u64::from(roots) && health.under_replicated == 0)
    }

    /// Loses the last member: the roots that it kept, those that were fetched anew, and seconds.
    fn lose(&mut self, roots: u32) -> (u64, u64, u64) {
        let lost = self.machines.pop().flatten().unwrap();
        let lost = lost.health(self.time()).held;
        self.machines.push(None);
        let (before, at) = (self.fetched, self.now);
        // Until the grace period is over its copies still count.
        while self.fetched - before < lost || !self.is_settled(roots) {
            self.second();
            assert!(self.now - at < 3_600_000, "not restored after an hour");
        }
        let took = (self.now - at) / 1000;
        for _ in 0..60 {
            self.second();
        }
        (lost, self.fetched - before, took)
    }
}

fn pin(number: u32) -> ClusterOp {
    let digest = Sha256::digest(number.to_be_bytes());
    let (min, max) = (COPIES, COPIES);
    ClusterOp::Pin {
        root: Cid::new_v1(0x70, Multihash::wrap(0x12, &digest).unwrap()),
        spec: Box::new(PinSpec::new(Copies::Between { min, max })),
    }
}

/// Bytes of this process in memory. Linux only.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}
