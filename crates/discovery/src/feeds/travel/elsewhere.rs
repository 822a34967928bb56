//! How much of the own feed others have: what has to be known before a key that came from elsewhere
//! may be signed with. No clock, no network.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cidcast_ipfs::swarm::PeerId;
use cidcast_types::Timestamp;

/// The network is asked for the name again after it could not be told.
const AGAIN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// What each peer said to have that has told all it has.
    told: BTreeMap<PeerId, u64>,
    /// The same, while its list goes on.
    so_far: BTreeMap<PeerId, u64>,
    name: Name,
}

/// What the publisher's IPNS name says.
#[derive(Debug, Default)]
enum Name {
    /// Not known; it can be looked up from then on.
    #[default]
    Unknown,
    Failed {
        again_at: Timestamp,
    },
    /// Somebody is looking.
    Asked,
    /// It leads to an announcement that is known to exist here now, or nowhere.
    Told,
}

impl Elsewhere {
    /// A part of a peer's list names the own feed.
    pub(super) fn says(&mut self, peer: PeerId, count: u64) {
        self.so_far.insert(peer, count);
    }

    /// A peer's list has ended.
    pub(super) fn has_told(&mut self, peer: PeerId) {
        let count = self.so_far.remove(&peer).unwrap_or(0);
        self.told.insert(peer, count);
    }

    /// A peer that had told all has told what has moved since.
    pub(super) fn has_told_more(&mut self, peer: PeerId) {
        let moved = self.so_far.remove(&peer);
        if let (Some(moved), Some(told)) = (moved, self.told.get_mut(&peer)) {
            *told = moved;
        }
    }

    /// Only these can be asked now.
    pub(super) fn retain(&mut self, speaking: &BTreeSet<PeerId>) {
        self.told.retain(|peer, _| speaking.contains(peer));
        self.so_far.retain(|peer, _| speaking.contains(peer));
    }

    /// Whether the name is to be looked up now; if so, somebody has to.
    pub(super) fn should_look_up(&mut self, now: Timestamp) -> bool {
        let is_time = match self.name {
            Name::Unknown => true,
            Name::Failed { again_at } => again_at <= now,
            Name::Asked | Name::Told => false,
        };
        if is_time {
            self.name = Name::Asked;
        }
        is_time
    }

    /// The name was looked up: it says what is known now, or nothing.
    pub(super) fn name_told(&mut self) {
        self.name = Name::Told;
    }

    /// What the name says could not be told.
    pub(super) fn name_failed(&mut self, now: Timestamp) {
        self.name = Name::Failed {
            again_at: now.after(AGAIN),
        };
    }

    /// The most that anybody has, once everybody who is connected has told, somebody knows the feed,
    /// and the name has told as well.
    pub(super) fn most(&self, speaking: &BTreeSet<PeerId>) -> Option<u64> {
        let all_told = speaking.iter().all(|peer| self.told.contains_key(peer));
        let most = self.told.values().copied().max().filter(|most| *most > 0);
        most.filter(|_| all_told && matches!(self.name, Name::Told))
    }
}

#[cfg(test)]
mod tests {
    use cidcast_announce::SigningKey;

    use super::*;

    fn peer(n: u8) -> PeerId {
        let key = SigningKey::from_seed([n; 32]);
        key.publisher().peer_id().parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn nothing_is_certain_before_everybody_and_the_name_have_told() {
        let speaking = BTreeSet::from([peer(1), peer(2)]);
        let mut elsewhere = Elsewhere::default();
        elsewhere.says(peer(1), 4);
        elsewhere.has_told(peer(1));
        assert!(elsewhere.should_look_up(at(0)));
        elsewhere.name_told();
        assert_eq!(elsewhere.most(&speaking), None, "one has not told");
        elsewhere.has_told(peer(2));
        assert_eq!(elsewhere.most(&speaking), Some(4));
        elsewhere.has_told_more(peer(1));
        assert_eq!(elsewhere.most(&speaking), Some(4), "it has not moved there");
        elsewhere.says(peer(1), 5);
        elsewhere.has_told_more(peer(1));
        assert_eq!(elsewhere.most(&speaking), Some(5));
        elsewhere.retain(&BTreeSet::from([peer(2)]));
        let left = BTreeSet::from([peer(2)]);
        assert_eq!(elsewhere.most(&left), None, "who is left knows nothing");
        let mut new = Elsewhere::default();
        new.has_told_more(peer(1));
        assert!(new.told.is_empty(), "what moved is not all there is");
    }

    #[test]
    fn a_name_that_could_not_be_told_is_looked_up_again_and_nothing_is_certain() {
        let speaking = BTreeSet::from([peer(1)]);
        let mut elsewhere = Elsewhere::default();
        elsewhere.says(peer(1), 4);
        elsewhere.has_told(peer(1));
        assert_eq!(elsewhere.most(&speaking), None, "it was not asked");
        assert!(elsewhere.should_look_up(at(0)));
        assert!(!elsewhere.should_look_up(at(0)), "once at a time");
        elsewhere.name_failed(at(5));
        assert_eq!(elsewhere.most(&speaking), None);
        assert!(!elsewhere.should_look_up(at(64)));
        assert!(elsewhere.should_look_up(at(65)));
    }
}
