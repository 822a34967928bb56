//! Feeds: recorded in order, found and listed, forgotten.

use std::time::Duration;

use cidcast_announce::{
    Announcement, Draft, Op, Profile, Publish, Publisher, Replication, Retract, SigningKey,
    ViewSharing,
};
use cidcast_catalog::{
    AnnouncedQuery, Catalog, Evidence, FeedChange, FeedHead, FeedLimits, Interest, Listing, OwnKey,
    Patch, Quota, Recorded, SyncNote,
};
use cidcast_types::{Cid, RootCid, Visibility};

use crate::given::{asset, asset_id, at, catalog};

pub(crate) const ROOMY: FeedLimits = FeedLimits {
    publisher_bytes: 1 << 20,
    total_bytes: 1 << 30,
    publishers: 100,
};

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

pub(crate) fn package(n: u64) -> RootCid {
    let mut bytes = vec![0x01, 0x70, 0x12, 0x20];
    bytes.extend([7; 24]);
    bytes.extend(n.to_be_bytes());
    RootCid::new(Cid::try_from(bytes).unwrap())
}

pub(crate) fn publish(n: u64, title: &str) -> Op {
    Op::Publish(Box::new(Publish {
        asset: asset_id(n),
        root: package(n),
        title: title.to_owned(),
        description: "Two\nlines".to_owned(),
        tags: vec!["Zürich".to_owned(), "हिन्दी".to_owned()],
        created_at: at(n),
        duration_ms: 5,
        bytes: 6,
        renditions: vec![],
        poster: Some("poster.jpg".to_owned()),
        language: Some("de".to_owned()),
        replication: Replication { min: 1, max: 3 },
        views: ViewSharing::Share,
    }))
}

pub(crate) fn retract(n: u64) -> Op {
    let (asset, reason) = (asset_id(n), "gone".to_owned());
    Op::Retract(Retract { asset, reason })
}

/// Announcements that follow each other, one for each list of operations.
pub(crate) fn chain(key: &SigningKey, all: Vec<Vec<Op>>) -> Vec<Announcement> {
    let mut prev = None;
    let sign = |(seq, ops)| {
        let seq = seq as u64;
        let at = at(1_000 + seq);
        let draft = Draft { seq, prev, at, ops };
        let announcement = Announcement::sign(key, draft).unwrap();
        prev = Some(announcement.cid());
        announcement
    };
    all.into_iter().enumerate().map(sign).collect()
}

pub(crate) async fn record(catalog: &Catalog, all: &[Announcement]) -> Vec<Recorded> {
    catalog.record(all, &ROOMY, at(2_000)).await.unwrap()
}

fn applied(all: &[Recorded]) -> bool {
    all.iter().all(|one| matches!(one, Recorded::Applied(_)))
}

async fn found(catalog: &Catalog, words: &str) -> Vec<String> {
    let query = AnnouncedQuery {
        search: Some(words.to_owned()),
        ..AnnouncedQuery::default()
    };
    let page = catalog.announced(&query).await.unwrap();
    page.items
        .into_iter()
        .map(|item| item.content.title)
        .collect()
}

