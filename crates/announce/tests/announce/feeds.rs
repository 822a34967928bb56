//! Feeds: whatever the order in which announcements come, honest feeds end the same, and what
//! does not belong changes nothing.

use std::collections::BTreeMap;

use cidcast_announce::{
    Announcement, Draft, Feed, Op, Profile, SigningKey, SnapshotState, State, Step, chain,
};
use cidcast_types::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::draft::{asset, key, publish, retract, root};

/// One operation of a made-up history, on few assets so that they meet.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish { asset: u64, root: u8 },
    Retract { asset: u64 },
    Profile { name: char },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0u64..4, any::<u8>()).prop_map(|(asset, root)| Act::Publish { asset, root }),
        2 => (0u64..4).prop_map(|asset| Act::Retract { asset }),
        1 => prop::char::range('a', 'z').prop_map(|name| Act::Profile { name }),
    ]
}

fn op(act: Act) -> Op {
    match act {
        Act::Publish { asset, root: n } => {
            let mut publish = publish(asset);
            publish.root = root(n);
            Op::Publish(Box::new(publish))
        }
        Act::Retract { asset } => retract(asset),
        Act::Profile { name } => Op::Profile(Profile {
            name: name.to_string(),
            ..Profile::default()
        }),
    }
}

/// A history: batches of operations.
fn history() -> impl Strategy<Value = Vec<Vec<Act>>> {
    prop::collection::vec(prop::collection::vec(act(), 1..4), 1..7)
}

fn next(key: &SigningKey, after: Option<&Announcement>, ops: Vec<Op>) -> Announcement {
    let draft = Draft {
        seq: after.map_or(0, |last| last.seq() + 1),
        prev: after.map(Announcement::cid),
        at: Timestamp::from_millis(1_700_000_000_000),
        ops,
    };
    Announcement::sign(key, draft).unwrap()
}

fn signed(batches: &[Vec<Act>]) -> Vec<Announcement> {
    let key = key(1);
    let mut feed: Vec<Announcement> = Vec::new();
    for batch in batches {
        let ops = batch.iter().copied().map(op).collect();
        feed.push(next(&key, feed.last(), ops));
    }
    feed
}

fn replay(announcements: &[Announcement]) -> Feed {
    let mut feed = Feed::new(key(1).publisher());
    for announcement in announcements {
        assert_eq!(feed.apply(announcement), Step::Applied);
    }
    feed
}

/// What the history says about each asset, by the plainest means.
fn expected(batches: &[Vec<Act>]) -> BTreeMap<u64, Option<u8>> {
    let mut last = BTreeMap::new();
    for act in batches.iter().flatten() {
        match *act {
            Act::Publish { asset, root } => last.insert(asset, Some(root)),
            Act::Retract { asset } => last.insert(asset, None),
            Act::Profile { .. } => None,
        };
    }
    last
}

fn assert_says(state: &State, batches: &[Vec<Act>]) {
    for (n, last) in expected(batches) {
        let found = state.published().find(|publish| publish.asset == asset(n));
        assert_eq!(found.map(|publish| publish.root), last.map(root));
        assert_eq!(state.is_retracted(asset(n)), last.is_none());
    }
}

