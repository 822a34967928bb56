//! Proof: members ask each other for blocks of what they claim to keep.

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_types::Timestamp;

use super::Machine;
use super::track::{Held, Local, Proved, Track};
use crate::event::{Action, Happening, ProofOutcome};
use crate::liveness::Liveness;
use crate::pinset::RootId;

/// Roots that are looked at for one that somebody else keeps.
const TRIES: usize = 64;

impl Machine {
    pub(super) fn audit_if_due(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.next_audit > now {
            return;
        }
        self.next_audit = now.after(self.settings.audit_interval);
        if let Some((of, root)) = self.choose(now) {
            actions.push(Action::Challenge { of, root });
        }
    }

    /// A root by chance, and of those that say they keep it the one that proved it the longest ago:
    /// those that have failed among them, until they prove it or say that it is gone.
    fn choose(&mut self, now: Timestamp) -> Option<(NodeId, Cid)> {
        for _ in 0..TRIES.min(self.tracks.len() * 4) {
            let id = self.random.below(self.tracks.len());
            let held = self.challengeable(self.tracks.get(id)?, now);
            let eldest = held.min_by_key(|held| held.proof.map(|proof| proof.at));
            if let Some(held) = eldest {
                let root = self.pinset.cid(RootId::try_from(id).ok()?)?;
                return Some((held.node, root));
            }
        }
        None
    }

    /// Challenges to everyone who keeps a root, now; to everyone for something if none is named.
    pub fn audit_now(&self, root: Option<&Cid>, now: Timestamp) -> Vec<Action> {
        let challenge = |id: RootId| {
            let (track, root) = (self.track(id)?, self.pinset.cid(id)?);
            let held = self.challengeable(track, now);
            let of = held.map(move |held| Action::Challenge {
                of: held.node,
                root,
            });
            Some(of)
        };
        match root {
            Some(root) => {
                let id = self.pinset.id(root);
                id.and_then(challenge).into_iter().flatten().collect()
            }
            None => self.ids().filter_map(challenge).flatten().collect(),
        }
    }

    /// Who says that it keeps a root, and can be asked.
    fn challengeable<'a>(
        &'a self,
        track: &'a Track,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Held> {
        let can_answer =
            move |held: &&Held| held.claims() && self.liveness(&held.node, now) == Liveness::Alive;
        track.others.iter().filter(can_answer)
    }

    pub(super) fn note_proof(
        &mut self,
        now: Timestamp,
        member: NodeId,
        root: &Cid,
        outcome: ProofOutcome,
        actions: &mut Vec<Action>,
    ) {
        let Some(id) = self.pinset.id(root) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&member) else {
            return;
        };
        let track = self.tracks.get_mut(id as usize);
        let Some(held) = track.and_then(|track| track.held_by_mut(&member)) else {
            return; // it has let go of it in the meantime
        };
        match outcome {
            ProofOutcome::Unanswered => {}
            ProofOutcome::Proved { bytes } => {
                let before = held.proof.map_or(0, |proof| proof.bytes);
                held.proof = Some(Proved {
                    at: now,
                    bytes: before.saturating_add(bytes),
                });
                peer.proved = peer.proved.saturating_add(bytes);
                peer.last_proof = Some(now);
                if std::mem::take(&mut held.is_suspect) {
                    self.dirty.insert(id);
                }
            }
            ProofOutcome::Failed => {
                (held.is_suspect, held.proof) = (true, None);
                peer.failures += 1;
                let (of, root) = (member, *root);
                actions.push(Action::Accuse { of, root });
                actions.push(Action::Note(Happening::ProofFailed { member, root }));
                self.dirty.insert(id);
            }
        }
    }

    /// Another member says that the copy here is damaged, or `store verify` found that it is: it
    /// does not count until it was hashed again.
    pub(super) fn doubt_own(&mut self, root: &Cid, actions: &mut Vec<Action>) {
        let Some(id) = self.pinset.id(root) else {
            return;
        };
        let local = self.track(id).map(|track| track.local.clone());
        if let Some(Local::Held { bytes }) = local {
            self.set_local(id, Local::Doubted { bytes });
            self.dirty.insert(id);
            actions.push(Action::Verify { root: *root });
        }
    }
}
