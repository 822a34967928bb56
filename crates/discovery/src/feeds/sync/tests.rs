//! Whom is asked, and when: without a network, on a clock of the test's own.

use cidcast_announce::SigningKey;
use proptest::prelude::*;

use super::*;

fn publisher(n: u8) -> Publisher {
    SigningKey::from_seed([n; 32]).publisher()
}

fn peer(n: u8) -> PeerId {
    publisher(n).peer_id().parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn sync(peers: &[u8]) -> Sync {
    let mut sync = Sync::new(SyncSettings::default(), 7);
    sync.connected(&peers.iter().map(|n| peer(*n)).collect());
    for action in sync.plan(at(0)) {
        if let Action::AskHeads { peer, .. } = action {
            sync.heads_answered(peer, None, None);
        }
    }
    sync
}

/// Requests for feeds among the actions.
fn asked(actions: &[Action]) -> Vec<(PeerId, Publisher, u64)> {
    let requests = together(actions).into_iter();
    let each = requests.flat_map(|(peer, feeds)| {
        let feeds = feeds.into_iter();
        feeds.map(move |(publisher, from)| (peer, publisher, from))
    });
    each.collect()
}

/// The same, request by request.
fn together(actions: &[Action]) -> Vec<(PeerId, Vec<(Publisher, u64)>)> {
    let requests = actions.iter().filter_map(|action| match action {
        Action::AskFeeds { peer, feeds } => Some((*peer, feeds.clone())),
        _ => None,
    });
    requests.collect()
}

#[test]
fn whoever_connects_is_asked_what_it_has() {
    let mut sync = Sync::new(SyncSettings::default(), 7);
    sync.connected(&BTreeSet::from([peer(1), peer(2)]));
    assert_eq!(sync.plan(at(0)).len(), 2);
    assert_eq!(sync.plan(at(1)), [], "once");
    let next = publisher(9);
    sync.heads_answered(peer(1), Some(next), None);
    let more = Action::AskHeads {
        peer: peer(1),
        after: Some(next),
        since: None,
    };
    assert_eq!(sync.plan(at(2)), [more]);
}

fn mark(n: u8) -> Option<Mark> {
    Some(Mark(vec![n].into()))
}

/// Who is asked for heads, how, when it is its turn.
fn asks_heads(sync: &mut Sync, now: u64) -> (Option<Publisher>, Option<Mark>) {
    match sync.plan(at(now)).as_slice() {
        [Action::AskHeads { after, since, .. }] => (*after, since.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_has_told_all_is_asked_only_for_what_has_moved() {
    let mut sync = Sync::new(SyncSettings::default(), 7);
    sync.connected(&BTreeSet::from([peer(1)]));
    assert_eq!(asks_heads(&mut sync, 0), (None, None));
    sync.heads_answered(peer(1), Some(publisher(9)), mark(1));
    assert_eq!(asks_heads(&mut sync, 1), (Some(publisher(9)), None));
    sync.heads_answered(peer(1), None, mark(2));
    // What moved while the list was told is in neither piece.
    assert_eq!(asks_heads(&mut sync, 20), (None, mark(1)));
    sync.heads_answered(peer(1), None, mark(3));
    assert_eq!(asks_heads(&mut sync, 40), (None, mark(3)));
    sync.heads_answered(peer(1), None, None);
    assert_eq!(asks_heads(&mut sync, 60), (None, None), "it gives no marks");
    sync.heads_answered(peer(1), None, mark(4));
    assert_eq!(asks_heads(&mut sync, 7 * 3600), (None, None), "long ago");
}

#[test]
fn marks_are_forgotten_when_something_may_be_missing() {
    let told = || {
        let mut sync = Sync::new(
            SyncSettings {
                claims_per_peer: 1,
                ..SyncSettings::default()
            },
            7,
        );
        sync.connected(&BTreeSet::from([peer(1)]));
        asks_heads(&mut sync, 0);
        sync.heads_answered(peer(1), None, mark(1));
        sync
    };
    let mut hurried = told();
    hurried.hurry();
    assert_eq!(asks_heads(&mut hurried, 20), (None, None));
    let mut failed = told();
    asks_heads(&mut failed, 20);
    failed.heads_failed(peer(1), Failure::Request, at(20));
    assert_eq!(asks_heads(&mut failed, 40), (None, None));
    let mut back = told();
    back.connected(&BTreeSet::new());
    back.connected(&BTreeSet::from([peer(1)]));
    assert_eq!(asks_heads(&mut back, 20), (None, None));
    let mut full = told();
    asks_heads(&mut full, 20);
    full.claimed(peer(1), publisher(8), 1, 0);
    full.claimed(peer(1), publisher(9), 1, 0);
    full.heads_answered(peer(1), None, mark(2));
    full.moved(publisher(8), 1);
    assert_eq!(asks_heads(&mut full, 40), (None, None), "there was no room");
}

#[test]
fn nobody_is_asked_faster_than_it_answers() {
    let mut sync = sync(&[1]);
    for n in 2..=250u8 {
        sync.claimed(peer(1), publisher(n), 1, 0);
    }
    let mut count = 1;
    loop {
        let asked = asked(&sync.plan(at(1)));
        if asked.is_empty() {
            break;
        }
        count += asked.len();
        for (_, whose, _) in asked {
            sync.delivered(whose, 1);
        }
    }
    assert!((200..=201).contains(&count), "{count}");
    assert_eq!(
        asked(&sync.plan(at(2))).len(),
        2,
        "it is not for want of feeds"
    );
}

#[test]
fn a_feed_is_asked_for_piece_by_piece_until_it_is_whole() {
    let mut sync = sync(&[1]);
    sync.claimed(peer(1), publisher(9), 700, 0);
    assert_eq!(asked(&sync.plan(at(1))), [(peer(1), publisher(9), 0)]);
    assert_eq!(asked(&sync.plan(at(1))), [], "one request at a time");
    for have in [300, 600] {
        sync.delivered(publisher(9), have);
        assert_eq!(asked(&sync.plan(at(1))), [(peer(1), publisher(9), have)]);
    }
    sync.delivered(publisher(9), 700);
    assert_eq!(asked(&sync.plan(at(2))), []);
    assert_eq!(sync.behind(), 0);
}

#[test]
fn another_peer_is_asked_after_a_failure_and_all_of_them_again_after_a_wait() {
    let mut sync = sync(&[1, 2]);
    for n in [1, 2] {
        sync.claimed(peer(n), publisher(9), 5, 0);
    }
    let first = asked(&sync.plan(at(1)))[0].0;
    sync.failed(first, publisher(9), Failure::Request, at(1));
    let second = asked(&sync.plan(at(1)))[0].0;
    assert_ne!(first, second);
    sync.failed(second, publisher(9), Failure::Request, at(1));
    let waiting = Action::Waiting {
        publisher: publisher(9),
        failures: 1,
        next_at: at(11),
    };
    assert_eq!(sync.plan(at(1)), [waiting]);
    assert_eq!(asked(&sync.plan(at(10))), []);
    assert_eq!(asked(&sync.plan(at(11))).len(), 1);
}

#[test]
fn a_peer_that_lies_about_what_it_has_keeps_nobody_from_the_truth() {
    let mut sync = sync(&[1, 2]);
    sync.claimed(peer(1), publisher(9), u64::MAX, 0);
    sync.claimed(peer(2), publisher(9), 5, 0);
    let mut now = 1;
    loop {
        let requests = asked(&sync.plan(at(now)));
        match requests.first() {
            Some((who, ..)) if *who == peer(2) => break,
            Some((who, ..)) => sync.failed(*who, publisher(9), Failure::Request, at(now)),
            None => now += 1,
        }
        assert!(now < 100);
    }
    sync.delivered(publisher(9), 5);
    // The liar is still asked, ever more seldom.
    let mut times = 0;
    for second in 0..86_400 {
        for (who, ..) in asked(&sync.plan(at(now + second))) {
            times += 1;
            sync.failed(who, publisher(9), Failure::Request, at(now + second));
        }
    }
    assert!(times < 40, "{times}");
}

#[test]
fn a_peer_that_speaks_something_else_is_left_alone_for_a_while() {
    let mut sync = Sync::new(SyncSettings::default(), 7);
    sync.connected(&BTreeSet::from([peer(1)]));
    sync.plan(at(0));
    sync.heads_failed(peer(1), Failure::Peer, at(0));
    for second in 1..600 {
        assert_eq!(sync.plan(at(second)), []);
    }
    assert_eq!(sync.plan(at(620)).len(), 1);
}

#[test]
fn what_is_not_wanted_any_more_is_not_asked_for() {
    let mut sync = sync(&[1]);
    sync.claimed(peer(1), publisher(9), 5, 0);
    sync.dropped(&publisher(9));
    assert_eq!(asked(&sync.plan(at(1))), []);
    sync.claimed(peer(1), publisher(8), 5, 0);
    sync.connected(&BTreeSet::new());
    assert_eq!(asked(&sync.plan(at(1))), [], "nobody is left to ask");
    assert_eq!(sync.behind(), 0);
}

#[test]
fn many_feeds_are_asked_for_in_one_request_of_whoever_gives_them_together() {
    let mut sync = sync(&[1]);
    sync.gives_together(peer(1), 1000);
    for n in 2..=100u8 {
        sync.claimed(peer(1), publisher(n), 5, 0);
    }
    let requests = together(&sync.plan(at(1)));
    let sizes: Vec<_> = requests.iter().map(|(_, feeds)| feeds.len()).collect();
    assert_eq!(sizes, [MAX_FEEDS, MAX_FEEDS], "two requests at a time");
    assert_eq!(asked(&sync.plan(at(1))), []);
    let (_, feeds) = &requests[0];
    let (last, others) = feeds.split_last().unwrap();
    for (whose, _) in others {
        sync.delivered(*whose, 5);
    }
    assert_eq!(asked(&sync.plan(at(1))), [], "it is not over yet");
    // The answer had no room for the last one: that is no failure.
    sync.not_answered(last.0);
    let next = together(&sync.plan(at(1)));
    assert_eq!(next.len(), 1);
    assert!(next[0].1.contains(last), "and it is asked for again");
}

#[test]
fn one_feed_that_fails_leaves_the_others_of_its_request_alone() {
    let mut sync = sync(&[1, 2]);
    for n in [1, 2] {
        sync.gives_together(peer(n), 32);
    }
    for n in 10..14u8 {
        sync.claimed(peer(1), publisher(n), 5, 0);
    }
    sync.claimed(peer(2), publisher(10), 5, 0);
    let first = asked(&sync.plan(at(1)));
    assert_eq!(first.len(), 4);
    let is_it = |(_, whose, _): &&(PeerId, Publisher, u64)| *whose == publisher(10);
    let before = first.iter().find(is_it).unwrap().0;
    for (_, whose, _) in first.iter().filter(|one| !is_it(one)) {
        sync.delivered(*whose, 5);
    }
    sync.failed(before, publisher(10), Failure::Request, at(1));
    let again = asked(&sync.plan(at(1)));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].0, before, "of the other one");
}

#[derive(Debug, Clone)]
enum Event {
    Connected(Vec<u8>),
    Claimed(u8, u8, u64),
    Moved(u8, u64),
    Together(u8, u64),
    Plan,
    Answer(usize, Option<u64>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        prop::collection::vec(1u8..6, 0..5).prop_map(Event::Connected),
        (1u8..6, 10u8..16, any::<u64>()).prop_map(|(a, b, c)| Event::Claimed(a, b, c)),
        (10u8..16, 0u64..20).prop_map(|(a, b)| Event::Moved(a, b)),
        (1u8..6, any::<u64>()).prop_map(|(a, b)| Event::Together(a, b)),
        Just(Event::Plan),
        (0usize..8, prop::option::of(1u64..20)).prop_map(|(a, b)| Event::Answer(a, b)),
    ]
}

proptest! {
    #[test]
    fn requests_stay_within_their_bounds(events in prop::collection::vec(event(), 0..200)) {
        let settings = SyncSettings { claims_per_peer: 3, feeds: 4, peers: 4, ..SyncSettings::default() };
        let mut sync = Sync::new(settings, 3);
        let mut under_way: Vec<(PeerId, Vec<(Publisher, u64)>)> = Vec::new();
        for (second, event) in events.into_iter().enumerate() {
            let now = at(second as u64);
            match event {
                Event::Connected(peers) => sync.connected(&peers.into_iter().map(peer).collect()),
                Event::Claimed(who, whose, count) => sync.claimed(peer(who), publisher(whose), count, 0),
                Event::Moved(whose, have) => sync.moved(publisher(whose), have),
                Event::Together(who, feeds) => sync.gives_together(peer(who), feeds),
                Event::Plan => under_way.extend(together(&sync.plan(now))),
                Event::Answer(which, moved) if which < under_way.len() => {
                    let (who, mut feeds) = under_way.remove(which);
                    if let Some((whose, _)) = feeds.pop().filter(|_| second % 2 == 0) {
                        sync.not_answered(whose);
                    }
                    for (whose, from) in feeds {
                        match moved {
                            Some(by) => sync.delivered(whose, from.saturating_add(by)),
                            None => sync.failed(who, whose, Failure::Request, now),
                        }
                    }
                }
                Event::Answer(..) => {}
            }
            prop_assert!(under_way.len() <= settings.requests);
            for n in 1..6 {
                let busy = under_way.iter().filter(|(who, ..)| *who == peer(n)).count();
                prop_assert!(busy <= settings.requests_per_peer);
            }
            for n in 10..16 {
                let all = under_way.iter().flat_map(|(_, feeds)| feeds);
                let same = all.filter(|(whose, _)| *whose == publisher(n)).count();
                prop_assert!(same <= 1);
            }
            prop_assert!(sync.behind() <= settings.feeds);
        }
    }
}
