//! Newcomers that begin with a snapshot, and snapshots that are none.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidcast_announce::{Announcement, Draft, Op, Profile, Publisher, SigningKey, Snapshot};
use cidcast_catalog::{Patch, SnapshotState};
use cidcast_discovery::feeds::{FeedSettings, Mode, SnapshotFate};
use cidcast_discovery::wire::{Head, Heads, Request, Response, Since};
use cidcast_ipfs::requests::Inbound;
use cidcast_runtime::Shutdown;
use cidcast_store::{Audience, Holder};
use cidcast_types::{Cid, Timestamp, Visibility};
use multihash_codetable::{Code, MultihashDigest};

use crate::host::{DAY_ZERO, Host, LONG, eventually, swarm};

/// Announcements after which the tests' publishers make one.
const EVERY: u64 = 12;

fn frugal(mode: Mode) -> FeedSettings {
    FeedSettings {
        mode,
        snapshot_every: EVERY,
        history: 0,
        ..FeedSettings::default()
    }
}

async fn name(host: &Host, name: String) {
    let profile = Profile {
        name,
        ..Profile::default()
    };
    host.feeds().set_profile(profile).await.unwrap();
}

/// Everything that a feed adds up to.
async fn state(host: &Host, publisher: &Publisher) -> Vec<cidcast_announce::StateEntry> {
    let state = host.catalog.feed_state(publisher).await.unwrap();
    let mut state = state.unwrap();
    let mut all = Vec::new();
    loop {
        let entries = state.next().await.unwrap();
        if entries.is_empty() {
            return all;
        }
        all.extend(entries);
    }
}

/// Waits until the newest snapshot is here; its number.
async fn holds(host: &Host, publisher: &Publisher) -> u64 {
    eventually("a snapshot that is held", async || {
        let known = host.catalog.known_snapshot(publisher).await.unwrap()?;
        (known.state == SnapshotState::Held).then_some(known.seq)
    })
    .await
}

