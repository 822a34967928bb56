//! What can be seen of the cluster from here. Cheap to ask.

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{HeartbeatDraft, MemberSettings, PinSpec};
use cidcast_types::{PinState, Timestamp};

use super::Machine;
use super::track::{Held, Local, Standing, Track};
use crate::event::HoldingState;
use crate::liveness::Liveness;
use crate::pinset::RootId;

/// A member, as seen from here.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberView {
    /// Who.
    pub node: NodeId,
    /// What is set for it.
    pub settings: MemberSettings,
    /// Whether it can be counted on.
    pub liveness: Liveness,
    /// When it was last heard of; this member itself is heard now.
    pub heard: Timestamp,
    /// Bytes that it offers, and that are free of them.
    pub capacity: u64,
    /// Bytes that it can still take.
    pub free: u64,
    /// Roots that it keeps for the cluster.
    pub pins: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Version of the protocol that it speaks; 0 if nothing was heard of it.
    pub protocol: u32,
    /// Bytes that it has proved to this member since this one started.
    pub proved: u64,
    /// When it did last.
    pub last_proof: Option<Timestamp>,
    /// How often it could not.
    pub failures: u64,
    /// Whether it has signed two entries with one number.
    pub is_forked: bool,
}

/// A root in the pinset, as seen from here.
#[derive(Debug, Clone, PartialEq)]
pub struct PinView {
    /// Which.
    pub root: Cid,
    /// How it is to be kept.
    pub spec: PinSpec,
    /// Copies that count.
    pub copies: usize,
    /// Fewer are too few.
    pub needed: usize,
    /// That many there should be.
    pub wanted: usize,
    /// Who is to keep it.
    pub allocated: Vec<NodeId>,
    /// Where it stands with each member that says something of it or is to keep it.
    pub members: Vec<ProofView>,
    /// Services outside the cluster that keep it, and the members that say so.
    pub elsewhere: Vec<(NodeId, String)>,
}

/// A root at one member.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofView {
    /// Who.
    pub node: NodeId,
    /// Where it stands.
    pub state: PinState,
    /// Bytes that are there.
    pub bytes: u64,
    /// What is wrong.
    pub error: Option<String>,
    /// Bytes of it that it has proved to this member.
    pub proved: u64,
    /// When it did last.
    pub last_proof: Option<Timestamp>,
}

/// Which roots to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PinFilter {
    /// All.
    #[default]
    All,
    /// With fewer copies than needed.
    UnderReplicated,
    /// With something wrong at a member.
    Troubled,
}

/// The cluster in a few numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Members, this one included.
    pub members: usize,
    /// Of them, those that can be counted on.
    pub alive: usize,
    /// Roots in the pinset.
    pub pins: u64,
    /// Of them, those with fewer copies than needed.
    pub under_replicated: u64,
    /// Of them, those without a copy that is known here.
    pub without_copy: u64,
    /// Roots that are kept here.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Roots that are to be here and are not begun.
    pub queued: usize,
    /// Roots that are on their way here.
    pub running: usize,
}

/// Sums that are kept up with each change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) held: u64,
    pub(super) held_bytes: u64,
    pins: u64,
    under_replicated: u64,
    without_copy: u64,
}

impl Totals {
    /// Something here goes from one state to another.
    pub(super) fn moved(&mut self, from: &Local, to: &Local) {
        if let Local::Held { bytes } = from {
            self.held = self.held.saturating_sub(1);
            self.held_bytes = self.held_bytes.saturating_sub(*bytes);
        }
        if let Local::Held { bytes } = to {
            self.held += 1;
            self.held_bytes = self.held_bytes.saturating_add(*bytes);
        }
    }

    /// A root is kept otherwise than before.
    pub(super) fn stands(&mut self, from: &Standing, to: &Standing) {
        let count = |total: &mut u64, holds: fn(&Standing) -> bool| {
            *total = total.saturating_sub(u64::from(holds(from))) + u64::from(holds(to));
        };
        count(&mut self.pins, |one| one.is_pinned);
        count(&mut self.under_replicated, |one| {
            one.is_pinned && one.copies < one.needed
        });
        count(&mut self.without_copy, |one| {
            one.is_pinned && one.copies == 0
        });
    }
}

impl Machine {
    /// The name that its founder gave the cluster.
    pub fn name(&self) -> &str {
        self.membership.name()
    }

