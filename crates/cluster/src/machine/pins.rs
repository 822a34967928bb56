//! What should be kept here against what is: the only code that starts or stops a pin.

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Copies, PinAudience, PinSpec};
use cidcast_types::Timestamp;

use super::track::{Local, Standing, Track, Turn};
use super::{Machine, Peer};
use crate::allocate::{Candidate, allocate};
use crate::event::{Action, Happening, HoldingState, LocalPin};
use crate::liveness::Liveness;
use crate::pinset::RootId;

/// Little room is left when it is less than this many reserves.
const LOW: u64 = 4;

/// Roots that are treated for one event: some tens of milliseconds of work. The rest has its turn at
/// once, by a tick, so that heartbeats are answered while 100,000 roots are looked at.
const BATCH: usize = 2048;

/// A member that may keep something, with what does not depend on the root.
struct Standby {
    candidate: Candidate,
    tags: std::collections::BTreeMap<String, String>,
    /// It keeps what it has, and gets nothing new.
    is_on_probation: bool,
}

/// What follows for one root.
struct Plan {
    allocated: Vec<NodeId>,
    standing: Standing,
    /// Whether everyone who is to keep it does.
    is_settled: bool,
}

impl Machine {
    /// Where a root stands in the store, as the store says.
    pub(super) fn note_local(&mut self, now: Timestamp, root: &Cid, state: LocalPin) {
        let Some(id) = self.pinset.id(root) else {
            return;
        };
        let Some(track) = self.track(id) else {
            return;
        };
        let local = match state {
            LocalPin::Queued => Local::Running { bytes: 0 },
            LocalPin::Pinning { bytes } => Local::Running { bytes },
            LocalPin::Pinned { bytes } => Local::Held { bytes },
            LocalPin::Gone => Local::None,
            LocalPin::Failed { error } => match &track.local {
                Local::Failing { since, .. } => Local::Failing {
                    since: *since,
                    error,
                },
                _ => Local::Failing { since: now, error },
            },
        };
        // News of something that was called off in the meantime.
        let is_stale = matches!(track.local, Local::None | Local::Refused { .. })
            && !matches!(local, Local::Held { .. });
        if !is_stale {
            self.set_local(id, local);
            self.dirty.insert(id);
        }
    }

    /// How much room is here.
    pub(super) fn note_room(&mut self, capacity: u64, free: u64, actions: &mut Vec<Action>) {
        let low = self.settings.reserve.saturating_mul(LOW);
        let is_low = free < low;
        if is_low && !self.room.is_low {
            actions.push(Action::Note(Happening::LowSpace { free }));
        }
        let share = size_class(self.room.capacity);
        (self.room.capacity, self.room.free) = (capacity, free);
        (self.room.is_known, self.room.is_low) = (true, is_low);
        #[expect(clippy::float_cmp, reason = "steps, not sums")]
        if share != size_class(capacity) {
            self.all_dirty();
        }
        self.reconsider();
    }

    /// What was refused for want of room may be taken now, beside what is on its way or waits. With
    /// room to spare, so that a member at the edge does not take and refuse by turns.
    pub(super) fn reconsider(&mut self) {
        if self.no_room.is_empty() {
            return;
        }
        let reserve = self.settings.reserve.saturating_mul(2);
        let waiting = self
            .queue
            .iter()
            .filter_map(|turn| self.track(turn.id)?.size());
        let waiting = waiting.fold(reserve, u64::saturating_add);
        let mut rest = self.room.free.saturating_sub(self.promised(waiting));
        let mut fitting = Vec::new();
        for id in &self.no_room {
            let size = self.track(*id).and_then(Track::size).unwrap_or(0);
            if size < rest {
                rest -= size;
                fitting.push(*id);
            }
        }
        for id in fitting {
            self.set_local(id, Local::None);
            self.dirty.insert(id);
        }
    }

    /// Treats roots that may have to be treated otherwise, then begins what can be begun.
    pub(super) fn settle(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.is_removed {
            return;
        }
        self.orient(now);
        self.treat(now, BATCH, actions);
        self.begin(actions);
        // What could not be begun may have made others necessary.
        self.treat(now, self.settings.parallel_pins, actions);
    }

    fn treat(&mut self, now: Timestamp, most: usize, actions: &mut Vec<Action>) {
        if self.dirty.is_empty() {
            return;
        }
        let standby = self.standby(now);
        for _ in 0..most {
            let Some(id) = self.dirty.pop_first() else {
                return;
            };
            self.reconcile(now, id, &standby, actions);
        }
    }

