//! Stories of wants: who is asked what, and what then.

mod model;

use multihash_codetable::{Code, MultihashDigest};

use super::*;
use crate::message::Ask;

const LIMITS: Limits = Limits {
    max_wants: 1000,
    window_bytes: 64 << 20,
    window_blocks: 1024,
};
const PATIENCE: Duration = Duration::from_secs(30);

fn cid(n: u64) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))
}

fn id(n: u64) -> BlockId {
    BlockId::of(&cid(n))
}

/// A client with its clock, for tests that tell a story.
struct Story {
    client: Client,
    now: Instant,
    claims: u64,
}

impl Story {
    fn new() -> Self {
        Self {
            client: Client::new(LIMITS),
            now: Instant::now(),
            claims: 0,
        }
    }

    fn connected(&mut self) -> PeerId {
        let peer = PeerId::random();
        self.client.connected(peer, self.now);
        peer
    }

    fn want_as(&mut self, n: u64, session: u64, class: Class, order: u64) -> ClaimId {
        self.claims += 1;
        let claim = ClaimId(self.claims);
        let new = NewClaim {
            claim,
            session: SessionId(session),
            class,
            cid: cid(n),
            order,
            patience: PATIENCE,
        };
        self.client.want(new, self.now).unwrap();
        self.client.place(self.now);
        claim
    }

    fn want(&mut self, n: u64) -> ClaimId {
        self.want_as(n, 1, Class::Replication, n)
    }

    /// What a peer is told: what is asked, of which block.
    fn told(&mut self, peer: PeerId) -> Vec<(Ask, Cid)> {
        let entries = self.client.take_entries(peer, 10_000);
        entries
            .into_iter()
            .map(|entry| (entry.ask, entry.cid))
            .collect()
    }

    fn says(&mut self, peer: PeerId, n: u64, here: bool) {
        self.client.presence(peer, &cid(n), here, self.now);
        self.client.place(self.now);
    }

    fn gives(&mut self, peer: PeerId, n: u64) -> Vec<ClaimId> {
        let ended = self.client.arrived(Some(peer), id(n), 16 << 10, self.now);
        self.client.place(self.now);
        ended
    }

    /// Time passes, looked at ten times in a second.
    fn wait(&mut self, seconds: u64) -> Vec<Action> {
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            self.client.tick(self.now);
            self.client.place(self.now);
        }
        self.client.take_actions()
    }
}

fn starving(actions: &[Action]) -> usize {
    let starving = |action: &&Action| matches!(action, Action::Starving { .. });
    actions.iter().filter(starving).count()
}

#[test]
fn a_peer_that_answers_in_one_message_is_asked_less_at_a_time() {
    let mut story = Story::new();
    let peer = story.connected();
    for n in 0..12 {
        story.want(n);
    }
    assert_eq!(story.told(peer).len(), 12);
    for most in [6, 3, 1] {
        assert!(story.client.overfilled(peer));
        story.client.place(story.now);
        let told = story.told(peer);
        assert!(told.iter().all(|(ask, _)| *ask == Ask::Cancel), "{told:?}");
        story.client.place(story.now);
        let told = story.told(peer);
        let orders = told.iter().filter(|(ask, _)| *ask == Ask::Block).count();
        assert_eq!(orders, most);
    }
    // One block that is too large for a message is not an honest block.
    assert!(!story.client.overfilled(peer));
    for n in 0..12 {
        assert_eq!(story.gives(peer, n).len(), 1);
        assert!(story.told(peer).len() <= 1, "after block {n}");
    }
}

#[test]
fn a_session_that_knows_nobody_asks_everybody_first() {
    let mut story = Story::new();
    let (a, b) = (story.connected(), story.connected());
    story.want(1);
    assert_eq!(story.told(a), [(Ask::Have, cid(1))]);
    assert_eq!(story.told(b), [(Ask::Have, cid(1))]);
    story.says(b, 1, true);
    assert_eq!(story.told(b), [(Ask::Block, cid(1))]);
    assert_eq!(story.told(a), []);
    // What b has some of, it probably has all of.
    story.want(2);
    assert_eq!(story.told(b), [(Ask::Block, cid(2))]);
    assert_eq!(story.told(a), []);
}

#[test]
fn a_single_peer_is_asked_for_the_block_at_once() {
    let mut story = Story::new();
    let peer = story.connected();
    story.want(1);
    assert_eq!(story.told(peer), [(Ask::Block, cid(1))]);
}

#[test]
fn only_a_few_wants_are_sought_at_a_time_and_all_follow_when_one_is_found() {
    let mut story = Story::new();
    let (a, b) = (story.connected(), story.connected());
    for n in 0..15 + 100 {
        story.want(n);
    }
    assert_eq!(story.told(a).len(), 16);
    story.told(b);
    story.says(a, 0, true);
    let told = story.told(a);
    assert!(told.iter().all(|(ask, _)| *ask == Ask::Block));
    assert_eq!(told.len(), 16, "a window's worth");
    assert_eq!(story.told(b), []);
}