    /// Author and number of the entry by which a node was put out, if it is out.
    pub fn removal_of(&self, node: &NodeId) -> Option<(NodeId, u64)> {
        self.membership.removal_of(node)
    }

    /// How many entries of each log are here, by author.
    pub fn logs(&self) -> Vec<(NodeId, u64)> {
        let tips = self.logs.tips();
        tips.map(|tip| (tip.author, tip.seq.saturating_add(1)))
            .collect()
    }

    /// What is set for a member.
    pub fn settings_of(&self, node: &NodeId) -> Option<&MemberSettings> {
        self.membership.members().get(node)
    }

    /// Whether every block of a root is kept here and none is in doubt.
    pub fn is_held(&self, root: &Cid) -> bool {
        let track = self.pinset.id(root).and_then(|id| self.track(id));
        track.is_some_and(|track| track.local.is_held())
    }

    /// Whether another member says that it keeps a root.
    pub fn is_elsewhere(&self, root: &Cid) -> bool {
        let track = self.pinset.id(root).and_then(|id| self.track(id));
        track.is_some_and(|track| track.others.iter().any(Held::counts))
    }

    /// Every member, this one included, by key.
    pub fn members(&self, now: Timestamp) -> Vec<MemberView> {
        let members = self.membership.members().iter();
        members
            .map(|(node, settings)| self.member(*node, settings, now))
            .collect()
    }

    fn member(&self, node: NodeId, settings: &MemberSettings, now: Timestamp) -> MemberView {
        let peer = self.peers.get(&node);
        let beat = peer.and_then(|peer| peer.beat.as_ref());
        let said = |field: fn(&HeartbeatDraft) -> u64| beat.map_or(0, field);
        let is_me = node == self.me;
        let own = |own: u64, said: u64| if is_me { own } else { said };
        MemberView {
            node,
            settings: settings.clone(),
            liveness: self.liveness(&node, now),
            heard: peer.map_or(now, |peer| peer.pulse.heard()),
            capacity: own(self.room.capacity, said(|beat| beat.capacity)),
            free: own(self.room.free, said(|beat| beat.free)),
            pins: own(self.totals.held, said(|beat| beat.pins)),
            bytes: own(self.totals.held_bytes, said(|beat| beat.bytes)),
            protocol: beat.map_or(u32::from(is_me), |beat| beat.protocol),
            proved: peer.map_or(0, |peer| peer.proved),
            last_proof: peer.and_then(|peer| peer.last_proof),
            failures: peer.map_or(0, |peer| peer.failures),
            is_forked: self.logs.is_forked(&node),
        }
    }

    /// The cluster in a few numbers.
    pub fn health(&self, now: Timestamp) -> Health {
        let members = self.membership.members();
        let alive = members.keys().filter(|node| {
            matches!(
                self.liveness(node, now),
                Liveness::Alive | Liveness::Returning
            )
        });
        Health {
            members: members.len(),
            alive: alive.count(),
            pins: self.totals.pins,
            under_replicated: self.totals.under_replicated,
            without_copy: self.totals.without_copy,
            held: self.totals.held,
            held_bytes: self.totals.held_bytes,
            queued: self.queue.len(),
            running: self.running.len(),
        }
    }

    /// How a root is to be kept; `None` if it is not in the pinset.
    pub fn spec(&self, root: &Cid) -> Option<&PinSpec> {
        self.pinset.spec(self.pinset.id(root)?)
    }

    /// What this member has said of services that keep roots: each root with a service.
    pub fn said_elsewhere(&self) -> Vec<(Cid, String)> {
        let said = self.ids().filter_map(|id| {
            let root = self.pinset.cid(id)?;
            let mine = self.pinset.elsewhere(id).iter();
            let mine = mine.filter(|(node, _)| *node == self.me);
            Some(mine.map(move |(_, service)| (root, service.clone())))
        });
        said.flatten().collect()
    }