async fn first_kept(host: &Host, publisher: &Publisher) -> u64 {
    let kept = host.catalog.kept_announcements(publisher, 0, 1).await;
    kept.unwrap()[0].seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_is_whole_by_a_snapshot_when_origin_and_history_are_gone() {
    let one = Host::set_up(frugal(Mode::Follows)).await;
    let two = Host::set_up(frugal(Mode::Open)).await;
    two.meet(&one).await;
    let publisher = one.publisher();
    one.make_public(1, "Kept").await;
    let gone = one.make_public(2, "Gone").await;
    eventually("both", async || {
        (one.titles().await.len() == 2).then_some(())
    })
    .await;
    let private = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    one.edit(&gone, private).await;
    eventually("the retraction", async || {
        (one.titles().await == ["Kept"]).then_some(())
    })
    .await;
    for n in 0..EVERY {
        name(&one, format!("Name {n}")).await;
    }
    let seq = holds(&one, &publisher).await;
    name(&one, "Afterwards".to_owned()).await;
    assert_eq!(one.feeds().metrics().snapshots(SnapshotFate::Made), 1);
    assert_eq!(
        first_kept(&one, &publisher).await,
        0,
        "the own history stays"
    );
    let told = one.feed(&publisher).await.unwrap();
    two.has(&publisher, told.have).await;
    assert_eq!(holds(&two, &publisher).await, seq);
    eventually("history goes", async || {
        (first_kept(&two, &publisher).await == seq).then_some(())
    })
    .await;
    let whole = state(&two, &publisher).await;
    let head = two.feed(&publisher).await.unwrap().head;
    one.stop().await;

    let three = Host::new(Mode::Open).await;
    three.meet(&two).await;
    let feed = three.has(&publisher, told.have).await;
    assert_eq!(
        (feed.head, feed.profile.name.as_str()),
        (head, "Afterwards")
    );
    assert_eq!(three.titles().await, ["Kept"]);
    assert_eq!(state(&three, &publisher).await, whole);
    assert_eq!(three.feeds().metrics().snapshots(SnapshotFate::Loaded), 1);
    two.stop().await;

    // And it hands on what it began with.
    let four = Host::new(Mode::Open).await;
    four.meet(&three).await;
    four.has(&publisher, told.have).await;
    assert_eq!(state(&four, &publisher).await, whole);
    for host in [three, four] {
        host.stop().await;
    }
}

/// Three announcements, the last of which names a snapshot of the first two.
struct Story {
    announcements: Vec<Announcement>,
}

impl Story {
    fn of(n: u8, segments: &[Cid]) -> Self {
        let key = SigningKey::from_seed([n; 32]);
        let mut announcements: Vec<Announcement> = Vec::new();
        for seq in 0..3 {
            let last = announcements.last();
            let op = match (seq, last) {
                (2, Some(last)) => Op::Snapshot(Snapshot {
                    seq: 1,
                    head: last.cid(),
                    segments: segments.to_vec(),
                }),
                _ => Op::Profile(Profile {
                    name: format!("Name {seq}"),
                    ..Profile::default()
                }),
            };
            let draft = Draft {
                seq,
                prev: last.map(Announcement::cid),
                at: Timestamp::from_millis(DAY_ZERO),
                ops: vec![op],
            };
            announcements.push(Announcement::sign(&key, draft).unwrap());
        }
        Self { announcements }
    }

    fn publisher(&self) -> Publisher {
        self.announcements[0].publisher()
    }

    fn since(&self, from: u64) -> Since {
        let from = usize::try_from(from).unwrap();
        let rest = self.announcements.iter().skip(from);
        Since {
            announcements: rest.map(|one| one.bytes().clone()).collect(),
            newest: None,
            snapshot: (from < 2).then(|| self.announcements[2].bytes().clone()),
        }
    }
}

fn head(publisher: &Publisher) -> Head {
    Head {
        publisher: *publisher,
        count: 3,
        newest: None,
    }
}

/// Answers as a node would that has all of the stories.
async fn tell(stories: BTreeMap<Publisher, Story>, mut inbound: Inbound) {
    while let Some(request) = inbound.next().await {
        let answer = match Request::decode(&request.bytes).unwrap() {
            Request::Heads { .. } => Response::Heads(Heads {
                heads: stories.keys().map(head).collect(),
                ..Heads::default()
            }),
            Request::Since {
                publisher, from, ..
            } => Response::Since(stories[&publisher].since(from)),
            _ => continue,
        };
        let _ = request.reply.send(answer.encode().unwrap());
    }
}

fn nowhere(n: u64) -> Cid {
    Cid::new_v1(0x71, Code::Sha2_256.digest(&n.to_be_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_missing_wrong_or_too_large_is_passed_over_for_the_history() {
    let host = Host::new(Mode::Open).await;
    // Its own exchange gives one block that is no segment.
    let giver = Host::new(Mode::Off).await;
    let data = Bytes::from_static(b"\x65wrong");
    let wrong = Cid::new_v1(0x71, Code::Sha2_256.digest(&data));
    let guard = giver.store.in_flight();
    giver.store.put(&wrong, &data, &guard).unwrap();
    let holder: Holder = "test/wrong".parse().unwrap();
    giver
        .store
        .pin_blocks(&holder, &[wrong], Audience::Anyone)
        .unwrap();
    host.meet(&giver).await;

    let stories = [
        Story::of(61, &[wrong]),
        Story::of(62, &[nowhere(1), nowhere(2)]),
        Story::of(63, &(0..1024).map(nowhere).collect::<Vec<_>>()),
        Story::of(64, &[]),
    ];
    let stories = stories.map(|story| (story.publisher(), story));
    let stories = BTreeMap::from(stories);
    let publishers: Vec<Publisher> = stories.keys().copied().collect();
    let folder = tempfile::tempdir().unwrap();
    let liar = swarm(folder.path(), &Shutdown::new()).await;
    let inbound = liar.handle().requests().serve().unwrap();
    let telling = tokio::spawn(tell(stories, inbound));
    let address = host.swarm.listen_addresses().await.remove(0);
    liar.connect(&address, LONG).await.unwrap();
    for publisher in &publishers {
        let feed = host.has(publisher, 3).await;
        assert_eq!(feed.profile.name, "Name 1");
        let held = host.catalog.held_snapshot(publisher).await.unwrap();
        assert_eq!(held, None);
    }
    let metrics = host.feeds().metrics();
    assert_eq!(metrics.snapshots(SnapshotFate::Loaded), 0);
    assert!(metrics.snapshots(SnapshotFate::Refused) >= 4);
    assert!(!host.store.has(&wrong).unwrap() || host.store.audience(&wrong).unwrap().is_none());
    telling.abort();
    host.stop().await;
    giver.stop().await;
}