#[test]
fn a_peer_that_says_no_is_replaced_at_once() {
    let mut story = Story::new();
    let (a, b) = (story.connected(), story.connected());
    story.client.add_peer(SessionId(1), a, story.now);
    story.client.add_peer(SessionId(1), b, story.now);
    story.want(1);
    let (first, second) = match (story.told(a).len(), story.told(b).len()) {
        (1, 0) => (a, b),
        (0, 1) => (b, a),
        other => panic!("{other:?}"),
    };
    story.says(first, 1, false);
    assert_eq!(story.told(second), [(Ask::Block, cid(1))]);
    story.says(second, 1, false);
    let actions = story.client.take_actions();
    assert_eq!(starving(&actions), 1, "{actions:?}");
}

#[test]
fn a_starving_block_is_told_once_in_a_minute() {
    let mut story = Story::new();
    story.claims = 100;
    let new = NewClaim {
        claim: ClaimId(1),
        session: SessionId(1),
        class: Class::Playback,
        cid: cid(1),
        order: 0,
        patience: Duration::from_secs(600),
    };
    story.client.want(new, story.now).unwrap();
    story.client.place(story.now);
    assert_eq!(starving(&story.client.take_actions()), 1);
    let actions = story.wait(50);
    assert_eq!(starving(&actions), 0);
    let actions = story.wait(20);
    assert_eq!(starving(&actions), 1);
}

#[test]
fn an_arrival_is_cancelled_everywhere_else() {
    let mut story = Story::new();
    let (a, b) = (story.connected(), story.connected());
    let claim = story.want(1);
    story.told(a);
    story.told(b);
    assert_eq!(story.gives(a, 1), [claim]);
    assert_eq!(story.told(a), []);
    assert_eq!(story.told(b), [(Ask::Cancel, cid(1))]);
    assert_eq!(
        story.client.surplus(b, Some(id(1)), story.now),
        Surplus::Late
    );
}

#[test]
fn what_was_never_sent_is_not_cancelled() {
    let mut story = Story::new();
    let peer = story.connected();
    let claim = story.want(1);
    story.client.withdraw(claim);
    assert_eq!(story.told(peer), []);
    assert_eq!(story.client.take_actions(), [Action::Dropped(id(1))]);
}

#[test]
fn two_sessions_share_a_want_and_one_may_leave() {
    let mut story = Story::new();
    let peer = story.connected();
    let first = story.want_as(1, 1, Class::Replication, 0);
    let second = story.want_as(1, 2, Class::Playback, 0);
    assert_eq!(story.told(peer).len(), 1);
    story.client.withdraw(first);
    assert_eq!(story.told(peer), []);
    assert_eq!(story.gives(peer, 1), [second]);
}

#[test]
fn a_silent_peer_is_replaced_and_then_doubted() {
    let mut story = Story::new();
    let (silent, good) = (story.connected(), story.connected());
    story.client.add_peer(SessionId(1), silent, story.now);
    story.want(1);
    assert_eq!(story.told(silent), [(Ask::Block, cid(1))]);
    story.wait(3);
    assert_eq!(story.told(good), [(Ask::Have, cid(1))]);
    story.says(good, 1, true);
    assert_eq!(story.told(good), [(Ask::Block, cid(1))]);
    story.gives(good, 1);
    // The second time it is asked only when nobody else is left.
    story.client.add_peer(SessionId(2), silent, story.now);
    story.want_as(2, 2, Class::Playback, 0);
    let told = story.told(silent);
    assert_eq!(told.last(), Some(&(Ask::Block, cid(2))), "{told:?}");
    story.wait(3);
    story.says(good, 2, true);
    story.told(good);
    story.want_as(3, 2, Class::Playback, 0);
    assert_eq!(story.told(good), [(Ask::Block, cid(3))]);
    assert_eq!(story.told(silent), []);
}

#[test]
fn a_peer_that_sends_slowly_is_not_taken_for_silent() {
    let mut story = Story::new();
    let (slow, other) = (story.connected(), story.connected());
    story.client.add_peer(SessionId(1), slow, story.now);
    story.want(1);
    for _ in 0..8 {
        story.wait(1);
        story.client.heard(slow, story.now);
    }
    assert_eq!(story.told(other), []);
    assert_eq!(story.gives(slow, 1).len(), 1);
}

#[test]
fn a_liar_loses_what_was_on_order_from_it() {
    let mut story = Story::new();
    let (liar, good) = (story.connected(), story.connected());
    story.client.add_peer(SessionId(1), liar, story.now);
    for n in 0..10 {
        story.want(n);
    }
    assert_eq!(story.told(liar).len(), 10);
    assert_eq!(
        story.client.surplus(liar, Some(id(99)), story.now),
        Surplus::Lie
    );
    story.client.place(story.now);
    assert_eq!(story.told(good).len(), 10);
    let told = story.told(liar);
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|(ask, _)| *ask == Ask::Cancel));
    assert!(story.client.view(&liar).unwrap().score < 100);
}

