//! What each member keeps: told to others, and learned of them, as numbered changes.

use cidcast_announce::NodeId;
use cidcast_types::Timestamp;

use super::Machine;
use super::track::{Held, Local};
use crate::event::{Action, Holding, HoldingState, HoldingsPage};
use crate::pinset::RootId;

impl Machine {
    /// The changes of what is kept here after a number, at most `limit`: for whoever asks.
    pub fn holdings_after(&self, after: u64, limit: usize) -> HoldingsPage {
        let mut page = HoldingsPage {
            boot: self.boot,
            after,
            holdings: Vec::new(),
            up_to: self.changes,
            more: false,
        };
        for (number, id) in self.changed.range(after.saturating_add(1)..) {
            if page.holdings.len() == limit {
                page.more = true;
                break;
            }
            let track = self.track(*id);
            if let (Some(root), Some(track)) = (self.pinset.cid(*id), track) {
                let state = track.local.told();
                page.holdings.push(Holding { root, state });
            }
            page.up_to = *number;
        }
        if !page.more {
            page.up_to = self.changes;
        }
        page
    }

    /// A member's answer.
    pub(super) fn learn(
        &mut self,
        now: Timestamp,
        member: NodeId,
        page: &HoldingsPage,
        actions: &mut Vec<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(&member) else {
            return;
        };
        // Of another run, or of a question that was asked twice.
        if peer.boot != page.boot || peer.seen != page.after {
            return;
        }
        peer.seen = page.up_to.max(page.after);
        peer.asked = None;
        for holding in &page.holdings {
            let id = self.pinset.intern(&holding.root);
            self.make_room_for_tracks();
            self.hold(id, member, holding.state);
            self.dirty.insert(id);
        }
        self.ask_what_is_missing(now, member, actions);
    }

    fn hold(&mut self, id: RootId, node: NodeId, state: HoldingState) {
        let Some(track) = self.track_mut(id) else {
            return;
        };
        if state == HoldingState::Gone {
            track.others.retain(|held| held.node != node);
            return;
        }
        match track.held_by_mut(&node) {
            Some(held) => (held.state, held.is_suspect) = (state, false),
            None => track.others.push(Held {
                node,
                state,
                is_suspect: false,
                proof: None,
            }),
        }
    }

    /// Changes where a root stands here. Others are told if it matters to them.
    pub(super) fn set_local(&mut self, id: RootId, local: Local) {
        let Some(track) = self.tracks.get_mut(id as usize) else {
            return;
        };
        let (before, after) = (track.local.told(), local.told());
        self.totals.moved(&track.local, &local);
        match local {
            Local::Running { .. } => self.running.insert(id),
            _ => self.running.remove(&id),
        };
        match local {
            Local::Refused { retry_at: None, .. } => self.no_room.insert(id),
            _ => self.no_room.remove(&id),
        };
        match local {
            Local::Held { .. } => track.was_whole = true,
            Local::None | Local::Refused { .. } => track.was_whole = false,
            _ => {}
        }
        if local != Local::Wanted
            && let Some(turn) = track.turn.take()
        {
            self.queue.remove(&turn);
        }
        track.local = local;
        if before != after {
            self.changes += 1;
            self.changed.remove(&track.changed);
            track.changed = self.changes;
            self.changed.insert(self.changes, id);
        }
    }
}