    /// Looks whether everyone was heard, or has had the time.
    fn orient(&mut self, now: Timestamp) {
        let is_known = |node: &Peer| node.beat.is_some();
        let is_time = self.started.after(self.settings.deadline) <= now;
        if !self.is_oriented && self.room.is_known && (is_time || self.peers.values().all(is_known))
        {
            self.is_oriented = true;
            self.all_dirty();
        }
    }

    /// Everyone who may be given something to keep.
    fn standby(&self, now: Timestamp) -> Vec<Standby> {
        let members = self.membership.members().iter();
        let able = members.filter(|(node, settings)| {
            let liveness = self.liveness(node, now);
            !settings.draining && liveness != Liveness::Lost
        });
        able.map(|(node, settings)| Standby {
            candidate: Candidate {
                node: *node,
                weight: f64::from(settings.weight) * size_class(self.capacity_of(node)),
                place: None,
            },
            tags: settings.tags.clone(),
            is_on_probation: self
                .peers
                .get(node)
                .is_some_and(|peer| peer.pulse.is_on_probation()),
        })
        .collect()
    }

    fn capacity_of(&self, node: &NodeId) -> u64 {
        if *node == self.me {
            return self.room.capacity;
        }
        let peer = self.peers.get(node);
        let beat = peer.and_then(|peer| peer.beat.as_ref());
        beat.map_or(0, |beat| beat.capacity)
    }

    fn reconcile(
        &mut self,
        now: Timestamp,
        id: RootId,
        standby: &[Standby],
        actions: &mut Vec<Action>,
    ) {
        let spec = self.pinset.spec(id).cloned();
        let spec = spec.filter(|spec| spec.expires.is_none_or(|expires| expires > now));
        let Some(spec) = spec else {
            self.let_go(now, id, actions);
            return;
        };
        let Some(plan) = self.plan(now, id, &spec, standby) else {
            return;
        };
        let is_mine = plan.allocated.contains(&self.me);
        let standing = plan.standing;
        if let Some(track) = self.tracks.get_mut(id as usize) {
            self.totals.stands(&track.standing, &standing);
            track.standing = standing;
            track.allocated.clone_from(&plan.allocated);
        }
        if !self.is_oriented {
            return;
        }
        self.open_to(id, spec.audience, actions);
        if is_mine {
            self.want(now, id, &spec, standing, actions);
        } else {
            self.do_without(now, id, plan.is_settled, actions);
        }
        if let Some(expires) = spec.expires {
            self.look_again(id, expires);
        }
    }

    /// What is kept here is for those whom the pinset names now.
    fn open_to(&mut self, id: RootId, audience: PinAudience, actions: &mut Vec<Action>) {
        let Some(root) = self.pinset.cid(id) else {
            return;
        };
        let Some(track) = self.track_mut(id) else {
            return;
        };
        let is_in_store = matches!(
            track.local,
            Local::Running { .. } | Local::Held { .. } | Local::Doubted { .. }
        );
        if is_in_store && track.audience.replace(audience) != Some(audience) {
            actions.push(Action::Open { root, audience });
        }
    }

    fn plan(
        &self,
        now: Timestamp,
        id: RootId,
        spec: &PinSpec,
        standby: &[Standby],
    ) -> Option<Plan> {
        let (track, root) = (self.track(id)?, self.pinset.cid(id)?);
        let refuses = |node: &NodeId| {
            if *node == self.me {
                return matches!(track.local, Local::Refused { .. });
            }
            let held = track.held_by(node);
            held.is_some_and(|held| held.state == HoldingState::Refused)
        };
        let is_here = |node: &NodeId| *node == self.me && track.local.is_held();
        let has = |node: &NodeId| is_here(node) || track.has(node);
        let able = standby.iter().filter(|one| {
            let node = &one.candidate.node;
            !refuses(node) && (!one.is_on_probation || has(node))
        });
        let candidates: Vec<Candidate> = able
            .map(|one| Candidate {
                place: spec.spread.as_ref().map(|tag| {
                    // Those without the tag are together somewhere.
                    one.tags.get(tag).cloned().unwrap_or_default()
                }),
                ..one.candidate.clone()
            })
            .collect();
        let elsewhere = self.copies_elsewhere(id, spec);
        let (needed, wanted) = match spec.copies {
            Copies::Everywhere => (standby.len(), standby.len()),
            Copies::Between { min, max } => (usize::from(min), usize::from(max)),
        };
        let here = wanted.saturating_sub(elsewhere).max(1);
        let allocated = allocate(&root, here, &candidates);
        let is_alive = |node: &NodeId| self.liveness(node, now) == Liveness::Alive;
        let copies = self.membership.members().keys();
        let copies = copies.filter(|node| has(node) && self.liveness(node, now) != Liveness::Lost);
        Some(Plan {
            is_settled: allocated.len() >= self.fewest(spec, elsewhere)
                && allocated.iter().all(|node| has(node) && is_alive(node)),
            standing: Standing {
                is_pinned: true,
                copies: copies.count() + elsewhere,
                needed,
                wanted,
            },
            allocated,
        })
    }

