//! One node: what a real one has in memory, and its line.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use cidcast_announce::{NodeId, NodeKey};
use cidcast_ipfs::swarm::PeerId;

use super::chance::mixed;
use super::histories::Said;
use super::shelf::Shelf;
use super::traffic::Traffic;
use crate::feeds::{Changes, Hearing, Pace, Sync, SyncSettings};
use crate::serve;

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) peer: PeerId,
    pub(super) is_up: bool,
    /// How often it was switched on.
    pub(super) life: u32,
    /// Connected nodes, and since when.
    pub(super) links: BTreeMap<usize, u64>,
    /// Those that joining has chosen.
    pub(super) remembered: Vec<usize>,
    pub(super) mesh: BTreeSet<usize>,
    /// Messages that were seen, and when; and those that others may ask for.
    pub(super) seen: HashMap<Said, u64>,
    pub(super) recent: VecDeque<(u64, Said)>,
    pub(super) sync: Sync,
    pub(super) hearing: Hearing,
    pub(super) answers: Pace<PeerId>,
    pub(super) changes: Changes,
    pub(super) shelf: Shelf,
    /// When its line and its processor are free.
    pub(super) line_free: u64,
    pub(super) cpu_free: u64,
    pub(super) upload: u64,
    pub(super) ticks: u64,
    pub(super) traffic: Traffic,
    /// Answers refused because they were asked for too fast.
    pub(super) refused: u64,
}

impl Node {
    pub(super) fn new(index: usize, seed: u64, upload: u64, shelf: Shelf) -> Self {
        let mut secret = [2; 32];
        secret[..8].copy_from_slice(&(index as u64).to_be_bytes());
        let id = NodeKey::from_seed(secret).node();
        let life = mixed(seed ^ mixed(index as u64));
        Self {
            id,
            peer: id.peer_id().parse().expect("a peer id"),
            is_up: false,
            life: 0,
            links: BTreeMap::new(),
            remembered: Vec::new(),
            mesh: BTreeSet::new(),
            seen: HashMap::new(),
            recent: VecDeque::new(),
            sync: Sync::new(SyncSettings::default(), life),
            hearing: Hearing::default(),
            answers: Pace::new(serve::RATE, serve::MOST_BUCKETS),
            changes: Changes::new(life),
            shelf,
            line_free: 0,
            cpu_free: 0,
            upload,
            ticks: 0,
            traffic: Traffic::default(),
            refused: 0,
        }
    }

    /// What a process loses when it ends.
    pub(super) fn end(&mut self) {
        self.is_up = false;
        self.life += 1;
        self.links.clear();
        self.mesh.clear();
        self.seen.clear();
        self.recent.clear();
        let run = mixed(u64::from(self.life) ^ mixed(self.upload) ^ self.traffic.sent);
        self.sync = Sync::new(SyncSettings::default(), run);
        self.hearing = Hearing::default();
        self.answers = Pace::new(serve::RATE, serve::MOST_BUCKETS);
        self.changes = Changes::new(run);
    }
}
