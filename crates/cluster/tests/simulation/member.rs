//! A member: a machine, and the disk that outlives it.

use std::collections::{BTreeMap, BTreeSet};

use cidcast_announce::cluster::{ClusterId, Entry, PinAudience};
use cidcast_announce::{NodeId, NodeKey};
use cidcast_cluster::{Copy, Machine, Restored, Settings};
use cidcast_types::{Cid, Timestamp};

pub(crate) struct Member {
    pub(crate) key: NodeKey,
    pub(crate) node: NodeId,
    /// Milliseconds by which its clock is off.
    pub(crate) skew: i64,
    pub(crate) boot: u64,
    pub(crate) disk: Disk,
    pub(crate) machine: Option<Machine>,
    /// Whether it has shown an invitation and was let in.
    pub(crate) is_member: bool,
    /// When it stopped, or lost its disk, last.
    pub(crate) fell: u64,
    /// The time for which a tick is on its way.
    pub(crate) tick_at: Option<u64>,
}

/// What survives a crash.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) entries: Vec<Entry>,
    /// Complete copies under the cluster's holder.
    pub(crate) held: BTreeMap<Cid, u64>,
    /// What is on its way, and which attempt that is.
    pub(crate) fetching: BTreeMap<Cid, u64>,
    /// Copies with a damaged block.
    pub(crate) rotten: BTreeSet<Cid>,
    /// Copies under another holder: the assets of this node.
    pub(crate) own: BTreeSet<Cid>,
    /// Bytes for the cluster.
    pub(crate) capacity: u64,
    /// The disk is full of something else.
    pub(crate) is_full: bool,
    pub(crate) attempts: u64,
}

impl Disk {
    fn copies(&self) -> impl Iterator<Item = Copy> {
        self.held.iter().map(|(root, bytes)| Copy {
            root: *root,
            bytes: *bytes,
            audience: PinAudience::Members,
        })
    }

    pub(crate) fn used(&self) -> u64 {
        self.held.values().sum()
    }

    pub(crate) fn free(&self) -> u64 {
        if self.is_full {
            0
        } else {
            self.capacity.saturating_sub(self.used())
        }
    }

    /// Whether every block of a root is here and sound.
    pub(crate) fn has(&self, root: &Cid) -> bool {
        self.own.contains(root) || self.has_copy(root)
    }

    /// Whether the cluster's copy is here and sound.
    pub(crate) fn has_copy(&self, root: &Cid) -> bool {
        self.held.contains_key(root) && !self.rotten.contains(root)
    }
}

impl Member {
    pub(crate) fn new(seed: u8, capacity: u64) -> Self {
        let key = NodeKey::from_seed([seed; 32]);
        Self {
            node: key.node(),
            key,
            skew: 0,
            boot: 0,
            disk: Disk {
                capacity,
                ..Disk::default()
            },
            machine: None,
            is_member: false,
            fell: 0,
            tick_at: None,
        }
    }

    /// What its clock says.
    pub(crate) fn clock(&self, now: u64) -> Timestamp {
        Timestamp::from_millis(now.saturating_add_signed(self.skew))
    }

    pub(crate) fn start(&mut self, cluster: ClusterId, settings: &Settings, now: u64) {
        self.boot += 1;
        self.disk.fetching.clear();
        let restored = Restored {
            entries: self.disk.entries.clone(),
            held: self.disk.copies().collect(),
        };
        let clock = self.clock(now);
        let settings = settings.clone();
        let machine = Machine::new(self.node, cluster, settings, self.boot, restored, clock);
        self.machine = Some(machine);
        self.tick_at = None;
    }
}
