//! Snapshots: what a feed that begins with one is, what is held, and what goes for it.

use cidcast_announce::{
    Announcement, Op, Profile, SegmentBlock, SegmentWriter, SigningKey, Snapshot, SnapshotReader,
    StateEntry,
};
use cidcast_catalog::{
    Catalog, FeedLimits, Holding, Loading, NoState, Quota, Recorded, SnapshotState,
};
use cidcast_types::Cid;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::feeds::{ROOMY, chain, key, publish, record, retract};
use crate::given::{at, catalog};

#[derive(Debug, Clone, Copy)]
enum Act {
    Publish { asset: u64, name: u8 },
    Retract { asset: u64 },
    Profile { name: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u64..6, any::<u8>()).prop_map(|(asset, name)| Act::Publish { asset, name }),
        2 => (0u64..6).prop_map(|asset| Act::Retract { asset }),
        1 => any::<u8>().prop_map(|name| Act::Profile { name }),
    ]
}

fn op(act: &Act) -> Op {
    match *act {
        Act::Publish { asset, name } => publish(asset, &format!("Title {name}")),
        Act::Retract { asset } => retract(asset),
        Act::Profile { name } => profile(&format!("Name {name}")),
    }
}

fn profile(name: &str) -> Op {
    Op::Profile(Profile {
        name: name.to_owned(),
        ..Profile::default()
    })
}

