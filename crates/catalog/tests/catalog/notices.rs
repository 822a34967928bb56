//! What other nodes say: copies, acknowledgements and views, within limits.

use cidcast_announce::{Day, Outcome};
use cidcast_catalog::{
    Acknowledgement, AssetOf, Copy, CopyQuery, CopyState, DayViews, Noted, NoticeLimits, OwnKey,
    Renditions, Watched,
};

use crate::feeds::{ROOMY, chain, key, package, publish};
use crate::given::{asset_id, at, catalog, node};

fn of(n: u64) -> AssetOf {
    AssetOf {
        publisher: key(1).publisher(),
        asset: asset_id(n),
    }
}

fn copy(asset: u64, by: u8, said_at: u64) -> Copy {
    Copy {
        of: of(asset),
        node: node(by),
        root: package(asset),
        renditions: Renditions::All,
        state: CopyState::Held,
        until: at(1_000),
        at: at(said_at),
        first_seen: at(said_at),
        notice: vec![by],
    }
}

fn withdrawn(copy: Copy, said_at: u64) -> Copy {
    Copy {
        state: CopyState::Withdrawn,
        until: at(said_at),
        at: at(said_at),
        ..copy
    }
}

fn day_number(number: u64) -> Day {
    Day::of(at(number * 24 * 3600 * 1000))
}

const LIMITS: NoticeLimits = NoticeLimits {
    per_asset: 3,
    per_node: 4,
    total: 6,
};

#[tokio::test]
async fn the_newest_word_of_a_node_about_its_copy_counts() {
    let catalog = catalog().await;
    let said = copy(1, 1, 10);
    assert_eq!(
        catalog.note_copy(&said, LIMITS).await.unwrap(),
        Noted::Saved
    );
    assert_eq!(catalog.note_copy(&said, LIMITS).await.unwrap(), Noted::Old);
    let counts = catalog
        .copy_counts(&key(1).publisher(), None, at(500))
        .await
        .unwrap();
    assert_eq!(counts.get(&asset_id(1)), Some(&1));
    let gone = withdrawn(said.clone(), 20);
    assert_eq!(
        catalog.note_copy(&gone, LIMITS).await.unwrap(),
        Noted::Saved
    );
    // Somebody sends the first one again.
    assert_eq!(catalog.note_copy(&said, LIMITS).await.unwrap(), Noted::Old);
    let counts = catalog
        .copy_counts(&key(1).publisher(), None, at(500))
        .await
        .unwrap();
    assert!(counts.is_empty());
    // It is forgotten only when that one would have expired too.
    assert_eq!(catalog.forget_copies(at(999)).await.unwrap(), 0);
    assert_eq!(catalog.forget_copies(at(1_001)).await.unwrap(), 1);
    assert_eq!(catalog.note_copy(&gone, LIMITS).await.unwrap(), Noted::Old);
}

#[tokio::test]
async fn a_copy_counts_only_until_its_time_is_over() {
    let catalog = catalog().await;
    catalog.note_copy(&copy(1, 1, 10), LIMITS).await.unwrap();
    let publisher = key(1).publisher();
    assert_eq!(
        catalog
            .copy_counts(&publisher, None, at(999))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        catalog
            .copy_counts(&publisher, None, at(1_000))
            .await
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn neither_one_node_nor_many_fill_the_disk() {
    let catalog = catalog().await;
    for by in 1..=3 {
        catalog.note_copy(&copy(1, by, 10), LIMITS).await.unwrap();
    }
    let full = |noted: Noted| assert_eq!(noted, Noted::Full);
    full(catalog.note_copy(&copy(1, 4, 10), LIMITS).await.unwrap());
    for asset in 2..=4 {
        catalog
            .note_copy(&copy(asset, 1, 10), LIMITS)
            .await
            .unwrap();
    }
    full(catalog.note_copy(&copy(5, 1, 10), LIMITS).await.unwrap());
    full(catalog.note_copy(&copy(5, 5, 10), LIMITS).await.unwrap());
    // What is there may still change.
    let newer = catalog.note_copy(&copy(1, 1, 11), LIMITS).await.unwrap();
    assert_eq!(newer, Noted::Saved);
}

#[tokio::test]
async fn copies_are_listed_by_asset_and_page() {
    let catalog = catalog().await;
    for (asset, by) in [(1, 1), (1, 2), (2, 1)] {
        catalog
            .note_copy(&copy(asset, by, 10), LIMITS)
            .await
            .unwrap();
    }
    let all = CopyQuery {
        limit: 2,
        ..CopyQuery::default()
    };
    let first = catalog.copies(&all).await.unwrap();
    let next = CopyQuery {
        after: Some((first[1].of, first[1].node)),
        ..all
    };
    let rest = catalog.copies(&next).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 1));
    let one = CopyQuery {
        publisher: Some(key(1).publisher()),
        asset: Some(asset_id(2)),
        limit: 9,
        ..CopyQuery::default()
    };
    assert_eq!(catalog.copies(&one).await.unwrap(), [copy(2, 1, 10)]);
}

