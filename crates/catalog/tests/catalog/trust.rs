//! Scores, blocks and block lists.

use std::collections::BTreeSet;

use cidcast_announce::Publisher;
use cidcast_catalog::{
    AnnouncedQuery, Blocked, BlockedError, Catalog, Conduct, FIRST_SCORE, Fate, ListSource,
    Listing, MAX_REASONS, NewBlockList, Refusal, RefusedPublisher, Subject,
};

use crate::feeds::{ROOMY, chain, key, publish};
use crate::given::{asset_id, at, catalog, node, publisher};

fn peer(n: u8) -> Subject {
    Subject::Peer(node(n))
}

fn of(n: u8) -> Subject {
    Subject::Publisher(publisher(n))
}

async fn lose_everything(catalog: &Catalog, subject: &Subject) {
    let judged = catalog
        .judge(subject, Conduct::Bad, "sent nonsense", at(5), |_| 0)
        .await
        .unwrap();
    assert!(judged.has_revoked());
}

#[tokio::test]
async fn a_score_keeps_its_last_reasons() {
    let catalog = catalog().await;
    let fresh = catalog.score(&peer(1)).await.unwrap();
    assert_eq!((fresh.score, fresh.reasons.len()), (FIRST_SCORE, 0));
    for n in 0..40u64 {
        let why = format!("deed {n}");
        catalog
            .judge(&peer(1), Conduct::Good, &why, at(n), |score| score + 10)
            .await
            .unwrap();
    }
    catalog
        .judge(&peer(1), Conduct::Bad, "last", at(99), |score| score - 10)
        .await
        .unwrap();
    let score = catalog.score(&peer(1)).await.unwrap();
    assert_eq!((score.score, score.delivered, score.failed), (490, 40, 1));
    assert_eq!(score.reasons.len(), MAX_REASONS as usize);
    assert_eq!(score.reasons[0].why, "last");
    assert_eq!((score.reasons[1].score, score.reasons[1].at), (500, at(39)));
    // Another subject with the same key has its own.
    let same_key = Subject::Publisher(Publisher::from_bytes(node(1).as_bytes()).unwrap());
    assert_eq!(catalog.score(&same_key).await.unwrap().score, FIRST_SCORE);
}

#[tokio::test]
async fn who_is_at_zero_is_revoked_until_somebody_raises_it() {
    let catalog = catalog().await;
    for subject in [peer(1), of(1)] {
        assert_eq!(catalog.refusal(&subject).await.unwrap(), None);
        lose_everything(&catalog, &subject).await;
        assert_eq!(
            catalog.refusal(&subject).await.unwrap(),
            Some(Refusal::Revoked)
        );
    }
    assert_eq!(catalog.scores(10).await.unwrap().len(), 2);
    assert_eq!(catalog.refused_peers().await.unwrap(), [node(1)]);
    assert_eq!(
        catalog.refused_publishers().await.unwrap(),
        [RefusedPublisher {
            publisher: publisher(1),
            refusal: Refusal::Revoked,
            fate: None
        }]
    );
    for subject in [peer(1), of(1)] {
        let reset = catalog.judge(&subject, Conduct::Neither, "reset", at(6), |_| FIRST_SCORE);
        assert!(!reset.await.unwrap().has_revoked());
        assert_eq!(catalog.refusal(&subject).await.unwrap(), None);
    }
    assert_eq!(catalog.refused_publishers().await.unwrap(), []);
}

fn list(by: u8, when: u64, entries: &[Subject]) -> NewBlockList {
    NewBlockList {
        publisher: publisher(by),
        title: "spam".to_owned(),
        source: ListSource::Publisher,
        at: at(when),
        bytes: vec![by],
        entries: entries
            .iter()
            .map(|one| (*one, "spam".to_owned()))
            .collect(),
        next_at: Some(at(when + 100)),
    }
}

async fn refused(catalog: &Catalog) -> Vec<(Publisher, Refusal, Option<Fate>)> {
    let refused = catalog.refused_publishers().await.unwrap();
    let parts = refused.into_iter();
    parts
        .map(|one| (one.publisher, one.refusal, one.fate))
        .collect()
}

#[tokio::test]
async fn a_block_says_whose_word_it_is_and_is_taken_back() {
    let catalog = catalog().await;
    catalog
        .block(&of(1), "lies", Some(Fate::Delete), at(1))
        .await
        .unwrap();
    catalog
        .import_block_list(&list(9, 10, &[of(1), of(2), peer(2)]), at(11))
        .await
        .unwrap();
    let blocked = catalog.blocked(0, 10).await.unwrap();
    assert_eq!(blocked.len(), 4);
    assert_eq!(
        blocked[0],
        Blocked {
            subject: of(1),
            by: None,
            reason: "lies".to_owned(),
            fate: Some(Fate::Delete),
            at: at(1),
            is_let_in: false,
        }
    );
    assert!(blocked[1..].iter().all(|one| one.by == Some(publisher(9))));
    let mut both = vec![
        (publisher(1), Refusal::Blocked, Some(Fate::Delete)),
        (publisher(2), Refusal::Blocked, None),
    ];
    both.sort_by_key(|one| one.0.to_string());
    assert_eq!(refused(&catalog).await, both);
    assert_eq!(catalog.refused_peers().await.unwrap(), [node(2)]);
    assert_eq!(
        catalog.own_blocked().await.unwrap(),
        [(of(1), "lies".to_owned())]
    );

    // Un-blocked here although the list still says so; and the list is taken back as a whole.
    assert!(catalog.unblock(&of(1), at(12)).await.unwrap());
    assert_eq!(catalog.refusal(&of(1)).await.unwrap(), None);
    assert_eq!(refused(&catalog).await.len(), 1);
    let listed = catalog.blocked(0, 10).await.unwrap();
    let let_in = listed.iter().filter(|one| one.is_let_in);
    assert_eq!(let_in.map(|one| one.subject).collect::<Vec<_>>(), [of(1)]);
    let id = catalog.block_lists().await.unwrap()[0].id;
    catalog.remove_block_list(id).await.unwrap();
    assert_eq!(refused(&catalog).await, []);
    assert_eq!(catalog.blocked(0, 10).await.unwrap(), []);
    assert!(!catalog.unblock(&of(1), at(13)).await.unwrap());
    assert!(matches!(
        catalog.remove_block_list(id).await,
        Err(BlockedError::NoSuchList(_))
    ));
}

