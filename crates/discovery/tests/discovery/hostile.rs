//! A peer that says what no honest one would. None of it moves a feed.

use bytes::Bytes;
use cidcast_announce::{Announcement, Draft, Op, Profile, SigningKey};
use cidcast_discovery::feeds::{Mode, Outcome};
use cidcast_discovery::wire::{Head, Heads, Request, Response, Since};
use cidcast_ipfs::gossip::{MAX_BYTES, Topic};
use cidcast_ipfs::swarm::Swarm;
use cidcast_runtime::Shutdown;
use cidcast_types::Timestamp;
use tempfile::TempDir;

use crate::host::{DAY, DAY_ZERO, Host, LONG, eventually, swarm};

const TOPIC: &str = "/cidcast/announce/1";

/// A swarm that speaks by hand.
struct Peer {
    _swarm: Swarm,
    topic: Topic,
    _messages: cidcast_ipfs::gossip::Messages,
    _folder: TempDir,
}

impl Peer {
    async fn of(host: &Host) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let swarm = swarm(folder.path(), &Shutdown::new()).await;
        let joined = swarm.handle().gossip().join(TOPIC, MAX_BYTES).await;
        let (topic, messages) = joined.unwrap();
        let address = host.swarm.listen_addresses().await.remove(0);
        swarm.connect(&address, LONG).await.unwrap();
        let peer = Self {
            _swarm: swarm,
            topic,
            _messages: messages,
            _folder: folder,
        };
        eventually("a listener", async || {
            (!peer.topic.subscribers().await.is_empty()).then_some(())
        })
        .await;
        peer
    }

    async fn say(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        eventually("said", async || {
            self.topic.publish(bytes.clone()).await.ok()
        })
        .await;
    }
}

fn named(key: &SigningKey, seq: u64, prev: Option<&Announcement>, name: &str) -> Announcement {
    dated(key, seq, prev, name, DAY_ZERO)
}

