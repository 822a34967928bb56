//! Copies of other publishers' assets: wanted, fetched, held, given up, removed.

use std::collections::BTreeSet;

use cidcast_catalog::{
    AssetOf, Catalog, FailedAttempt, HeldPackage, KeepReason, Removed, Renditions, Replica,
    ReplicaProgress, TransferPace, WantedReplica,
};
use cidcast_types::PinState;

use crate::feeds::{key, package};
use crate::given::{asset_id, at, catalog};

fn of(n: u64) -> AssetOf {
    AssetOf {
        publisher: key(1).publisher(),
        asset: asset_id(n),
    }
}

fn small() -> Renditions {
    Renditions::of(&["480p".parse().unwrap(), "audio".parse().unwrap()])
}

fn wanted(n: u64) -> WantedReplica {
    WantedReplica {
        of: of(n),
        root: package(n),
        renditions: small(),
        bytes: 100,
        reason: KeepReason::Newest,
        place: u32::try_from(n).unwrap(),
    }
}

fn held(n: u64) -> HeldPackage {
    HeldPackage {
        root: package(n),
        renditions: small(),
        bytes: 90,
        at: at(5),
    }
}

async fn row(catalog: &Catalog, n: u64) -> Replica {
    catalog.replica(&of(n)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_copy_is_fetched_once_in_the_order_of_its_place_and_then_held() {
    let catalog = catalog().await;
    for n in [2, 1] {
        catalog.want_replicas(&[wanted(n)], at(1)).await.unwrap();
    }
    let due = catalog
        .replicas_to_fetch(at(1), &BTreeSet::new(), 10)
        .await
        .unwrap();
    assert_eq!(due[0].wanted, wanted(1));
    assert_eq!((due.len(), due[0].state), (2, PinState::Queued));
    let progress = ReplicaProgress {
        bytes: 7,
        blocks: 1,
        blocks_known: 3,
    };
    assert!(catalog.replica_pinning(&wanted(1), progress).await.unwrap());
    let running = row(&catalog, 1).await;
    assert_eq!(
        (running.state, running.progress),
        (PinState::Pinning, progress)
    );
    assert!(catalog.replica_pinned(&of(1), &held(1)).await.unwrap());
    let done = row(&catalog, 1).await;
    assert_eq!((done.state, done.held), (PinState::Pinned, Some(held(1))));
    // Wanted again as it is: nothing to do.
    catalog.want_replicas(&[wanted(1)], at(9)).await.unwrap();
    let due = catalog
        .replicas_to_fetch(at(9), &BTreeSet::new(), 10)
        .await
        .unwrap();
    assert_eq!(due.iter().map(|r| r.wanted.of).collect::<Vec<_>>(), [of(2)]);
    let totals = catalog.replica_totals().await.unwrap();
    assert_eq!((totals.pinned, totals.waiting), (1, 1));
    assert_eq!((totals.held_bytes, totals.wanted_bytes), (90, 200));
}

#[tokio::test]
async fn what_is_held_stays_while_another_form_of_it_is_on_the_way() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    catalog.replica_pinned(&of(1), &held(1)).await.unwrap();
    let wider = WantedReplica {
        renditions: Renditions::All,
        ..wanted(1)
    };
    catalog.want_replicas(&[wider], at(6)).await.unwrap();
    let both = row(&catalog, 1).await;
    assert_eq!((both.state, both.held), (PinState::Queued, Some(held(1))));
    let part = catalog.part_of_package(&package(1)).await.unwrap();
    assert_eq!(part.map(|names| names.len()), Some(2));
    // The end of the earlier transfer comes too late.
    assert!(!catalog.replica_pinned(&of(1), &held(1)).await.unwrap());
    let whole = HeldPackage {
        renditions: Renditions::All,
        ..held(1)
    };
    assert!(catalog.replica_pinned(&of(1), &whole).await.unwrap());
    assert_eq!(catalog.part_of_package(&package(1)).await.unwrap(), None);
    assert_eq!(catalog.part_of_package(&package(9)).await.unwrap(), None);
    assert_eq!(catalog.replica_roots().await.unwrap(), [package(1)]);
}

#[tokio::test]
async fn a_failed_attempt_waits_and_can_be_hurried() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    let failed = FailedAttempt {
        error: "nobody has it".to_owned(),
        next_at: Some(at(50)),
    };
    catalog.replica_failed(&of(1), &failed).await.unwrap();
    assert_eq!(
        catalog
            .replicas_to_fetch(at(49), &BTreeSet::new(), 9)
            .await
            .unwrap(),
        []
    );
    assert_eq!(catalog.next_replica_at().await.unwrap(), Some(at(50)));
    assert_eq!(
        catalog
            .replicas_to_fetch(at(50), &BTreeSet::new(), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(row(&catalog, 1).await.failures, 1);
    assert_eq!(catalog.retry_replicas(Some(&of(1))).await.unwrap(), 1);
    assert_eq!(
        catalog
            .replicas_to_fetch(at(2), &BTreeSet::new(), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    // For good: until something else is wanted of it.
    let for_good = FailedAttempt {
        next_at: None,
        ..failed
    };
    catalog.replica_failed(&of(1), &for_good).await.unwrap();
    catalog.want_replicas(&[wanted(1)], at(60)).await.unwrap();
    assert_eq!(
        catalog
            .replicas_to_fetch(at(99), &BTreeSet::new(), 9)
            .await
            .unwrap(),
        []
    );
    let other = WantedReplica {
        root: package(2),
        ..wanted(1)
    };
    catalog.want_replicas(&[other], at(60)).await.unwrap();
    assert_eq!(
        catalog
            .replicas_to_fetch(at(99), &BTreeSet::new(), 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_copy_that_is_given_up_ends_with_its_pin() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    catalog.replica_pinned(&of(1), &held(1)).await.unwrap();
    assert_eq!(catalog.give_up_replicas(&[of(1)]).await.unwrap(), 1);
    assert!(
        !catalog
            .replica_pinning(&wanted(1), ReplicaProgress::default())
            .await
            .unwrap()
    );
    let leaving = catalog.replicas_to_drop(9).await.unwrap();
    assert_eq!(leaving[0].held, Some(held(1)));
    // Wanted again before its pin is gone: it begins anew.
    catalog.want_replicas(&[wanted(1)], at(7)).await.unwrap();
    assert!(!catalog.drop_replica(&of(1)).await.unwrap());
    let again = row(&catalog, 1).await;
    assert_eq!((again.state, again.held), (PinState::Queued, None));
    catalog.give_up_replicas(&[of(1)]).await.unwrap();
    assert!(catalog.drop_replica(&of(1)).await.unwrap());
    assert_eq!(catalog.replica(&of(1)).await.unwrap(), None);
}

#[tokio::test]
async fn publishers_are_told_of_copies_until_a_day_and_again_then() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    assert_eq!(catalog.replicas_to_tell(at(9), 9).await.unwrap(), []);
    catalog.replica_pinned(&of(1), &held(1)).await.unwrap();
    assert_eq!(catalog.replicas_to_tell(at(9), 9).await.unwrap().len(), 1);
    catalog.replica_told(&of(1), at(100)).await.unwrap();
    assert_eq!(catalog.replicas_to_tell(at(99), 9).await.unwrap(), []);
    assert_eq!(catalog.replicas_to_tell(at(101), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_operator_removed_gives_its_copy_up_and_is_remembered() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    let removed = Removed {
        of: of(1),
        root: Some(package(1)),
        reason: "not ours to show".to_owned(),
        at: at(2),
    };
    catalog.remove_for_good(&removed).await.unwrap();
    catalog.remove_for_good(&removed).await.unwrap();
    assert_eq!(row(&catalog, 1).await.state, PinState::Unpinning);
    assert!(catalog.is_removed(&of(1)).await.unwrap());
    assert_eq!(catalog.removed(0, 9).await.unwrap(), [removed]);
    assert!(catalog.allow_again(&of(1)).await.unwrap());
    assert!(!catalog.is_removed(&of(1)).await.unwrap());
}

#[tokio::test]
async fn copies_page_by_id() {
    let catalog = catalog().await;
    for n in 1..=5 {
        catalog.want_replicas(&[wanted(n)], at(1)).await.unwrap();
    }
    let first = catalog.replicas(0, 2).await.unwrap();
    let rest = catalog.replicas(first[1].id, 9).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 3));
}

#[tokio::test]
async fn what_is_paused_is_not_due_and_a_pause_is_remembered() {
    let catalog = catalog().await;
    catalog.want_replicas(&[wanted(1)], at(1)).await.unwrap();
    let paused = BTreeSet::from([key(1).publisher(), key(2).publisher()]);
    let due = catalog.replicas_to_fetch(at(1), &paused, 9).await.unwrap();
    assert_eq!(due, []);
    let others = BTreeSet::from([key(2).publisher()]);
    let due = catalog.replicas_to_fetch(at(1), &others, 9).await.unwrap();
    assert_eq!(due.len(), 1);
    let pace = catalog.replication_pace().await.unwrap();
    assert_eq!(pace, TransferPace::Running);
    let paused = TransferPace::Paused;
    catalog.set_replication_pace(paused).await.unwrap();
    assert_eq!(catalog.replication_pace().await.unwrap(), paused);
}