#[test]
fn a_peer_that_dies_leaves_its_orders_to_others() {
    let mut story = Story::new();
    let (dying, other) = (story.connected(), story.connected());
    for peer in [dying, other] {
        story.client.add_peer(SessionId(1), peer, story.now);
    }
    for n in 0..8 {
        story.want(n);
    }
    let before = story.told(other).len();
    story.client.disconnected(dying);
    story.client.place(story.now);
    assert_eq!(before + story.told(other).len(), 8);
}

#[test]
fn what_is_urgent_is_ordered_first() {
    let mut story = Story::new();
    for n in 0..5 {
        story.want_as(n, 1, Class::Replication, n);
    }
    for n in [14, 12, 13] {
        story.want_as(n, 2, Class::Playback, n);
    }
    let peer = story.connected();
    story.client.place(story.now);
    let entries = story.client.take_entries(peer, 100);
    let order: Vec<Cid> = entries.iter().map(|entry| entry.cid).collect();
    let expected: Vec<Cid> = [12, 13, 14, 0, 1, 2, 3, 4].map(cid).to_vec();
    let blocks: Vec<Cid> = order.into_iter().take(8).collect();
    assert_eq!(blocks, expected);
    let priorities: Vec<i32> = entries.iter().map(|entry| entry.priority).collect();
    assert!(priorities.is_sorted_by(|a, b| a > b), "{priorities:?}");
}

#[test]
fn orders_are_spread_by_speed() {
    let mut story = Story::new();
    let (fast, slow) = (story.connected(), story.connected());
    for peer in [fast, slow] {
        story.client.add_peer(SessionId(1), peer, story.now);
    }
    for n in 0..900 {
        story.want(n);
    }
    let (mut given, mut queues) = ([0u64; 2], [Vec::new(), Vec::new()]);
    for step in 0..600u64 {
        story.now += Duration::from_millis(10);
        for (at, peer) in [fast, slow].into_iter().enumerate() {
            let told = story.told(peer);
            let blocks = told.into_iter().filter(|(ask, _)| *ask == Ask::Block);
            queues[at].extend(blocks.map(|(_, cid)| cid));
            let every = [1, 10][at];
            if step % every == 0 && !queues[at].is_empty() {
                let cid = queues[at].remove(0);
                let id = BlockId::of(&cid);
                story.client.arrived(Some(peer), id, 100_000, story.now);
                given[at] += 1;
            }
        }
        story.client.tick(story.now);
        story.client.place(story.now);
    }
    assert!(given[0] > 500 && given[1] > 40, "{given:?}");
}

#[test]
fn a_want_ends_when_nothing_moves() {
    let mut story = Story::new();
    let peer = story.connected();
    let claim = story.want(1);
    story.says(peer, 1, false);
    let actions = story.wait(PATIENCE.as_secs() + 2);
    let waited = actions.iter().find_map(|action| match action {
        Action::Expired { claim: c, waited } if *c == claim => Some(*waited),
        _ => None,
    });
    assert!(
        waited.is_some_and(|waited| waited >= PATIENCE),
        "{actions:?}"
    );
    assert_eq!(story.client.len(), 0);
}

#[test]
fn a_drip_of_bytes_does_not_hold_a_want_for_ever() {
    let mut story = Story::new();
    let peer = story.connected();
    story.want(1);
    for _ in 0..600 {
        story.client.heard(peer, story.now);
        if !story.wait(1).is_empty() {
            return;
        }
        story.told(peer);
    }
    panic!("still wanted after ten minutes");
}

#[test]
fn a_lost_message_is_repeated() {
    let mut story = Story::new();
    let peer = story.connected();
    story.want(1);
    assert_eq!(story.told(peer).len(), 1);
    story.wait(5);
    assert_eq!(story.told(peer), [(Ask::Block, cid(1))]);
}

#[test]
fn a_peer_that_connects_is_asked_what_is_missing() {
    let mut story = Story::new();
    story.want(1);
    assert_eq!(starving(&story.client.take_actions()), 1);
    let peer = story.connected();
    story.client.place(story.now);
    assert_eq!(story.told(peer), [(Ask::Block, cid(1))]);
}

#[test]
fn unasked_blocks_are_not_worth_hashing() {
    let mut story = Story::new();
    let peer = story.connected();
    assert!(!story.client.expects(peer, 1 << 20, story.now));
    for _ in 0..16 {
        story.client.expects(peer, 1 << 20, story.now);
    }
    assert!(story.client.view(&peer).unwrap().score < 100);
    let good = story.connected();
    story.client.add_peer(SessionId(1), good, story.now);
    story.want(1);
    assert!(story.client.expects(good, 1 << 20, story.now));
}

#[test]
fn too_many_wants_are_refused() {
    let mut story = Story::new();
    for n in 0..LIMITS.max_wants as u64 {
        story.want(n);
    }
    let new = NewClaim {
        claim: ClaimId(u64::MAX),
        session: SessionId(1),
        class: Class::Playback,
        cid: cid(0),
        order: 0,
        patience: PATIENCE,
    };
    assert_eq!(story.client.want(new, story.now), Err(TooMany));
}