fn dated(
    key: &SigningKey,
    seq: u64,
    prev: Option<&Announcement>,
    name: &str,
    at: u64,
) -> Announcement {
    let profile = Profile {
        name: name.to_owned(),
        ..Profile::default()
    };
    let draft = Draft {
        seq,
        prev: prev.map(Announcement::cid),
        at: Timestamp::from_millis(at),
        ops: vec![Op::Profile(profile)],
    };
    Announcement::sign(key, draft).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_announcements_are_counted_and_change_nothing() {
    let host = Host::new(Mode::Open).await;
    let peer = Peer::of(&host).await;
    let key = SigningKey::from_seed([42; 32]);
    let publisher = key.publisher();
    let zero = named(&key, 0, None, "Zero");
    let one = named(&key, 1, Some(&zero), "One");
    for announcement in [&zero, &one] {
        peer.say(announcement.bytes().clone()).await;
        host.has(&publisher, announcement.seq() + 1).await;
    }
    let state = host.feed(&publisher).await.unwrap();

    let mut unsigned = one.bytes().to_vec();
    unsigned[20] ^= 1;
    peer.say(unsigned).await;
    host.counts(Outcome::Forged, 1).await;

    peer.say(vec![0xa1; 70 << 10]).await;
    host.counts(Outcome::Oversized, 1).await;

    peer.say(&b"not an announcement"[..]).await;
    host.counts(Outcome::Unreadable, 1).await;

    // Gossip itself hears the same bytes once: another peer says them.
    let other = Peer::of(&host).await;
    let later = named(&key, 3, Some(&named(&key, 2, Some(&one), "Two")), "Three");
    other.say(later.bytes().clone()).await;
    host.counts(Outcome::Reordered, 1).await;

    let conflicting = named(&key, 1, Some(&zero), "Another one");
    other.say(conflicting.bytes().clone()).await;
    host.counts(Outcome::Conflicting, 1).await;

    let tomorrow = DAY_ZERO + 2 * u64::try_from(DAY.as_millis()).unwrap();
    let future = dated(&key, 2, Some(&one), "Two", tomorrow);
    other.say(future.bytes().clone()).await;
    host.counts(Outcome::FutureDated, 1).await;

    let now = host.feed(&publisher).await.unwrap();
    assert_eq!(
        (now.have, now.head, now.profile),
        (state.have, state.head, state.profile)
    );
    assert!(now.forked_at.is_some(), "the conflict is evidence");
    assert_eq!(
        now.known, 4,
        "that there are more is known, and not taken on trust"
    );
    assert_eq!(host.count(Outcome::Applied), 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_heard_before_is_counted_and_changes_nothing() {
    let host = Host::new(Mode::Open).await;
    let key = SigningKey::from_seed([43; 32]);
    let zero = named(&key, 0, None, "Zero");
    let one = named(&key, 1, Some(&zero), "One");
    let peer = Peer::of(&host).await;
    peer.say(zero.bytes().clone()).await;
    peer.say(one.bytes().clone()).await;
    host.has(&key.publisher(), 2).await;
    // Gossip hears the same bytes once a minute: they come another way.
    let offer = async |announcement: &Announcement| {
        let offered = host.feeds().offer(announcement.bytes()).await;
        offered.unwrap()
    };
    assert_eq!(offer(&one).await, Outcome::Duplicate);
    assert_eq!(offer(&zero).await, Outcome::Delayed);
    host.clock.advance(DAY);
    assert_eq!(offer(&zero).await, Outcome::Replayed);
    for outcome in [Outcome::Duplicate, Outcome::Delayed, Outcome::Replayed] {
        assert_eq!(host.count(outcome), 1);
    }
    assert_eq!(host.feed(&key.publisher()).await.unwrap().have, 2);
    assert_eq!(host.count(Outcome::Applied), 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_promises_and_does_not_deliver_is_seen_through() {
    let host = Host::new(Mode::Open).await;
    let key = SigningKey::from_seed([44; 32]);
    let publisher = key.publisher();
    let folder = tempfile::tempdir().unwrap();
    let liar = swarm(folder.path(), &Shutdown::new()).await;
    let mut inbound = liar.handle().requests().serve().unwrap();
    let zero = named(&key, 0, None, "Zero");
    let answers = tokio::spawn(async move {
        let mut asked = 0;
        while let Some(request) = inbound.next().await {
            let answer = match Request::decode(&request.bytes).unwrap() {
                Request::Heads { .. } => Response::Heads(Heads {
                    heads: vec![Head {
                        publisher,
                        count: 1 << 40,
                        newest: None,
                    }],
                    ..Heads::default()
                }),
                Request::Since { from, .. } => {
                    asked += 1;
                    let mut forged = zero.bytes().to_vec();
                    forged[20] ^= 1;
                    Response::Since(Since {
                        announcements: match from {
                            0 => vec![Bytes::from(forged)],
                            _ => Vec::new(),
                        },
                        ..Since::default()
                    })
                }
                _ => continue,
            };
            request.reply.send(answer.encode().unwrap()).unwrap();
            if asked == 2 {
                return;
            }
        }
    });
    let address = host.swarm.listen_addresses().await.remove(0);
    liar.connect(&address, LONG).await.unwrap();
    host.counts(Outcome::Forged, 1).await;
    assert_eq!(host.feed(&publisher).await, None, "not even a row");
    // It is asked again, once its wait is over, which begins some time after the count.
    eventually("it is asked again", async || {
        host.clock.advance(std::time::Duration::from_secs(11));
        (host.count(Outcome::Forged) >= 2).then_some(())
    })
    .await;
    answers.await.unwrap();
    assert_eq!(host.count(Outcome::Applied), 0);
    host.stop().await;
}

/// As many announcements with one name as asked for.
fn branch(key: &SigningKey, name: &str, count: u64) -> Vec<Announcement> {
    let mut all: Vec<Announcement> = Vec::new();
    for seq in 0..count {
        all.push(named(key, seq, all.last(), name));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_of_any_length_are_found_as_soon_as_two_nodes_meet() {
    let (here, there) = (Host::new(Mode::Open).await, Host::new(Mode::Open).await);
    let keys: Vec<_> = (0..20)
        .map(|n| SigningKey::from_seed([100 + n; 32]))
        .collect();
    for (key, n) in keys.iter().zip(0..) {
        // Longer here, longer there, of one length.
        let counts = [(3, 1), (1, 3), (2, 2)][n % 3_usize];
        for (host, name, count) in [(&here, "Here", counts.0), (&there, "There", counts.1)] {
            let all = branch(key, name, count);
            for announcement in all {
                let taken = host.feeds().offer(announcement.bytes()).await.unwrap();
                assert_eq!(taken, Outcome::Applied);
            }
        }
    }
    here.meet(&there).await;
    for host in [&here, &there] {
        for key in &keys {
            let publisher = key.publisher();
            eventually("evidence", async || host.feed(&publisher).await?.forked_at).await;
            let forks = host.catalog.forks(&publisher).await.unwrap();
            assert!(!forks.is_empty(), "and it is kept");
        }
    }
    for host in [here, there] {
        host.stop().await;
    }
}