    /// So many others have to keep a root before anyone lets go of it. Somebody who leaves waits for
    /// those that are silent or full now: its copy may be one of the last.
    fn fewest(&self, spec: &PinSpec, elsewhere: usize) -> usize {
        let members = self.membership.members().values();
        let staying = members.filter(|settings| !settings.draining).count();
        match spec.copies {
            Copies::Everywhere => 1,
            Copies::Between { min, .. } => {
                let min = usize::from(min).saturating_sub(elsewhere);
                min.min(staying).max(1)
            }
        }
    }

    /// Copies that services outside keep in place of members.
    fn copies_elsewhere(&self, id: RootId, spec: &PinSpec) -> usize {
        match spec.copies {
            Copies::Everywhere => 0,
            Copies::Between { .. } => self.pinset.services(id),
        }
    }

    /// Whether a member has the same entries, and all that it says of its copies is known here. Of two
    /// that see the cluster differently each might let go because it counts on the other.
    fn agrees(&self, node: &NodeId) -> bool {
        let peer = self.peers.get(node);
        let Some((peer, beat)) = peer.and_then(|peer| Some((peer, peer.beat.as_ref()?))) else {
            return false;
        };
        let mut tips = beat.tips.iter();
        let is_same = tips.all(|tip| self.logs.tip(&tip.author) == Some(*tip));
        is_same && peer.seen >= beat.changes
    }

    /// It is not in the pinset.
    fn let_go(&mut self, now: Timestamp, id: RootId, actions: &mut Vec<Action>) {
        // Kept here, and no operation is known: the log may be on its way yet.
        let is_unheard_of = self.pinset.place(id).is_none();
        let delay = self.settings.trim_delay;
        let Some(track) = self.tracks.get_mut(id as usize) else {
            return;
        };
        self.totals.stands(&track.standing, &Standing::default());
        track.standing = Standing::default();
        track.allocated.clear();
        if is_unheard_of && track.local.is_held() {
            let until = track.surplus_since.get_or_insert(now).after(delay);
            if until > now {
                self.look_again(id, until);
                return;
            }
        }
        self.drop_local(id, actions);
    }

    /// Nothing of it is to be here.
    fn drop_local(&mut self, id: RootId, actions: &mut Vec<Action>) {
        let Some(track) = self.track(id) else {
            return;
        };
        if track.local == Local::None {
            return;
        }
        // What was never begun the store does not know.
        let is_in_store = !matches!(track.local, Local::Wanted | Local::Refused { .. });
        if is_in_store && let Some(root) = self.pinset.cid(id) {
            actions.push(Action::Unpin { root });
        }
        self.set_local(id, Local::None);
        if let Some(track) = self.track_mut(id) {
            track.surplus_since = None;
        }
        // There is one copy less.
        self.dirty.insert(id);
    }

    /// It is to be here.
    fn want(
        &mut self,
        now: Timestamp,
        id: RootId,
        spec: &PinSpec,
        standing: Standing,
        actions: &mut Vec<Action>,
    ) {
        let grace = self.settings.grace;
        let Some(track) = self.track_mut(id) else {
            return;
        };
        track.surplus_since = None;
        match track.local.clone() {
            Local::None | Local::Wanted => {
                let turn = Turn {
                    copies: standing.copies,
                    unimportance: u8::MAX - spec.priority,
                    id,
                };
                if let Some(before) = track.turn.replace(turn) {
                    self.queue.remove(&before);
                }
                self.set_local(id, Local::Wanted);
                // `set_local` leaves the turn of what is wanted alone.
                self.queue.insert(turn);
            }
            // Whole but for a damaged block, and nobody else has it: there is nothing better.
            Local::Failing { .. } if track.was_whole && standing.copies == 0 => {}
            Local::Failing { since, error } if since.after(grace) <= now => {
                // Somebody else may fare better. The wait grows no further: the store's own does.
                let root = self.pinset.cid(id);
                actions.extend(root.map(|root| Action::Unpin { root }));
                let retry_at = now.after(grace * 4);
                let retry_at = Some(retry_at);
                self.set_local(id, Local::Refused { retry_at, error });
                self.dirty.insert(id);
            }
            Local::Failing { since, .. } => self.look_again(id, since.after(grace)),
            _ => {}
        }
    }

