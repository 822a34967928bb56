//! What one node has of all feeds, by the rules of the catalog: in order, and within the quotas.

use cidcast_announce::Head;
use cidcast_announce::chain::{self, Place};
use cidcast_catalog::{FeedLimits, FeedUsage};

use super::histories::{Histories, Said};
use crate::feeds::Outcome;

pub(super) struct Shelf {
    /// How many announcements of each publisher.
    have: Vec<u64>,
    bytes: Vec<u64>,
    usage: FeedUsage,
    limits: FeedLimits,
}

impl Shelf {
    /// Of as many publishers as there are.
    pub(super) fn new(publishers: usize, limits: FeedLimits) -> Self {
        Self {
            have: vec![0; publishers],
            bytes: vec![0; publishers],
            usage: FeedUsage::default(),
            limits,
        }
    }

    pub(super) fn have(&self, whose: usize) -> u64 {
        self.have[whose]
    }

    /// Publishers of which something is here, with how much.
    pub(super) fn heads(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.have.iter().copied().enumerate();
        all.filter(|(_, have)| *have > 0)
    }

    /// Whether as much is here as elsewhere.
    pub(super) fn is_as_whole_as(&self, counts: &[u64]) -> bool {
        let each = self.have.iter().zip(counts);
        each.fold(true, |whole, (have, count)| whole && have >= count)
    }

    /// Takes an announcement, if it is the next and there is room.
    pub(super) fn take(&mut self, histories: &Histories, said: Said) -> Outcome {
        let (whose, seq) = said;
        let announcement = histories.get(said);
        let have = self.have[whose];
        let feed = histories.feed(whose);
        let head = have
            .checked_sub(1)
            .map(|last| Head::of(&feed[last as usize]));
        let held = |seq: u64| feed.get(seq as usize).map(|one| one.cid());
        match chain::place(head, held, announcement) {
            Place::Next => {}
            Place::Duplicate => return Outcome::Duplicate,
            Place::Gap { .. } => return Outcome::Reordered,
            Place::Fork { .. } | Place::BeforeStart => return Outcome::Conflicting,
        }
        let bytes = histories.bytes(said);
        let no_room = self
            .limits
            .exceeded_by(bytes, self.bytes[whose], self.usage);
        let is_new = have == 0;
        if no_room.is_some() || (is_new && self.usage.publishers >= self.limits.publishers) {
            return Outcome::OverQuota;
        }
        assert_eq!(have, seq, "a feed has no gap and goes not back");
        self.have[whose] = seq + 1;
        self.bytes[whose] += bytes;
        self.usage.bytes += bytes;
        self.usage.publishers += u64::from(is_new);
        assert!(
            self.bytes[whose] <= self.limits.publisher_bytes
                && self.usage.bytes <= self.limits.total_bytes
                && self.usage.publishers <= self.limits.publishers,
            "no quota is exceeded"
        );
        Outcome::Applied
    }
}