    /// Every root of the pinset with how it is to be kept.
    pub fn pinset(&self) -> impl Iterator<Item = (Cid, &PinSpec)> + '_ {
        self.ids()
            .filter_map(|id| Some((self.pinset.cid(id)?, self.pinset.spec(id)?)))
    }

    /// A root of the pinset.
    pub fn pin(&self, root: &Cid) -> Option<PinView> {
        self.view(self.pinset.id(root)?)
    }

    /// Roots of the pinset, those with the fewest copies of what they need first, then the newest;
    /// how many there are in all.
    pub fn pins(&self, filter: PinFilter, offset: usize, limit: usize) -> (Vec<PinView>, usize) {
        let mut chosen: Vec<_> = (0..)
            .zip(&self.tracks)
            .filter(|(_, track)| track.standing.is_pinned && wanted(track, filter))
            .map(|(id, track)| {
                let missing = track.standing.needed.saturating_sub(track.standing.copies);
                let place = self.pinset.place(id);
                (std::cmp::Reverse(missing), std::cmp::Reverse(place), id)
            })
            .collect();
        chosen.sort_unstable();
        let total = chosen.len();
        let shown = chosen.into_iter().skip(offset).take(limit);
        (shown.filter_map(|(.., id)| self.view(id)).collect(), total)
    }

    fn view(&self, id: RootId) -> Option<PinView> {
        let (root, track) = (self.pinset.cid(id)?, self.track(id)?);
        let spec = self.pinset.spec(id)?.clone();
        let mut members = Vec::new();
        if let Some(own) = own_view(self.me, track) {
            members.push(own);
        }
        members.extend(track.others.iter().map(|held| {
            let (state, bytes) = told(held.state);
            let suspect = held
                .is_suspect
                .then(|| "could not prove its copy".to_owned());
            let refused = held.state == HoldingState::Refused;
            let refused = refused.then(|| "it has no room, or cannot fetch it".to_owned());
            ProofView {
                node: held.node,
                state: if held.is_suspect {
                    PinState::Error
                } else {
                    state
                },
                bytes,
                error: suspect.or(refused),
                proved: held.proof.map_or(0, |proof| proof.bytes),
                last_proof: held.proof.map(|proof| proof.at),
            }
        }));
        let silent = track.allocated.iter();
        let silent = silent.filter(|node| members.iter().all(|member| member.node != **node));
        let silent: Vec<_> = silent.copied().map(ProofView::queued).collect();
        members.extend(silent);
        members.sort_by_key(|member| member.node);
        Some(PinView {
            root,
            spec,
            copies: track.standing.copies,
            needed: track.standing.needed,
            wanted: track.standing.wanted,
            allocated: track.allocated.clone(),
            members,
            elsewhere: self.pinset.elsewhere(id).to_vec(),
        })
    }
}

impl ProofView {
    /// At a member that has said nothing yet.
    fn queued(node: NodeId) -> Self {
        Self {
            node,
            state: PinState::Queued,
            bytes: 0,
            error: None,
            proved: 0,
            last_proof: None,
        }
    }
}

fn wanted(track: &Track, filter: PinFilter) -> bool {
    let is_bad = |state| matches!(state, HoldingState::Failed | HoldingState::Refused);
    match filter {
        PinFilter::All => true,
        PinFilter::UnderReplicated => track.standing.copies < track.standing.needed,
        PinFilter::Troubled => {
            is_bad(track.local.told())
                || track
                    .others
                    .iter()
                    .any(|held| is_bad(held.state) || held.is_suspect)
        }
    }
}

fn own_view(me: NodeId, track: &Track) -> Option<ProofView> {
    let (state, bytes, error) = match &track.local {
        Local::None => return None,
        Local::Wanted => (PinState::Queued, 0, None),
        Local::Running { bytes } => (PinState::Pinning, *bytes, None),
        Local::Held { bytes } => (PinState::Pinned, *bytes, None),
        Local::Doubted { bytes } => {
            let error = Some("in doubt: being hashed again".to_owned());
            (PinState::Error, *bytes, error)
        }
        Local::Failing { error, .. } | Local::Refused { error, .. } => {
            (PinState::Error, 0, Some(error.clone()))
        }
    };
    Some(ProofView {
        state,
        bytes,
        error,
        ..ProofView::queued(me)
    })
}

fn told(state: HoldingState) -> (PinState, u64) {
    match state {
        HoldingState::Queued => (PinState::Queued, 0),
        HoldingState::Pinning => (PinState::Pinning, 0),
        HoldingState::Pinned { bytes } => (PinState::Pinned, bytes),
        HoldingState::Failed | HoldingState::Refused => (PinState::Error, 0),
        HoldingState::Gone => (PinState::Unpinning, 0),
    }
}
