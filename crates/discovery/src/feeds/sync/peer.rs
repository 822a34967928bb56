//! What is known of one peer.

use std::collections::BTreeMap;
use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_ipfs::swarm::PeerId;
use cidcast_types::Timestamp;

use super::Action;
use crate::wire::Mark;

/// A piece of a list of heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    First,
    Later,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) claims: BTreeMap<Publisher, u64>,
    /// Requests for feeds under way.
    pub(super) busy: usize,
    /// How many feeds it gives in one answer.
    pub(super) together: usize,
    /// Which piece of its list of heads is asked for.
    pub(super) asked_heads: Option<Piece>,
    /// Where its list of heads goes on.
    pub(super) after: Option<Publisher>,
    /// What it said when its list began.
    pub(super) beginning: Option<Mark>,
    /// Everything up to there is known.
    pub(super) mark: Option<Mark>,
    /// When its whole list is asked for again.
    pub(super) whole_at: Timestamp,
    /// Some of its claims had no room.
    pub(super) is_cut: bool,
    /// Not asked before.
    pub(super) rests_until: Option<Timestamp>,
    /// Its heads were never asked for.
    pub(super) is_new: bool,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            claims: BTreeMap::new(),
            busy: 0,
            together: 1,
            asked_heads: None,
            after: None,
            beginning: None,
            mark: None,
            whole_at: Timestamp::from_millis(0),
            is_cut: false,
            rests_until: None,
            is_new: true,
        }
    }

    /// From the beginning, on from where it was, or what has moved.
    pub(super) fn ask_heads(&mut self, peer: PeerId, now: Timestamp, whole: Duration) -> Action {
        let after = self.after.take();
        self.asked_heads = Some(match after {
            Some(_) => Piece::Later,
            None => Piece::First,
        });
        self.is_new &= after.is_some();
        let since = match after {
            None if self.whole_at > now => self.mark.clone(),
            _ => None,
        };
        if after.is_none() && since.is_none() {
            self.forget_marks();
            self.whole_at = now.after(whole);
        }
        Action::AskHeads { peer, after, since }
    }

    /// Its whole list is asked for next time.
    pub(super) fn forget_marks(&mut self) {
        self.beginning = None;
        self.mark = None;
        self.is_cut = false;
    }
}