async fn state(catalog: &Catalog, key: &SigningKey) -> Vec<StateEntry> {
    let state = catalog.feed_state(&key.publisher()).await.unwrap();
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

/// What is here of a feed, as segments.
async fn segments(catalog: &Catalog, key: &SigningKey) -> Vec<SegmentBlock> {
    let mut writer = SegmentWriter::new(key.publisher());
    let mut blocks = Vec::new();
    for entry in state(catalog, key).await {
        blocks.extend(writer.push(&entry).unwrap());
    }
    blocks.extend(writer.finish().unwrap());
    blocks
}

fn snapshot(last: &Announcement, blocks: &[SegmentBlock]) -> Snapshot {
    Snapshot {
        seq: last.seq(),
        head: last.cid(),
        segments: blocks.iter().map(|block| block.cid).collect(),
    }
}

fn size(blocks: &[SegmentBlock]) -> u64 {
    blocks.iter().map(|block| block.bytes.len() as u64).sum()
}

/// Loads what `named_by`, which comes somewhat later, says.
async fn load(
    catalog: &Catalog,
    named_by: &Announcement,
    snapshot: &Snapshot,
    blocks: &[SegmentBlock],
) -> u64 {
    let begun = catalog
        .load_snapshot(named_by, snapshot, size(blocks), &ROOMY, at(9_000))
        .await;
    let Loading::Begun(mut load) = begun.unwrap() else {
        panic!("there is room, and nothing is here");
    };
    let mut reader = SnapshotReader::new(named_by.publisher(), snapshot);
    for block in blocks {
        let entries = reader.read(&block.bytes).unwrap();
        load.add(&entries).await.unwrap();
    }
    load.finish().await.unwrap()
}

async fn snapshot_and_rest_are_the_whole(batches: Vec<Vec<Act>>, cut: Index, little: Index) {
    let (own, rest) = (key(1), cut.index(batches.len()) + 1);
    let mut ops: Vec<Vec<Op>> = batches
        .iter()
        .map(|acts| acts.iter().map(op).collect())
        .collect();
    // First the history up to there, to know what the snapshot says.
    let before = chain(&own, ops[..rest].to_vec());
    let whole = catalog().await;
    record(&whole, &before).await;
    let blocks = segments(&whole, &own).await;
    let snapshot = snapshot(before.last().unwrap(), &blocks);
    ops.insert(rest, vec![Op::Snapshot(snapshot.clone())]);
    let all = chain(&own, ops);
    let recorded = record(&whole, &all[rest..]).await;
    assert!(
        recorded
            .iter()
            .all(|one| matches!(one, Recorded::Applied(_)))
    );

    // Nothing, or some of it, is there before.
    let other = catalog().await;
    record(&other, &all[..little.index(rest)]).await;
    let have = load(&other, &all[rest], &snapshot, &blocks).await;
    assert_eq!(have, snapshot.seq + 1);
    let recorded = record(&other, &all[rest..]).await;
    assert!(
        recorded
            .iter()
            .all(|one| matches!(one, Recorded::Applied(_)))
    );

    assert_eq!(state(&other, &own).await, state(&whole, &own).await);
    let feed = |feed: Option<cidcast_catalog::Feed>| {
        let feed = feed.unwrap();
        (feed.have, feed.known, feed.head, feed.assets, feed.profile)
    };
    let publisher = own.publisher();
    assert_eq!(
        feed(other.feed(&publisher).await.unwrap()),
        feed(whole.feed(&publisher).await.unwrap())
    );
    let known = other.known_snapshot(&publisher).await.unwrap().unwrap();
    assert_eq!(known.state, SnapshotState::Held);
    assert_eq!(known.cid, all[rest].cid());
    let named = whole.known_snapshot(&publisher).await.unwrap().unwrap();
    assert_eq!(named.state, SnapshotState::Named);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_snapshot_and_the_rest_are_the_whole_history(
        batches in prop::collection::vec(prop::collection::vec(act(), 1..4), 1..8),
        cut in any::<Index>(),
        little in any::<Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(snapshot_and_rest_are_the_whole(batches, cut, little));
    }
}

#[tokio::test]
async fn a_state_of_many_pages_is_read_in_the_order_of_a_snapshot() {
    let catalog = catalog().await;
    // More than two pages of each kind, mixed, and one kind ends long before the other.
    let batches = (0..30u64).map(|batch| {
        let assets = batch * 100..(batch + 1) * 100;
        let act = |n| match n % 2 == 0 && n < 2_200 {
            true => retract(n),
            false => publish(n, "Title"),
        };
        assets.map(act).collect()
    });
    record(&catalog, &chain(&key(1), batches.collect())).await;
    let entries = state(&catalog, &key(1)).await;
    assert_eq!(entries.len(), 3_000);
    let assets: Vec<_> = entries.iter().map(|entry| entry.op.asset()).collect();
    assert!(assets.is_sorted());
    let blocks = segments(&catalog, &key(1)).await;
    assert!(blocks.len() > 1 || size(&blocks) < 1 << 20);
}

#[tokio::test]
async fn who_has_the_history_does_not_take_a_snapshot_for_it() {
    let (other, whole) = (catalog().await, catalog().await);
    let own = key(1);
    let ops = vec![vec![publish(1, "One")], vec![publish(2, "Two")]];
    let before = chain(&own, ops.clone());
    record(&whole, &before).await;
    let blocks = segments(&whole, &own).await;
    let snapshot = snapshot(&before[1], &blocks);
    let all = chain(
        &own,
        [ops, vec![vec![Op::Snapshot(snapshot.clone())]]].concat(),
    );
    let begun = whole
        .load_snapshot(&all[2], &snapshot, 1, &ROOMY, at(9_000))
        .await;
    assert!(matches!(begun.unwrap(), Loading::Here { have: 2 }));
    // Begun and not finished: as if it had not been.
    let begun = other
        .load_snapshot(&all[2], &snapshot, 1, &ROOMY, at(9_000))
        .await;
    assert!(matches!(begun.unwrap(), Loading::Begun(_)));
    assert_eq!(other.feed(&own.publisher()).await.unwrap(), None);
    let tight = FeedLimits {
        publisher_bytes: size(&blocks) - 1,
        ..ROOMY
    };
    let begun = other
        .load_snapshot(&all[2], &snapshot, size(&blocks), &tight, at(9_000))
        .await;
    assert!(matches!(
        begun.unwrap(),
        Loading::OverQuota(Quota::Publisher)
    ));
}

fn named(n: u8) -> Snapshot {
    let mut bytes = vec![0x01, 0x71, 0x12, 0x20];
    bytes.extend([n; 32]);
    let cid = Cid::try_from(bytes).unwrap();
    Snapshot {
        seq: 0,
        head: cid,
        segments: vec![cid],
    }
}

#[tokio::test]
async fn a_snapshot_is_held_until_a_newer_one_is() {
    let catalog = catalog().await;
    let (first, second) = (named(1), Snapshot { seq: 1, ..named(2) });
    let ops = vec![
        vec![profile("Somebody")],
        vec![Op::Snapshot(first.clone())],
        vec![Op::Snapshot(second.clone())],
    ];
    let all = chain(&key(1), ops);
    let publisher = key(1).publisher();
    record(&catalog, &all[..2]).await;
    let bytes = catalog.feed_usage().await.unwrap().bytes;
    assert_eq!(
        catalog.snapshots_to_hold(None, 9).await.unwrap(),
        [publisher]
    );
    let hold = |n: usize, limits| {
        let (catalog, cid) = (catalog.clone(), all[n].cid());
        async move {
            catalog
                .hold_snapshot(&publisher, &cid, 50, &limits)
                .await
                .unwrap()
        }
    };
    let tight = FeedLimits {
        publisher_bytes: bytes + 49,
        ..ROOMY
    };
    assert_eq!(hold(1, tight).await, Holding::OverQuota(Quota::Publisher));
    assert_eq!(hold(1, ROOMY).await, Holding::Held);
    assert_eq!(catalog.feed_usage().await.unwrap().bytes, bytes + 50);
    assert_eq!(catalog.snapshots_to_hold(None, 9).await.unwrap(), []);

    record(&catalog, &all[2..]).await;
    let known = catalog.known_snapshot(&publisher).await.unwrap().unwrap();
    assert_eq!((known.seq, known.state), (1, SnapshotState::Named));
    let held = catalog.held_snapshot(&publisher).await.unwrap().unwrap();
    assert_eq!((held.seq, held.segments), (0, first.segments.clone()));
    let needed = catalog.needed_blocks(&publisher).await.unwrap();
    assert_eq!((needed.announcements.len(), needed.segments.len()), (3, 2));
    assert_eq!(hold(1, ROOMY).await, Holding::Superseded);
    assert_eq!(hold(2, ROOMY).await, Holding::Held);
    let needed = catalog.needed_blocks(&publisher).await.unwrap();
    assert!(needed.segments.iter().eq(&second.segments));

    assert_eq!(catalog.prunable(1 << 20, None).await.unwrap(), []);
    assert_eq!(catalog.prunable(0, None).await.unwrap(), [(publisher, 1)]);
    let other = key(2).publisher();
    assert_eq!(catalog.prunable(0, Some(&other)).await.unwrap(), []);
}

#[tokio::test]
async fn what_a_snapshot_saves_is_what_came_after_the_last_one_and_that() {
    let catalog = catalog().await;
    let publisher = key(1).publisher();
    let ops = vec![
        vec![profile("Somebody")],
        vec![Op::Snapshot(named(1))],
        vec![publish(1, "One")],
    ];
    let all = chain(&key(1), ops);
    let bytes = |n: usize| all[n].bytes().len() as u64;
    let none = catalog.snapshot_gain(&publisher).await.unwrap();
    assert_eq!((none.announcements, none.bytes), (0, 0));
    record(&catalog, &all[..1]).await;
    let first = catalog.snapshot_gain(&publisher).await.unwrap();
    assert_eq!((first.announcements, first.bytes), (1, bytes(0)));
    record(&catalog, &all[1..]).await;
    let cid = all[1].cid();
    let held = catalog.hold_snapshot(&publisher, &cid, 70, &ROOMY).await;
    assert_eq!(held.unwrap(), Holding::Held);
    let second = catalog.snapshot_gain(&publisher).await.unwrap();
    assert_eq!(second.announcements, 2);
    assert_eq!(second.bytes, 70 + bytes(1) + bytes(2));
}

#[tokio::test]
async fn a_profile_whose_announcement_is_not_known_has_to_be_announced_again() {
    let catalog = catalog().await;
    let publisher = key(1).publisher();
    let empty = catalog.feed_state(&publisher).await.unwrap();
    assert_eq!(empty.err(), Some(NoState::Empty));
    let all = chain(&key(1), vec![vec![profile("Somebody")]]);
    record(&catalog, &all).await;
    let entries = state(&catalog, &key(1)).await;
    assert_eq!(
        (entries.len(), entries[0].seq, entries[0].at),
        (1, 0, all[0].at())
    );
}
