//! Entries of logs: what they change.

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterOp, Entry};
use cidcast_types::Timestamp;

use super::track::{Local, Track};
use super::{Machine, Peer, Restored};
use crate::event::{Action, Happening};
use crate::liveness::Pulse;
use crate::logs::Fit;
use crate::order::Place;

impl Machine {
    /// Takes what an earlier run left.
    pub(super) fn restore(&mut self, restored: Restored, now: Timestamp) {
        let mut entries = restored.entries;
        entries.sort_by_key(|entry| (entry.author(), entry.seq()));
        entries.retain(|entry| {
            self.logs.fit(entry) == Fit::Next && {
                self.logs.append(entry);
                true
            }
        });
        let member_ops = entries
            .iter()
            .flat_map(placed)
            .filter(|(_, op)| !is_of_pins(op));
        let member_ops = member_ops.map(|(place, op)| (place, op.clone()));
        self.membership.add_all(member_ops.collect::<Vec<_>>());
        for (place, op) in entries.iter().flat_map(placed) {
            self.take_pin(place, op);
        }
        for copy in restored.held {
            let id = self.pinset.intern(&copy.root);
            self.make_room_for_tracks();
            let bytes = copy.bytes;
            self.set_local(id, Local::Held { bytes });
            if let Some(track) = self.track_mut(id) {
                track.audience = Some(copy.audience);
            }
        }
        self.meet_members(now);
        self.all_dirty();
    }

    /// Entries that somebody gave.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        from: NodeId,
        mut entries: Vec<Entry>,
        actions: &mut Vec<Action>,
    ) {
        entries.sort_by_key(|entry| (entry.author(), entry.seq()));
        for entry in &entries {
            self.asked.remove(&entry.author());
        }
        // An entry may be what lets the author of another in.
        loop {
            let before = entries.len();
            entries.retain(|entry| !self.take_one(now, entry, actions));
            if entries.is_empty() || entries.len() == before {
                break;
            }
        }
        self.ask_what_is_missing(now, from, actions);
    }

    /// Whether the entry needs no second look.
    fn take_one(&mut self, now: Timestamp, entry: &Entry, actions: &mut Vec<Action>) -> bool {
        let author = entry.author();
        match self.logs.fit(entry) {
            Fit::Known | Fit::Foreign => true,
            Fit::Gap => false,
            Fit::Fork => {
                if self.membership.was_member(&author) && self.logs.note_fork(author) {
                    actions.push(Action::Note(Happening::Forked(author)));
                }
                true
            }
            Fit::Next => {
                let is_author = self.membership.was_member(&author) || entry.is_genesis();
                if !is_author {
                    return false;
                }
                actions.push(Action::Persist(entry.clone()));
                self.apply(now, entry, actions);
                true
            }
        }
    }

    /// An entry of this member's own.
    pub(super) fn take_own(&mut self, now: Timestamp, entry: &Entry, actions: &mut Vec<Action>) {
        if entry.author() == self.me && self.logs.fit(entry) == Fit::Next {
            self.apply(now, entry, actions);
            // Others hear of it at once.
            self.next_beat = now;
            self.beat_if_due(now, actions);
        }
    }

    fn apply(&mut self, now: Timestamp, entry: &Entry, actions: &mut Vec<Action>) {
        self.logs.append(entry);
        let mut members_changed = false;
        for (place, op) in placed(entry) {
            if is_of_pins(op) {
                self.take_pin(place, op);
            } else {
                members_changed |= self.membership.add(place, op);
            }
        }
        if members_changed {
            let changed = self.pinset.settle(&self.membership);
            self.dirty.extend(changed);
            self.change_members(now, actions);
        }
    }

    fn take_pin(&mut self, place: Place, op: &ClusterOp) {
        let id = match op {
            ClusterOp::Pin { root, spec } => {
                let spec = Some(spec.clone());
                self.pinset.add(place, root, spec, &self.membership)
            }
            ClusterOp::Unpin { root } => self.pinset.add(place, root, None, &self.membership),
            ClusterOp::Elsewhere {
                root,
                service,
                kept,
            } => {
                let said = (service.as_str(), *kept);
                self.pinset
                    .add_elsewhere(place, root, said, &self.membership)
            }
            _ => return,
        };
        self.make_room_for_tracks();
        self.dirty.insert(id);
    }

    pub(super) fn make_room_for_tracks(&mut self) {
        self.tracks.resize_with(self.pinset.len(), Track::default);
    }

    /// The members are others now.
    fn change_members(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let (came, went) = self.meet_members(now);
        for node in &went {
            for track in &mut self.tracks {
                track.others.retain(|held| held.node != *node);
            }
        }
        let came = came.into_iter().map(Happening::Joined);
        let went = went.into_iter().map(Happening::Left);
        actions.extend(came.chain(went).map(Action::Note));
        actions.push(self.members_action());
        if self.is_out() {
            self.is_removed = true;
            actions.push(Action::Note(Happening::Removed));
        }
        self.all_dirty();
    }

    /// Whether this node was a member and is none.
    fn is_out(&self) -> bool {
        self.membership.was_member(&self.me) && !self.membership.members().contains_key(&self.me)
    }

    pub(super) fn members_action(&self) -> Action {
        let members = self.membership.members().iter();
        let out = self.is_out();
        Action::Members(
            members
                .map(|(node, settings)| (*node, settings.role))
                .filter(|_| !out)
                .collect(),
        )
    }

    /// Keeps a place for everyone who is a member, and for nobody else; who came, who went.
    fn meet_members(&mut self, now: Timestamp) -> (Vec<NodeId>, Vec<NodeId>) {
        let members = self.membership.members();
        let went = self
            .peers
            .keys()
            .filter(|node| !members.contains_key(*node));
        let went: Vec<NodeId> = went.copied().collect();
        for node in &went {
            self.peers.remove(node);
        }
        let mut came = Vec::new();
        for node in members.keys().filter(|node| **node != self.me) {
            self.peers.entry(*node).or_insert_with(|| {
                came.push(*node);
                Peer::new(now)
            });
        }
        self.is_removed = self.is_out();
        (came, went)
    }
}

impl Peer {
    fn new(now: Timestamp) -> Self {
        Self {
            pulse: Pulse::new(now),
            beat: None,
            seen: 0,
            boot: 0,
            asked: None,
            proved: 0,
            last_proof: None,
            failures: 0,
        }
    }
}

fn is_of_pins(op: &ClusterOp) -> bool {
    matches!(
        op,
        ClusterOp::Pin { .. } | ClusterOp::Unpin { .. } | ClusterOp::Elsewhere { .. }
    )
}

/// The operations of an entry, each with its place.
fn placed(entry: &Entry) -> impl Iterator<Item = (Place, &ClusterOp)> {
    (0..).zip(entry.ops()).map(|(index, op)| {
        let place = Place {
            at: entry.at(),
            author: entry.author(),
            seq: entry.seq(),
            index,
        };
        (place, op)
    })
}