#[tokio::test]
async fn an_acknowledgement_is_kept_and_a_later_one_replaces_it() {
    let catalog = catalog().await;
    let ack = Acknowledgement {
        of: of(1),
        node: node(1),
        seq: 3,
        outcome: Outcome::Unindexed,
        at: at(10),
        notice: vec![1],
    };
    let later = Acknowledgement {
        outcome: Outcome::Deleted,
        at: at(11),
        ..ack.clone()
    };
    for (said, noted) in [
        (&ack, Noted::Saved),
        (&later, Noted::Saved),
        (&ack, Noted::Old),
    ] {
        let answer = catalog.note_acknowledgement(said, LIMITS).await.unwrap();
        assert_eq!(answer, noted);
    }
    assert_eq!(catalog.acknowledgements(&of(1)).await.unwrap(), [later]);
}

#[tokio::test]
async fn views_are_counted_by_day_for_every_publisher_of_the_package_and_told_once() {
    let catalog = catalog().await;
    let other = key(1);
    catalog
        .set_own_publisher(&key(9).publisher(), OwnKey::Confirmed, at(1))
        .await
        .unwrap();
    let feed = chain(&other, vec![vec![publish(1, "Watched")]]);
    catalog.record(&feed, &ROOMY, at(2_000)).await.unwrap();
    let day = day_number(20_000);
    let seen = [
        (Watched::Root(package(1)), 2),
        (Watched::Root(package(7)), 5),
    ];
    for _ in 0..2 {
        catalog.add_views(&seen, day, at(3)).await.unwrap();
    }
    let totals = catalog.view_totals(&of(1)).await.unwrap();
    assert_eq!((totals.here, totals.elsewhere), (4, 0));
    assert_eq!(totals.days, [(day, 4)]);
    // Not before the day is over.
    assert_eq!(catalog.untold_views(day, 9).await.unwrap(), []);
    let tomorrow = day_number(20_001);
    let untold = catalog.untold_views(tomorrow, 9).await.unwrap();
    let expected = DayViews {
        of: of(1),
        day,
        count: 4,
    };
    assert_eq!(untold, [expected]);
    catalog.views_told(&untold).await.unwrap();
    assert_eq!(catalog.untold_views(tomorrow, 9).await.unwrap(), []);
    let here = catalog.views_here(&other.publisher()).await.unwrap();
    assert_eq!(here.get(&asset_id(1)), Some(&4));
}

#[tokio::test]
async fn views_of_other_nodes_are_summed_and_folded() {
    let catalog = catalog().await;
    let views = |day: u64, count| DayViews {
        of: of(1),
        day: day_number(day),
        count,
    };
    for (by, day, count, said_at) in [(1, 5, 3, 10), (2, 5, 4, 10), (1, 6, 1, 10), (1, 5, 9, 9)] {
        catalog
            .note_views(&node(by), &views(day, count), at(said_at), LIMITS)
            .await
            .unwrap();
    }
    let totals = catalog.view_totals(&of(1)).await.unwrap();
    assert_eq!((totals.elsewhere, totals.nodes), (8, 2));
    let by_day: Vec<_> = totals
        .days
        .iter()
        .map(|(day, n)| (day.since_epoch(), *n))
        .collect();
    assert_eq!(by_day, [(5, 7), (6, 1)]);
    for _ in 0..2 {
        catalog.fold_views(day_number(6)).await.unwrap();
    }
    let folded = catalog.view_totals(&of(1)).await.unwrap();
    assert_eq!((folded.elsewhere, folded.days.len()), (8, 1));
    let (crowded, third, more) = (NoticeLimits { total: 2, ..LIMITS }, node(3), views(7, 1));
    let full = catalog.note_views(&third, &more, at(10), crowded);
    assert_eq!(full.await.unwrap(), Noted::Full);
}