/// Offers announcements in the given order, keeps those that came too early, and offers them
/// again whenever the feed has moved.
fn through_a_buffer(offered: &[&Announcement]) -> Feed {
    let mut feed = Feed::new(key(1).publisher());
    let mut early: BTreeMap<u64, &Announcement> = BTreeMap::new();
    for announcement in offered {
        if let Step::Gap { got, .. } = feed.apply(announcement) {
            early.insert(got, announcement);
        }
        while let Some(waiting) = early.remove(&feed.head().map_or(0, |head| head.seq + 1)) {
            feed.apply(waiting);
        }
    }
    feed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_with_repetitions_ends_the_same(
        batches in history(),
        order in prop::collection::vec(any::<Index>(), 0..12),
        last in any::<Index>(),
    ) {
        let announcements = signed(&batches);
        // Some in any order, some twice; then all of them, beginning anywhere.
        let mut offered: Vec<_> = order.iter().map(|at| at.get(&announcements)).collect();
        let begin = last.index(announcements.len());
        offered.extend(announcements.iter().cycle().skip(begin).take(announcements.len()));
        let feed = through_a_buffer(&offered);
        prop_assert_eq!(&feed, &replay(&announcements));
        assert_says(feed.state(), &batches);
    }

    #[test]
    fn replays_never_change_a_feed(
        batches in history(),
        order in prop::collection::vec(any::<Index>(), 1..20),
    ) {
        let announcements = signed(&batches);
        let mut feed = replay(&announcements);
        let before = feed.clone();
        for at in order {
            prop_assert_eq!(feed.apply(at.get(&announcements)), Step::Duplicate);
        }
        prop_assert_eq!(feed, before);
    }

    #[test]
    fn a_second_history_is_kept_as_evidence_and_changes_no_state(
        batches in history(),
        at in any::<Index>(),
        tail in any::<bool>(),
    ) {
        let announcements = signed(&batches);
        let at = at.index(announcements.len());
        let before = at.checked_sub(1).and_then(|at| announcements.get(at));
        let other = next(&key(1), before, vec![retract(99)]);
        let behind = next(&key(1), Some(&other), vec![retract(98)]);
        let mut feed = replay(&announcements);
        let state = feed.state().clone();
        let head = feed.head();

        prop_assert_eq!(feed.apply(&other), Step::Fork { seq: other.seq() });
        prop_assert_eq!(feed.apply(&other), Step::Fork { seq: other.seq() });
        prop_assert_eq!(feed.forks().len(), 1);
        prop_assert_eq!(&feed.forks()[0].other, &other);
        prop_assert_eq!(feed.forks()[0].held, announcements[at].cid());
        prop_assert_eq!(chain::second_history(&announcements[at], &other), Some(other.seq()));
        if tail {
            let forked = matches!(feed.apply(&behind), Step::Fork { .. });
            prop_assert!(forked);
        }
        prop_assert_eq!(feed.state(), &state);
        prop_assert_eq!(feed.head(), head);
        // And its own branch goes on.
        let next = next(&key(1), announcements.last(), vec![retract(1)]);
        prop_assert_eq!(feed.apply(&next), Step::Applied);
    }

    #[test]
    fn a_snapshot_and_the_tail_equal_the_whole(
        batches in history(),
        at in any::<Index>(),
    ) {
        let announcements = signed(&batches);
        let (old, tail) = announcements.split_at(at.index(announcements.len()) + 1);
        let (snapshot, blocks) = replay(old).to_snapshot().unwrap().unwrap();
        let segments = blocks.iter().map(|block| block.bytes.as_ref());
        let state = SnapshotState::read(key(1).publisher(), &snapshot, segments).unwrap();
        let mut feed = Feed::from_snapshot(state);
        for announcement in tail {
            prop_assert_eq!(feed.apply(announcement), Step::Applied);
        }
        let whole = replay(&announcements);
        prop_assert_eq!(feed.state(), whole.state());
        prop_assert_eq!(feed.head(), whole.head());
        assert_says(feed.state(), &batches);
        // What came before cannot be judged, and changes nothing.
        for announcement in old.iter().rev().skip(1) {
            prop_assert_eq!(feed.apply(announcement), Step::BeforeStart);
        }
        prop_assert_eq!(feed.state(), whole.state());
    }
}

#[test]
fn a_tombstone_stays_until_the_publisher_publishes_again() {
    let batches = [
        vec![Act::Publish { asset: 1, root: 1 }],
        vec![Act::Retract { asset: 1 }],
        vec![Act::Publish { asset: 1, root: 2 }],
    ];
    let announcements = signed(&batches);
    let mut feed = replay(&announcements[..2]);
    assert_eq!(feed.apply(&announcements[0]), Step::Duplicate);
    assert!(feed.state().is_retracted(asset(1)));
    assert_eq!(feed.state().published().count(), 0);
    feed.apply(&announcements[2]);
    assert!(!feed.state().is_retracted(asset(1)));
    assert_eq!(feed.state().published().next().unwrap().root, root(2));
}

#[test]
fn the_last_of_several_operations_on_an_asset_counts() {
    let batch = vec![
        Act::Retract { asset: 1 },
        Act::Publish { asset: 1, root: 1 },
        Act::Publish { asset: 1, root: 2 },
    ];
    let feed = replay(&signed(&[batch]));
    assert_eq!(feed.state().published().next().unwrap().root, root(2));
}

#[test]
fn a_gap_says_what_is_missing() {
    let announcements = signed(&vec![vec![Act::Retract { asset: 1 }]; 4]);
    let mut feed = Feed::new(key(1).publisher());
    let gap = |have, got| Step::Gap { have, got };
    assert_eq!(feed.apply(&announcements[2]), gap(None, 2));
    feed.apply(&announcements[0]);
    assert_eq!(feed.apply(&announcements[3]), gap(Some(0), 3));
    assert_eq!(feed.head().unwrap().seq, 0);
}

#[test]
fn another_predecessor_is_a_fork() {
    let announcements = signed(&vec![vec![Act::Retract { asset: 1 }]; 2]);
    let elsewhere = next(&key(1), None, vec![retract(7)]);
    let behind = next(&key(1), Some(&elsewhere), vec![retract(8)]);
    let mut feed = replay(&announcements[..1]);
    assert_eq!(feed.apply(&behind), Step::Fork { seq: 0 });
    assert_eq!(chain::second_history(&behind, &announcements[0]), Some(0));
    assert_eq!(feed.apply(&announcements[1]), Step::Applied);
}

#[test]
fn only_its_own_publisher_moves_a_feed() {
    let mut feed = Feed::new(key(2).publisher());
    let announcements = signed(&[vec![Act::Retract { asset: 1 }]]);
    assert_eq!(feed.apply(&announcements[0]), Step::OtherPublisher);
    assert_eq!(feed, Feed::new(key(2).publisher()));
    let theirs = next(&key(2), None, vec![retract(1)]);
    assert_eq!(chain::second_history(&announcements[0], &theirs), None);
    assert_eq!(
        chain::second_history(&announcements[0], &announcements[0]),
        None
    );
}

#[test]
fn evidence_is_bounded() {
    let mut feed = replay(&signed(&[vec![Act::Retract { asset: 1 }]]));
    for n in 100..130 {
        feed.apply(&next(&key(1), None, vec![retract(n)]));
    }
    assert_eq!(feed.forks().len(), 16);
}
