//! A cluster of a few members, founded and complete, and one machine or more of it.

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_announce::cluster::{
    ClusterId, ClusterOp, Copies, Entry, EntryDraft, Heartbeat, HeartbeatDraft, MemberSettings,
    Nonce, PinSpec, Role,
};
use cidcast_announce::{NodeId, NodeKey};
use cidcast_cluster::{
    Action, Copy, Event, Holding, HoldingState, HoldingsPage, Machine, Restored, Settings,
};
use cidcast_types::Timestamp;
use sha2::{Digest, Sha256};

/// 2024, about.
const START: u64 = 1_700_000_000_000;
pub(crate) const ROOM: u64 = 1_000_000;

pub(crate) struct Stage {
    pub(crate) keys: Vec<NodeKey>,
    pub(crate) entries: Vec<Entry>,
}

impl Stage {
    /// Member 0 has founded the cluster and let all others in, as writers.
    pub(crate) fn new(members: u8) -> Self {
        let keys: Vec<NodeKey> = (0..members)
            .map(|n| NodeKey::from_seed([n + 1; 32]))
            .collect();
        let draft = Machine::genesis("test".to_owned(), at(0));
        let genesis = Entry::sign(&keys[0], draft).unwrap();
        let ops = keys.iter().skip(1).map(|key| admit(key.node()));
        let draft = EntryDraft {
            cluster: Some(genesis.cluster()),
            seq: 1,
            prev: Some(genesis.cid()),
            at: genesis.at().next(at(0)),
            ops: ops.collect(),
        };
        let admission = Entry::sign(&keys[0], draft).unwrap();
        Self {
            keys,
            entries: vec![genesis, admission],
        }
    }

    pub(crate) fn node(&self, index: usize) -> NodeId {
        self.keys[index].node()
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.entries[0].cluster()
    }

    pub(crate) fn machine(&self, index: usize, now: Timestamp) -> Machine {
        self.restored(index, now, Vec::new())
    }

    pub(crate) fn restored(&self, index: usize, now: Timestamp, held: Vec<Copy>) -> Machine {
        let restored = Restored {
            entries: self.entries.clone(),
            held,
        };
        let me = self.node(index);
        Machine::new(me, self.cluster(), settings(), 1, restored, now)
    }

    /// A machine of member 0 that knows its room, and has heard that all others have as much.
    pub(crate) fn oriented(&self, now: Timestamp) -> Machine {
        let mut machine = self.machine(0, now);
        let (capacity, free) = (ROOM, ROOM);
        machine.handle(now, Event::Space { capacity, free });
        self.beat_all(&mut machine, now, 1);
        machine
    }

    /// Heartbeats of all but member 0.
    pub(crate) fn beat_all(&self, machine: &mut Machine, now: Timestamp, number: u64) {
        for index in 1..self.keys.len() {
            machine.handle(now, Event::Beat(self.beat(index, number, 0)));
        }
    }

    pub(crate) fn beat(&self, index: usize, number: u64, changes: u64) -> Heartbeat {
        let draft = HeartbeatDraft {
            cluster: self.cluster(),
            boot: 1,
            number,
            at: at(0),
            capacity: ROOM,
            free: ROOM,
            pins: 0,
            bytes: 0,
            changes,
            tips: Vec::new(),
            protocol: 1,
        };
        Heartbeat::sign(&self.keys[index], draft).unwrap()
    }

    /// Signs a draft of the machine's and gives it back.
    pub(crate) fn sign(
        &self,
        index: usize,
        machine: &mut Machine,
        now: Timestamp,
        ops: Vec<ClusterOp>,
    ) -> (Entry, Vec<Action>) {
        let draft = machine.draft(now, ops).unwrap();
        let entry = Entry::sign(&self.keys[index], draft).unwrap();
        let actions = machine.handle(now, Event::Signed(entry.clone()));
        (entry, actions)
    }

    /// A member's word on roots, as its changes `after`..
    pub(crate) fn tell(
        &self,
        machine: &mut Machine,
        now: Timestamp,
        index: usize,
        after: u64,
        holdings: Vec<(Cid, HoldingState)>,
    ) -> Vec<Action> {
        let up_to = after + holdings.len() as u64;
        let holdings = holdings
            .into_iter()
            .map(|(root, state)| Holding { root, state });
        let page = HoldingsPage {
            boot: 1,
            after,
            holdings: holdings.collect(),
            up_to,
            more: false,
        };
        let member = self.node(index);
        machine.handle(now, Event::Holdings { member, page })
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        reserve: 100,
        ..Settings::default()
    }
}

pub(crate) fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(START + secs * 1000)
}

pub(crate) fn root(number: u32) -> Cid {
    let digest = Sha256::digest(number.to_be_bytes());
    Cid::new_v1(0x70, Multihash::wrap(0x12, &digest).unwrap())
}

pub(crate) fn admit(member: NodeId) -> ClusterOp {
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&member.as_bytes()[..16]);
    ClusterOp::Admit {
        member,
        settings: MemberSettings::new(Role::Writer),
        invitation: Nonce::from_bytes(nonce),
    }
}

pub(crate) fn pin(root: Cid, copies: u16) -> ClusterOp {
    let (min, max) = (copies, copies);
    let spec = Box::new(PinSpec::new(Copies::Between { min, max }));
    ClusterOp::Pin { root, spec }
}

/// The roots that are to be fetched.
pub(crate) fn begun(actions: &[Action]) -> Vec<Cid> {
    let begun = actions.iter().filter_map(|action| match action {
        Action::Pin { root, .. } => Some(*root),
        _ => None,
    });
    begun.collect()
}

/// The roots that are to be let go.
pub(crate) fn let_go(actions: &[Action]) -> Vec<Cid> {
    let let_go = actions.iter().filter_map(|action| match action {
        Action::Unpin { root } => Some(*root),
        _ => None,
    });
    let_go.collect()
}
