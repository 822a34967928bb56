//! Heartbeats, and the clock.

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Heartbeat, HeartbeatDraft, MAX_TIPS, Tip};
use cidcast_types::Timestamp;

use super::Machine;
use super::pins::size_class;
use crate::event::{Action, Happening};
use crate::liveness::Liveness;

/// The version of the protocol between members that this program speaks.
const PROTOCOL: u32 = 1;

impl Machine {
    pub(super) fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.beats == 0 {
            actions.push(self.members_action());
        }
        let mut lost = Vec::new();
        let mut has_changed = false;
        for (node, peer) in &mut self.peers {
            let before = peer.pulse.liveness(now, &self.settings);
            if peer.pulse.tick(now, &self.settings) {
                lost.push(*node);
            }
            has_changed |= peer.pulse.liveness(now, &self.settings) != before;
        }
        if has_changed || !lost.is_empty() {
            self.all_dirty();
        }
        let lost = lost.into_iter().map(Happening::Lost);
        actions.extend(lost.map(Action::Note));
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(track) = self.track_mut(id) {
                track.timer = None;
            }
            self.dirty.insert(id);
        }
        if self.next_beat <= now {
            // What took the room may have been called off since.
            self.reconsider();
        }
        self.audit_if_due(now, actions);
        self.beat_if_due(now, actions);
    }

    pub(super) fn beat_if_due(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.next_beat > now {
            return;
        }
        self.next_beat = now.after(self.settings.heartbeat);
        let draft = HeartbeatDraft {
            cluster: self.logs.cluster(),
            boot: self.boot,
            number: self.beats,
            at: now,
            capacity: self.room.capacity,
            free: self.room.free,
            pins: self.totals.held,
            bytes: self.totals.held_bytes,
            changes: self.changes,
            tips: self.shown_tips(),
            protocol: PROTOCOL,
        };
        self.beats += 1;
        let to: Vec<NodeId> = self.peers.keys().copied().collect();
        if !to.is_empty() {
            actions.push(Action::Beat { to, draft });
        }
    }

    /// The tips of all logs; if there are too many for one heartbeat, a part of them by turns.
    fn shown_tips(&self) -> Vec<Tip> {
        let all: Vec<Tip> = self.logs.tips().collect();
        let turns = all.len().div_ceil(MAX_TIPS).max(1) as u64;
        let turn = usize::try_from(self.beats % turns).unwrap_or(0);
        let part = all.chunks(MAX_TIPS).nth(turn);
        part.map(<[Tip]>::to_vec).unwrap_or_default()
    }

    /// Somebody's heartbeat.
    pub(super) fn hear(&mut self, now: Timestamp, beat: &Heartbeat, actions: &mut Vec<Action>) {
        let (node, says) = (beat.node(), beat.says());
        let settings = self.settings.clone();
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        let is_old = peer
            .beat
            .as_ref()
            .is_some_and(|last| (last.boot, last.number) >= (says.boot, says.number));
        if says.cluster != self.logs.cluster() || is_old {
            return;
        }
        let before = peer.pulse.liveness(now, &settings);
        peer.pulse.beat(now, &settings);
        let has_restarted = peer.boot != says.boot;
        let share = |says: &HeartbeatDraft| size_class(says.capacity);
        let has_room_changed = peer.beat.as_ref().map(share) != Some(share(says));
        peer.beat = Some(says.clone());
        if has_restarted {
            // What it kept in an earlier run it has to say again.
            (peer.boot, peer.seen, peer.asked) = (says.boot, 0, None);
        }
        let after = peer.pulse.liveness(now, &settings);
        if before == Liveness::Lost {
            actions.push(Action::Note(Happening::Returned(node)));
        }
        if has_restarted {
            for track in &mut self.tracks {
                track.others.retain(|held| held.node != node);
            }
        }
        if before != after || has_restarted || has_room_changed {
            self.all_dirty();
        }
        self.ask_what_is_missing(now, node, actions);
    }

    /// Asks a member for what its last heartbeat says it has and this one does not.
    pub(super) fn ask_what_is_missing(
        &mut self,
        now: Timestamp,
        of: NodeId,
        actions: &mut Vec<Action>,
    ) {
        let tips = self.peers.get(&of).and_then(|peer| peer.beat.as_ref());
        let tips = tips.map(|beat| beat.tips.clone()).unwrap_or_default();
        for tip in tips {
            self.ask_log(now, of, &tip, actions);
        }
        let again = self.patience();
        let Some(peer) = self.peers.get_mut(&of) else {
            return;
        };
        let is_behind = peer
            .beat
            .as_ref()
            .is_some_and(|beat| beat.changes > peer.seen);
        let may_ask = peer.asked.is_none_or(|asked| asked.after(again) <= now);
        if is_behind && may_ask {
            peer.asked = Some(now);
            let after = peer.seen;
            actions.push(Action::AskHoldings { of, after });
        }
    }

    fn ask_log(&mut self, now: Timestamp, of: NodeId, tip: &Tip, actions: &mut Vec<Action>) {
        let author = tip.author;
        if !self.membership.was_member(&author) {
            return;
        }
        if self.logs.contradicts(tip) && self.logs.note_fork(author) {
            actions.push(Action::Note(Happening::Forked(author)));
        }
        let from = self.logs.len(&author);
        let asked = self.asked.get(&author);
        let may_ask = asked.is_none_or(|asked| asked.after(self.patience()) <= now);
        if tip.seq >= from && may_ask {
            self.asked.insert(author, now);
            actions.push(Action::AskEntries { of, author, from });
        }
    }

    /// How long an answer is waited for before the same is asked again.
    fn patience(&self) -> std::time::Duration {
        self.settings.heartbeat * 2
    }
}