    /// Others keep it.
    fn do_without(
        &mut self,
        now: Timestamp,
        id: RootId,
        is_settled: bool,
        actions: &mut Vec<Action>,
    ) {
        let delay = if self.is_draining() {
            self.settings.heartbeat * 2
        } else {
            self.settings.trim_delay
        };
        let Some(track) = self.track_mut(id) else {
            return;
        };
        match &track.local {
            Local::None => {}
            Local::Refused { retry_at, .. } => match *retry_at {
                Some(at) if at <= now => {
                    self.set_local(id, Local::None);
                    self.dirty.insert(id);
                }
                Some(at) => self.look_again(id, at),
                None => {}
            },
            Local::Wanted => self.drop_local(id, actions),
            // It was begun when it was this member's turn: it is of use until others have it.
            Local::Running { .. } | Local::Failing { .. } if is_settled => {
                self.drop_local(id, actions);
            }
            Local::Running { .. } | Local::Failing { .. } | Local::Doubted { .. } => {}
            Local::Held { .. } if !is_settled => track.surplus_since = None,
            Local::Held { .. } => {
                let since = *track.surplus_since.get_or_insert(now);
                let allocated = track.allocated.clone();
                if since.after(delay) > now {
                    self.look_again(id, since.after(delay));
                } else if allocated.iter().all(|node| self.agrees(node)) {
                    self.drop_local(id, actions);
                } else {
                    self.look_again(id, now.after(self.settings.heartbeat));
                }
            }
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        let me = self.membership.members().get(&self.me);
        me.is_some_and(|settings| settings.draining)
    }

    /// Looks at a root again at that time, or earlier if that was asked for.
    pub(super) fn look_again(&mut self, id: RootId, at: Timestamp) {
        let Some(track) = self.tracks.get_mut(id as usize) else {
            return;
        };
        match track.timer {
            Some(before) if before <= at => return,
            Some(before) => {
                self.timers.remove(&(before, id));
            }
            None => {}
        }
        track.timer = Some(at);
        self.timers.insert((at, id));
    }

    /// Begins the most urgent, as many as may run.
    fn begin(&mut self, actions: &mut Vec<Action>) {
        if !self.room.is_known {
            return;
        }
        while self.running.len() < self.settings.parallel_pins {
            let Some(turn) = self.queue.pop_first() else {
                return;
            };
            let id = turn.id;
            let Some(track) = self.track_mut(id) else {
                continue;
            };
            track.turn = None;
            let size = track.size();
            let (Some(root), Some(spec)) = (self.pinset.cid(id), self.pinset.spec(id).cloned())
            else {
                continue;
            };
            let taken = self.promised(size.unwrap_or(0));
            if taken.saturating_add(self.settings.reserve) > self.room.free {
                let error = format!("no room: {} bytes are free", self.room.free);
                let retry_at = None;
                self.set_local(id, Local::Refused { retry_at, error });
                actions.push(Action::Note(Happening::NoRoom { root }));
                self.dirty.insert(id);
                continue;
            }
            self.set_local(id, Local::Running { bytes: 0 });
            if let Some(track) = self.track_mut(id) {
                track.audience = Some(spec.audience);
            }
            actions.push(Action::Pin {
                root,
                audience: spec.audience,
                origins: spec.origins,
            });
        }
    }

    /// Bytes that what is on its way will still take, with something of `size`.
    fn promised(&self, size: u64) -> u64 {
        let rest = self.running.iter().filter_map(|id| {
            let track = self.track(*id)?;
            let Local::Running { bytes } = track.local else {
                return None;
            };
            Some(track.size()?.saturating_sub(bytes))
        });
        rest.fold(size, u64::saturating_add)
    }
}

/// Capacity in steps of an eighth of a doubling: a share does not change with every gigabyte.
pub(super) fn size_class(capacity: u64) -> f64 {
    if capacity == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "the step is far larger")]
    let doublings = (capacity as f64).log2();
    ((doublings * 8.0).round() / 8.0).exp2()
}