#[tokio::test]
async fn a_newer_list_replaces_the_older_one_and_never_the_other_way_round() {
    let catalog = catalog().await;
    let older = list(9, 10, &[of(1), of(2)]);
    let newer = list(9, 20, &[of(2), of(3)]);
    catalog.import_block_list(&older, at(11)).await.unwrap();
    catalog.unblock(&of(2), at(12)).await.unwrap();
    catalog.import_block_list(&newer, at(21)).await.unwrap();
    for (n, expected) in [(1, None), (2, None), (3, Some(Refusal::Blocked))] {
        assert_eq!(catalog.refusal(&of(n)).await.unwrap(), expected, "{n}");
    }
    let refused = catalog.import_block_list(&older, at(22)).await;
    assert!(matches!(refused, Err(BlockedError::Older { .. })));
    let lists = catalog.block_lists().await.unwrap();
    assert_eq!((lists.len(), lists[0].entries, lists[0].at), (1, 2, at(20)));
    assert_eq!(lists[0].imported_at, at(11));

    assert_eq!(lists[0].next_at, Some(at(120)));
    catalog
        .block_list_failed(lists[0].id, "gone", at(500))
        .await
        .unwrap();
    let other = NewBlockList {
        title: "other".to_owned(),
        ..list(9, 5, &[of(4)])
    };
    catalog.import_block_list(&other, at(23)).await.unwrap();
    assert_eq!(catalog.block_lists().await.unwrap().len(), 2);
    let failing = &catalog.block_lists().await.unwrap()[0];
    assert_eq!(
        (failing.failures, failing.error.as_deref()),
        (1, Some("gone"))
    );
    assert_eq!(
        catalog.refusal(&of(3)).await.unwrap(),
        Some(Refusal::Blocked)
    );
}

#[tokio::test]
async fn blocking_again_takes_back_that_somebody_was_let_in() {
    let catalog = catalog().await;
    catalog
        .import_block_list(&list(9, 10, &[of(1)]), at(11))
        .await
        .unwrap();
    catalog.unblock(&of(1), at(12)).await.unwrap();
    catalog
        .block(&of(1), "after all", None, at(13))
        .await
        .unwrap();
    catalog
        .block(&of(1), "really", Some(Fate::Keep), at(14))
        .await
        .unwrap();
    assert_eq!(
        catalog.own_blocked().await.unwrap(),
        [(of(1), "really".to_owned())]
    );
    assert_eq!(
        catalog.refusal(&of(1)).await.unwrap(),
        Some(Refusal::Blocked)
    );
}

#[tokio::test]
async fn blocked_and_revoked_at_once_is_named_once() {
    let catalog = catalog().await;
    lose_everything(&catalog, &of(1)).await;
    catalog
        .block(&of(1), "", Some(Fate::Unindex), at(1))
        .await
        .unwrap();
    assert_eq!(
        refused(&catalog).await,
        [(publisher(1), Refusal::Blocked, Some(Fate::Unindex))]
    );
    catalog.unblock(&of(1), at(2)).await.unwrap();
    assert_eq!(
        refused(&catalog).await,
        [(publisher(1), Refusal::Revoked, None)],
        "un-blocking restores no score"
    );
}

async fn listed(catalog: &Catalog, search: Option<&str>) -> usize {
    let mut query = AnnouncedQuery {
        search: search.map(str::to_owned),
        limit: 200,
        ..AnnouncedQuery::default()
    };
    let mut count = 0;
    loop {
        let page = catalog.announced(&query).await.unwrap();
        count += page.items.len();
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return count,
        }
    }
}

#[tokio::test]
async fn a_refused_publisher_is_neither_listed_nor_found_however_much_it_has_announced() {
    let catalog = catalog().await;
    let batch = |n: u64| {
        (n * 50..(n + 1) * 50)
            .map(|n| publish(n, "Something"))
            .collect()
    };
    let many = chain(&key(1), (0..30).map(batch).collect());
    let few = chain(&key(2), vec![vec![publish(5000, "Something")]]);
    for feed in [&many, &few] {
        catalog.record(feed, &ROOMY, at(9_000)).await.unwrap();
    }
    catalog
        .set_listing(&publisher(1), &asset_id(3), Listing::Hidden)
        .await
        .unwrap();
    let hidden = BTreeSet::from([publisher(1)]);
    for _ in 0..2 {
        catalog.hide_exactly(&hidden).await.unwrap();
        assert_eq!(listed(&catalog, None).await, 1);
        assert_eq!(listed(&catalog, Some("something")).await, 1);
    }
    // What the operator does meanwhile to single assets lasts.
    catalog
        .set_listing(&publisher(1), &asset_id(4), Listing::Hidden)
        .await
        .unwrap();
    catalog
        .set_listing(&publisher(1), &asset_id(5), Listing::Shown)
        .await
        .unwrap();
    assert_eq!(listed(&catalog, None).await, 1);
    catalog.hide_exactly(&BTreeSet::new()).await.unwrap();
    assert_eq!(listed(&catalog, None).await, 1499);
    assert_eq!(listed(&catalog, Some("something")).await, 1499);
}