#[tokio::test]
async fn what_was_announced_is_listed_and_found() {
    let catalog = catalog().await;
    let key = key(1);
    let profile = Profile {
        name: "Somebody".to_owned(),
        nodes: vec!["/ip4/192.0.2.1/tcp/1/p2p/x".to_owned()],
        ..Profile::default()
    };
    let ops = vec![publish(1, "Mountains at dawn"), publish(2, "Harbour")];
    let all = chain(&key, vec![vec![Op::Profile(profile.clone())], ops]);
    let recorded = record(&catalog, &all).await;
    assert_eq!(recorded[0], Recorded::Applied(vec![FeedChange::Profiled]));
    assert!(applied(&recorded));

    let feed = catalog.feed(&key.publisher()).await.unwrap().unwrap();
    assert_eq!((feed.have, feed.known, feed.assets), (2, 2, 2));
    assert_eq!((feed.head, feed.profile), (Some(all[1].cid()), profile));
    let page = catalog.announced(&AnnouncedQuery::default()).await.unwrap();
    let newest = &page.items[0];
    assert_eq!(
        Op::Publish(Box::new(newest.content.clone())),
        all[1].ops()[1]
    );
    assert_eq!(
        (newest.publisher_name.as_str(), newest.seq),
        ("Somebody", 1)
    );
    for words in [
        "mountains",
        "MOUNT",
        "dawn zurich",
        "हिन्दी moun",
        "zürich dawn",
    ] {
        assert_eq!(
            found(&catalog, words).await,
            ["Mountains at dawn"],
            "{words}"
        );
    }
    assert_eq!(found(&catalog, "two lines").await.len(), 2);
    assert_eq!(
        found(&catalog, "mo").await,
        [""; 0],
        "too short a beginning"
    );
    for odd in ["\"", "a* OR b", "ⓐ🄰", "ก็ ซ้ำ", "x\u{94d}y"] {
        found(&catalog, odd).await;
    }
    let by_root = catalog.announced_by_root(&package(2)).await.unwrap();
    assert_eq!(by_root.len(), 1);
    assert_eq!(
        catalog.announced_by_id(&asset_id(2)).await.unwrap(),
        by_root
    );
}

