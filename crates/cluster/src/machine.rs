//! One member's view of the cluster, and what follows from it.
//!
//! A pure state machine: state + event + time → actions. The service around it signs, keeps, sends
//! and fetches; it never decides.

mod audit;
mod beating;
mod commands;
mod entries;
mod holdings;
mod pins;
mod track;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterId, Entry, HeartbeatDraft, PinAudience};
use cidcast_types::Timestamp;

use crate::event::{Action, Event};
use crate::liveness::{Liveness, Pulse};
use crate::logs::Logs;
use crate::membership::Membership;
use crate::pinset::{Pinset, RootId};
use crate::settings::Settings;
pub use commands::CommandError;
use track::{Track, Turn};
pub use views::{Health, MemberView, PinFilter, PinView, ProofView};

/// One member's view of the cluster.
#[derive(Debug)]
pub struct Machine {
    me: NodeId,
    settings: Settings,
    boot: u64,
    random: Random,
    logs: Logs,
    membership: Membership,
    pinset: Pinset,
    /// By [`RootId`].
    tracks: Vec<Track>,
    /// Everyone else who is a member.
    peers: BTreeMap<NodeId, Peer>,
    room: Room,
    /// Roots that may have to be treated otherwise now.
    dirty: BTreeSet<RootId>,
    /// What is to be fetched here and was not begun, the most urgent first.
    queue: BTreeSet<Turn>,
    running: BTreeSet<RootId>,
    /// What could not be begun for want of room.
    no_room: BTreeSet<RootId>,
    timers: BTreeSet<(Timestamp, RootId)>,
    /// Number of the newest change of what is kept here, and the root of each that is the newest
    /// for its root.
    changes: u64,
    changed: BTreeMap<u64, RootId>,
    /// When entries of a log were last asked for.
    asked: HashMap<NodeId, Timestamp>,
    beats: u64,
    next_beat: Timestamp,
    next_audit: Timestamp,
    is_removed: bool,
    started: Timestamp,
    /// Whether enough is known of the others to decide who keeps what: shares depend on what each
    /// says of its room, and who has just started has heard of none.
    is_oriented: bool,
    totals: views::Totals,
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub struct Restored {
    /// All entries of all logs, in any order.
    pub entries: Vec<Entry>,
    /// Roots that are kept under the cluster's holder.
    pub held: Vec<Copy>,
}

/// A root that is kept under the cluster's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Which.
    pub root: Cid,
    /// Its bytes.
    pub bytes: u64,
    /// Who may have its blocks.
    pub audience: PinAudience,
}

#[derive(Debug)]
struct Peer {
    pulse: Pulse,
    beat: Option<HeartbeatDraft>,
    /// The newest of its changes that is known here, in its run `boot`.
    seen: u64,
    boot: u64,
    /// When it was last asked for changes.
    asked: Option<Timestamp>,
    proved: u64,
    last_proof: Option<Timestamp>,
    failures: u64,
}

/// How much room is here.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    capacity: u64,
    free: u64,
    is_known: bool,
    is_low: bool,
}

/// SplitMix64: choices that need not be secret, the same for the same seed.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}

impl Machine {
    /// The view of `me`, in the run `boot` of its program (which grows with every start), from what
    /// an earlier run left. The first actions come with the first event.
    pub fn new(
        me: NodeId,
        cluster: ClusterId,
        settings: Settings,
        boot: u64,
        restored: Restored,
        now: Timestamp,
    ) -> Self {
        let seed = me.as_bytes().iter().fold(boot, |seed, byte| {
            seed.rotate_left(7).wrapping_add(u64::from(*byte))
        });
        let mut machine = Self {
            me,
            next_audit: now.after(settings.audit_interval),
            settings,
            boot,
            random: Random(seed),
            logs: Logs::new(cluster),
            membership: Membership::default(),
            pinset: Pinset::default(),
            tracks: Vec::new(),
            peers: BTreeMap::new(),
            room: Room::default(),
            dirty: BTreeSet::new(),
            queue: BTreeSet::new(),
            running: BTreeSet::new(),
            no_room: BTreeSet::new(),
            timers: BTreeSet::new(),
            changes: 0,
            changed: BTreeMap::new(),
            asked: HashMap::new(),
            beats: 0,
            next_beat: now,
            is_removed: false,
            started: now,
            is_oriented: false,
            totals: views::Totals::default(),
        };
        machine.restore(restored, now);
        machine
    }

    /// Which cluster.
    pub fn cluster(&self) -> ClusterId {
        self.logs.cluster()
    }

    /// Whether this node was put out of the cluster. Then nothing happens any more.
    pub fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// When [`Event::Tick`] is due; a time that has passed means at once.
    pub fn next_wake(&self) -> Timestamp {
        if self.is_removed {
            return Timestamp::from_millis(u64::MAX);
        }
        if !self.dirty.is_empty() {
            return Timestamp::from_millis(0);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let next = self.next_beat.min(self.next_audit);
        timer.map_or(next, |timer| timer.min(next))
    }

    /// What follows from an event.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_removed {
            return actions;
        }
        match event {
            Event::Tick => self.tick(now, &mut actions),
            Event::Beat(beat) => self.hear(now, &beat, &mut actions),
            Event::Entries { from, entries } => self.take(now, from, entries, &mut actions),
            Event::Signed(entry) => self.take_own(now, &entry, &mut actions),
            Event::Local { root, state } => self.note_local(now, &root, state),
            Event::Space { capacity, free } => self.note_room(capacity, free, &mut actions),
            Event::Holdings { member, page } => self.learn(now, member, &page, &mut actions),
            Event::Proof {
                member,
                root,
                outcome,
            } => self.note_proof(now, member, &root, outcome, &mut actions),
            Event::Suspected { root } => self.doubt_own(&root, &mut actions),
        }
        self.settle(now, &mut actions);
        actions
    }

    /// What can be said of a member; this one is always alive.
    fn liveness(&self, node: &NodeId, now: Timestamp) -> Liveness {
        if *node == self.me {
            return Liveness::Alive;
        }
        let peer = self.peers.get(node);
        peer.map_or(Liveness::Lost, |peer| {
            peer.pulse.liveness(now, &self.settings)
        })
    }

    fn all_dirty(&mut self) {
        let ids = self.ids();
        self.dirty.extend(ids);
    }

    /// Every root that was ever heard of.
    fn ids(&self) -> std::ops::Range<RootId> {
        0..RootId::try_from(self.tracks.len()).unwrap_or(RootId::MAX)
    }

    fn track(&self, id: RootId) -> Option<&Track> {
        self.tracks.get(id as usize)
    }

    fn track_mut(&mut self, id: RootId) -> Option<&mut Track> {
        self.tracks.get_mut(id as usize)
    }
}
