//! What has moved here lately, so that a peer that asks again is told only that.
//!
//! A peer that was told how much is here gets a mark with it. With the mark it is told next time
//! what has moved since, which is mostly nothing: 100 bytes instead of 37 for each publisher.
//! In memory: after a restart a mark says nothing, and its peer is told everything again.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use cidcast_announce::Publisher;

use crate::wire::{Head, MAX_HEADS, Mark};

/// Feeds whose last move is remembered: whoever has missed more is told everything.
const MOST: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Another one in each run.
    run: u64,
    /// Moves so far.
    count: u64,
    /// Moves up to this one are forgotten.
    forgotten: u64,
    /// Each feed's last move.
    by_move: BTreeMap<u64, Head>,
    last: HashMap<Publisher, u64>,
}

impl Changes {
    /// `run`: a number that no other run of this node has.
    pub(crate) fn new(run: u64) -> Self {
        Self {
            run,
            count: 0,
            forgotten: 0,
            by_move: BTreeMap::new(),
            last: HashMap::new(),
        }
    }

    /// A feed has moved.
    pub(crate) fn note(&mut self, head: Head) {
        self.count += 1;
        if let Some(before) = self.last.insert(head.publisher, self.count) {
            self.by_move.remove(&before);
        }
        self.by_move.insert(self.count, head);
        while self.by_move.len() > MOST {
            let Some((forgotten, head)) = self.by_move.pop_first() else {
                return;
            };
            self.forgotten = forgotten;
            self.last.remove(&head.publisher);
        }
    }

    /// What to say next time, to be told what has moved from now on.
    pub(crate) fn mark(&self) -> Mark {
        let parts = [self.run.to_be_bytes(), self.count.to_be_bytes()];
        Mark(Bytes::from(parts.concat()))
    }

    /// What has moved since a mark; none if that cannot be said, or is too much for one answer.
    pub(crate) fn since(&self, mark: &Mark) -> Option<Vec<Head>> {
        let (run, count) = mark.0.split_at_checked(8)?;
        let (run, count) = (run.try_into().ok()?, count.try_into().ok()?);
        let (run, count) = (u64::from_be_bytes(run), u64::from_be_bytes(count));
        if run != self.run || count < self.forgotten || count > self.count {
            return None;
        }
        let moved = self.by_move.range(count.saturating_add(1)..);
        let moved: Vec<_> = moved.map(|(_, head)| *head).take(MAX_HEADS + 1).collect();
        (moved.len() <= MAX_HEADS).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use cidcast_announce::SigningKey;

    use super::*;

    fn publisher(n: u64) -> Publisher {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        SigningKey::from_seed(seed).publisher()
    }

    fn head(publisher: Publisher, count: u64) -> Head {
        Head {
            publisher,
            count,
            newest: None,
        }
    }

    #[test]
    fn whoever_asks_again_is_told_what_has_moved_since() {
        let mut changes = Changes::new(7);
        changes.note(head(publisher(1), 1));
        let mark = changes.mark();
        assert_eq!(changes.since(&mark), Some(vec![]));
        changes.note(head(publisher(2), 5));
        changes.note(head(publisher(1), 2));
        changes.note(head(publisher(2), 6));
        let moved = vec![head(publisher(1), 2), head(publisher(2), 6)];
        assert_eq!(changes.since(&mark), Some(moved));
        assert_eq!(changes.since(&changes.mark()), Some(vec![]));
    }

    #[test]
    fn marks_of_another_run_and_nonsense_say_nothing() {
        let changes = Changes::new(7);
        assert_eq!(changes.since(&Changes::new(8).mark()), None);
        for bytes in [&b""[..], b"12345678", b"123456781234567", &[0xff; 16]] {
            assert_eq!(changes.since(&Mark(Bytes::copy_from_slice(bytes))), None);
        }
        let mut ahead = Changes::new(7);
        ahead.note(head(publisher(1), 1));
        assert_eq!(changes.since(&ahead.mark()), None, "from the future");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut changes = Changes::new(7);
        let first = changes.mark();
        let publishers: Vec<_> = (0..u64::try_from(MOST).unwrap() + 9)
            .map(publisher)
            .collect();
        for publisher in &publishers {
            changes.note(head(*publisher, 1));
        }
        assert_eq!((changes.by_move.len(), changes.last.len()), (MOST, MOST));
        assert_eq!(changes.since(&first), None);
        let mark = changes.mark();
        for publisher in publishers.iter().take(MAX_HEADS) {
            changes.note(head(*publisher, 2));
        }
        assert_eq!(changes.since(&mark).unwrap().len(), MAX_HEADS);
        changes.note(head(publishers[MAX_HEADS], 2));
        assert_eq!(changes.since(&mark), None, "more than fits in an answer");
    }
}