#[tokio::test]
async fn pages_neither_repeat_nor_hide() {
    let catalog = catalog().await;
    let ops = (0..25).map(|n| publish(n, "Same")).collect();
    record(&catalog, &chain(&key(1), vec![ops])).await;
    record(&catalog, &chain(&key(2), vec![vec![publish(90, "Same")]])).await;
    for search in [None, Some("same".to_owned())] {
        let mut query = AnnouncedQuery {
            search,
            publisher: Some(key(1).publisher()),
            limit: 10,
            cursor: None,
        };
        let mut seen = Vec::new();
        loop {
            let page = catalog.announced(&query).await.unwrap();
            seen.extend(page.items.into_iter().map(|item| item.content.asset));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        let wanted: Vec<_> = (0..25).rev().map(asset_id).collect();
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn a_feed_moves_in_order_only() {
    let catalog = catalog().await;
    let titles = ["One", "Two", "Three", "Four"];
    let ops = titles.iter().zip(1..).map(|(t, n)| vec![publish(n, t)]);
    let all = chain(&key(1), ops.collect());
    assert_eq!(
        record(&catalog, &all[2..3]).await,
        [Recorded::Gap { have: 0 }]
    );
    let feed = catalog.feed(&key(1).publisher()).await.unwrap().unwrap();
    assert_eq!(
        (feed.have, feed.known),
        (0, 3),
        "that there are more is known"
    );
    assert_eq!(catalog.feeds_behind(9).await.unwrap(), [feed]);

    assert!(applied(&record(&catalog, &all[..3]).await));
    assert_eq!(record(&catalog, &all[2..3]).await, [Recorded::Duplicate]);
    assert_eq!(record(&catalog, &all[..1]).await, [Recorded::Superseded]);
    let heads = catalog.feed_heads(None, 9).await.unwrap();
    let head = FeedHead {
        publisher: key(1).publisher(),
        have: 3,
        head: all[2].cid(),
    };
    assert_eq!(heads, [head]);

    // Another one with number 2, and what would follow it.
    let mut ops: Vec<_> = all[..2].iter().map(|one| one.ops().to_vec()).collect();
    ops.extend([vec![publish(9, "Other")], vec![publish(10, "Next")]]);
    let other = chain(&key(1), ops);
    let recorded = all[2].cid();
    assert_eq!(
        record(&catalog, &other[2..3]).await,
        [Recorded::Conflict { recorded }]
    );
    assert_eq!(
        record(&catalog, &other[3..]).await,
        [Recorded::Detached { have: 3 }]
    );
    assert_eq!(found(&catalog, "other").await.len(), 0);
    assert!(
        applied(&record(&catalog, &all[3..]).await),
        "the branch that came first goes on"
    );
}

#[tokio::test]
async fn what_claims_to_be_from_the_future_waits() {
    let catalog = catalog().await;
    let all = chain(&key(1), vec![vec![publish(1, "Tomorrow")]]);
    let long_ago = catalog.record(&all, &ROOMY, at(0)).await.unwrap();
    assert!(applied(&long_ago), "a second ahead is an honest clock");
    let late = Draft {
        seq: 0,
        prev: None,
        at: at(0).after(Duration::from_secs(25 * 3600)),
        ops: vec![publish(1, "Tomorrow")],
    };
    let late = [Announcement::sign(&key(2), late).unwrap()];
    assert_eq!(
        catalog.record(&late, &ROOMY, at(0)).await.unwrap(),
        [Recorded::Future]
    );
    assert_eq!(catalog.feed(&key(2).publisher()).await.unwrap(), None);
    let next_day = at(0).after(Duration::from_secs(2 * 3600));
    assert!(applied(
        &catalog.record(&late, &ROOMY, next_day).await.unwrap()
    ));
}

#[tokio::test]
async fn a_retraction_is_a_tombstone_until_the_asset_is_announced_again() {
    let catalog = catalog().await;
    let all = chain(
        &key(1),
        vec![
            vec![publish(1, "First")],
            vec![retract(1)],
            vec![publish(1, "Again")],
        ],
    );
    record(&catalog, &all[..1]).await;
    let recorded = record(&catalog, &all[1..2]).await;
    let change = FeedChange::Retracted {
        asset: asset_id(1),
        root: Some(package(1)),
        reason: "gone".to_owned(),
    };
    assert_eq!(recorded, [Recorded::Applied(vec![change])]);
    assert_eq!(found(&catalog, "first").await.len(), 0);
    let publisher = key(1).publisher();
    let tombstones = catalog.tombstones(&publisher, 9).await.unwrap();
    assert_eq!(
        (tombstones.len(), tombstones[0].root),
        (1, Some(package(1)))
    );
    record(&catalog, &all[2..]).await;
    assert_eq!(found(&catalog, "again").await.len(), 1);
    assert_eq!(catalog.tombstones(&publisher, 9).await.unwrap(), []);
    assert_eq!(catalog.feed(&publisher).await.unwrap().unwrap().assets, 1);
}

#[tokio::test]
async fn what_the_operator_removed_does_not_come_back() {
    let catalog = catalog().await;
    let publisher = key(1).publisher();
    let ops = vec![
        vec![publish(1, "First")],
        vec![publish(1, "Second")],
        vec![retract(1)],
    ];
    let all = chain(&key(1), [ops, vec![vec![publish(1, "Third")]]].concat());
    record(&catalog, &all[..1]).await;
    let asset = asset_id(1);
    let hide = catalog.set_listing(&publisher, &asset, Listing::Hidden);
    assert!(hide.await.unwrap());
    for announcement in all[1..].chunks(1) {
        assert!(applied(&record(&catalog, announcement).await));
        assert_eq!(found(&catalog, "first second third zürich").await.len(), 0);
        let page = catalog.announced(&AnnouncedQuery::default()).await.unwrap();
        assert_eq!(page.items, []);
    }
    let asset = asset_id(1);
    let show = catalog.set_listing(&publisher, &asset, Listing::Shown);
    assert!(show.await.unwrap());
    assert_eq!(found(&catalog, "third").await.len(), 1);
}

#[tokio::test]
async fn no_publisher_takes_more_than_its_share() {
    let catalog = catalog().await;
    let all = chain(
        &key(1),
        vec![vec![publish(1, "One")], vec![publish(2, "Two")]],
    );
    let one = all[0].bytes().len() as u64;
    let tight = FeedLimits {
        publisher_bytes: one + 10,
        total_bytes: one + 20,
        publishers: 2,
    };
    let recorded = catalog.record(&all, &tight, at(2_000)).await.unwrap();
    assert_eq!(recorded[1], Recorded::OverQuota(Quota::Publisher));
    let other = chain(&key(2), vec![vec![publish(3, "Three")]]);
    let recorded = catalog.record(&other, &tight, at(2_000)).await.unwrap();
    assert_eq!(recorded, [Recorded::OverQuota(Quota::Total)]);
    let third = chain(&key(3), vec![vec![publish(4, "Four")]]);
    let recorded = catalog.record(&third, &tight, at(2_000)).await.unwrap();
    assert_eq!(recorded, [Recorded::OverQuota(Quota::Publishers)]);
    let usage = catalog.feed_usage().await.unwrap();
    assert_eq!((usage.bytes, usage.publishers), (one, 2));
    let feed = catalog.feed(&key(1).publisher()).await.unwrap().unwrap();
    assert_eq!(
        (feed.have, feed.known),
        (1, 2),
        "what there is no room for is known"
    );
}

#[tokio::test]
async fn evidence_of_a_fork_is_kept_and_flags_the_publisher() {
    let catalog = catalog().await;
    let one = chain(&key(1), vec![vec![publish(1, "One")]]);
    let two = chain(&key(1), vec![vec![publish(2, "Two")]]);
    record(&catalog, &one).await;
    let evidence = catalog.record_fork(&one[0], &one[0], at(9)).await;
    assert_eq!(evidence.unwrap(), Evidence::None);
    for (seen, expected) in [(9, Evidence::Kept), (10, Evidence::Known)] {
        let evidence = catalog.record_fork(&one[0], &two[0], at(seen)).await;
        assert_eq!(evidence.unwrap(), expected);
    }
    let publisher = key(1).publisher();
    let forks = catalog.forks(&publisher).await.unwrap();
    assert_eq!(forks.len(), 1);
    assert!(Announcement::verify(&forks[0].second).is_ok());
    let feed = catalog.feed(&publisher).await.unwrap().unwrap();
    assert_eq!((feed.forked_at, feed.have), (Some(at(9)), 1));
}

#[tokio::test]
async fn a_forgotten_feed_can_come_again_but_its_forks_stay() {
    let catalog = catalog().await;
    let all = chain(&key(1), vec![vec![publish(1, "One")], vec![retract(7)]]);
    let other = chain(&key(1), vec![vec![publish(2, "Two")]]);
    record(&catalog, &all).await;
    catalog
        .record_fork(&all[0], &other[0], at(9))
        .await
        .unwrap();
    let publisher = key(1).publisher();
    let blocks = catalog.forget_feed(&publisher).await.unwrap();
    assert_eq!(blocks, [all[0].cid(), all[1].cid()]);
    assert_eq!(found(&catalog, "one").await.len(), 0);
    assert_eq!(catalog.feed_usage().await.unwrap().bytes, 0);
    assert_eq!(catalog.forks(&publisher).await.unwrap().len(), 1);
    assert!(applied(&record(&catalog, &all).await));
    assert_eq!(catalog.forget_feed(&key(9).publisher()).await.unwrap(), []);
}

#[tokio::test]
async fn pruned_announcements_are_still_known_by_their_cid() {
    let catalog = catalog().await;
    let all = chain(&key(1), (0..4).map(|n| vec![publish(n, "Many")]).collect());
    record(&catalog, &all).await;
    let publisher = key(1).publisher();
    let pruned = catalog.prune_announcements(&publisher, 3).await.unwrap();
    assert_eq!(
        pruned,
        all[..3].iter().map(Announcement::cid).collect::<Vec<_>>()
    );
    let kept = catalog.kept_announcements(&publisher, 0, 9).await.unwrap();
    assert_eq!((kept.len(), kept[0].cid), (1, all[3].cid()));
    let bytes = catalog.feed_usage().await.unwrap().bytes;
    assert_eq!(bytes, all[3].bytes().len() as u64);
    assert_eq!(record(&catalog, &all[..1]).await, [Recorded::Superseded]);
    let first = catalog.announcement_cid(&publisher, 0).await.unwrap();
    assert_eq!(first, Some(all[0].cid()));
}

#[tokio::test]
async fn how_catching_up_goes_is_kept() {
    let catalog = catalog().await;
    let publisher = key(1).publisher();
    let note = SyncNote {
        source: Some("12D3KooWPeer".to_owned()),
        error: Some("it did not answer".to_owned()),
        failures: 2,
        next_at: Some(at(70)),
    };
    catalog.note_sync(&publisher, &note).await.unwrap();
    assert_eq!(catalog.feed(&publisher).await.unwrap(), None);
    record(&catalog, &chain(&key(1), vec![vec![publish(1, "One")]])).await;
    catalog.note_sync(&publisher, &note).await.unwrap();
    let feed = catalog.feed(&publisher).await.unwrap().unwrap();
    assert_eq!(feed.sync, note);
}

#[tokio::test]
async fn one_publisher_is_the_own_one() {
    let catalog = catalog().await;
    let (one, two): (Publisher, Publisher) = (key(1).publisher(), key(2).publisher());
    let own = |key, state| catalog.set_own_publisher(key, state, at(1));
    own(&one, OwnKey::Confirmed).await.unwrap();
    own(&one, OwnKey::Unconfirmed).await.unwrap();
    assert_eq!(catalog.interest(&one).await.unwrap(), Interest::Own);
    let state = catalog.own_key(&one).await.unwrap();
    assert_eq!(state, Some(OwnKey::Confirmed), "what is known stays known");
    own(&two, OwnKey::Unconfirmed).await.unwrap();
    assert_eq!(catalog.own_key(&one).await.unwrap(), None);
    assert_eq!(catalog.interest(&one).await.unwrap(), Interest::Unknown);
    assert_eq!(catalog.interest(&two).await.unwrap(), Interest::Own);
    let page = catalog.feeds(None, 1).await.unwrap();
    assert_eq!(page.items[0].publisher, two);
    let rest = catalog.feeds(page.next, 1).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
}

#[tokio::test]
async fn the_own_feed_and_the_assets_are_compared() {
    let catalog = catalog().await;
    let own = key(1);
    let publisher = own.publisher();
    catalog
        .set_own_publisher(&publisher, OwnKey::Confirmed, at(1))
        .await
        .unwrap();
    let mut public = asset(1);
    public.visibility = Visibility::Public;
    catalog.create(&public).await.unwrap();
    assert_eq!(
        catalog.unannounced(&publisher, None, 9).await.unwrap(),
        [],
        "not ready"
    );
    catalog
        .save_package(&public.id, &package(1), 10, at(5))
        .await
        .unwrap();
    let missing = catalog.unannounced(&publisher, None, 9).await.unwrap();
    assert_eq!((missing.len(), &missing[0].announced), (1, &None));
    let after = catalog
        .unannounced(&publisher, Some(&public.id), 9)
        .await
        .unwrap();
    assert_eq!(after, []);

    // Announced as it is, and one that came with the key from another host.
    let mut as_it_is = publish(1, &public.title);
    if let Op::Publish(content) = &mut as_it_is {
        content.tags = public.tags.clone();
    }
    let all = chain(&own, vec![vec![as_it_is, publish(77, "Elsewhere")]]);
    assert!(applied(&record(&catalog, &all).await));
    catalog.note_signed_here(&[public.id]).await.unwrap();
    assert_eq!(catalog.unannounced(&publisher, None, 9).await.unwrap(), []);
    assert_eq!(catalog.no_longer_public(&publisher, 9).await.unwrap(), []);

    let renamed = Patch {
        title: Some("Renamed".to_owned()),
        ..Patch::default()
    };
    catalog
        .update(&public.id, &renamed, at(3_000))
        .await
        .unwrap();
    let changed = catalog.unannounced(&publisher, None, 9).await.unwrap();
    assert!(changed[0].announced.is_some());
    let hidden = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    catalog
        .update(&public.id, &hidden, at(3_000))
        .await
        .unwrap();
    assert_eq!(
        catalog.no_longer_public(&publisher, 9).await.unwrap(),
        [public.id]
    );
    catalog.delete(&public.id).await.unwrap();
    assert_eq!(
        catalog.no_longer_public(&publisher, 9).await.unwrap(),
        [public.id]
    );
}
