//! What a page of a list shows, asked once for the page; and counts for metrics.

use cidcast_announce::{Op, Outcome, Profile};
use cidcast_catalog::{
    Acknowledgement, AssetOf, Catalog, Copy, CopyHere, CopyState, Fill, HeldPackage, KeepReason,
    NoticeLimits, Renditions, ScoreCount, Standing, WantedReplica,
};
use cidcast_types::PinState;

use crate::feeds::{ROOMY, chain, key, package, publish};
use crate::given::{asset_id, at, catalog, node};

fn of(n: u64) -> AssetOf {
    AssetOf {
        publisher: key(1).publisher(),
        asset: asset_id(n),
    }
}

fn copy(asset: u64, by: u8) -> Copy {
    Copy {
        of: of(asset),
        node: node(by),
        root: package(asset),
        renditions: Renditions::All,
        state: CopyState::Held,
        until: at(1_000),
        at: at(10),
        first_seen: at(10),
        notice: vec![by],
    }
}

/// Two assets are announced; the first is held here in whole, the second on its way.
async fn stocked() -> Catalog {
    let catalog = catalog().await;
    let profile = Op::Profile(Profile {
        name: "Meadow".to_owned(),
        ..Profile::default()
    });
    let ops = vec![profile, publish(1, "First"), publish(2, "Second")];
    let feed = chain(&key(1), vec![ops]);
    catalog.record(&feed, &ROOMY, at(5)).await.unwrap();
    for n in [1, 2] {
        let wanted = WantedReplica {
            of: of(n),
            root: package(n),
            renditions: Renditions::All,
            bytes: 100,
            reason: KeepReason::Newest,
            place: 1,
        };
        catalog.want_replicas(&[wanted], at(5)).await.unwrap();
    }
    let held = HeldPackage {
        root: package(1),
        renditions: Renditions::All,
        bytes: 90,
        at: at(6),
    };
    assert!(catalog.replica_pinned(&of(1), &held).await.unwrap());
    let limits = NoticeLimits::default();
    for said in [copy(1, 1), copy(1, 2)] {
        catalog.note_copy(&said, limits).await.unwrap();
    }
    catalog
}

#[tokio::test]
async fn a_page_learns_what_is_known_of_each_asset_in_its_order() {
    let catalog = stocked().await;
    let page = [of(9), of(1), of(2)];
    let standings = catalog.standings(&page, at(20)).await.unwrap();
    let nothing = Standing {
        is_own: false,
        copy: None,
        copies: 0,
        views: 0,
    };
    let whole = CopyHere {
        state: PinState::Pinned,
        held: Some((package(1), Renditions::All)),
    };
    let coming = CopyHere {
        state: PinState::Queued,
        held: None,
    };
    assert_eq!(
        standings,
        [
            nothing.clone(),
            Standing {
                copy: Some(whole),
                copies: 2,
                ..nothing.clone()
            },
            Standing {
                copy: Some(coming),
                ..nothing
            },
        ]
    );
    let later = catalog.standings(&page, at(1_000)).await.unwrap();
    assert_eq!(later[1].copies, 0, "promises are over");
    let titles = catalog.titles(&page).await.unwrap();
    let meadow = |title: &str| ("Meadow".to_owned(), title.to_owned());
    assert_eq!(titles.get(&of(1)), Some(&meadow("First")));
    assert_eq!(titles.get(&of(9)), Some(&meadow("")));
    let fill = Fill {
        publisher: key(1).publisher(),
        name: "Meadow".to_owned(),
        assets: 1,
        bytes: 90,
    };
    assert_eq!(catalog.fills(10).await.unwrap(), [fill]);
}

#[tokio::test]
async fn copies_elsewhere_come_with_what_their_nodes_answered() {
    let catalog = stocked().await;
    let ack = Acknowledgement {
        of: of(1),
        node: node(2),
        seq: 7,
        outcome: Outcome::Deleted,
        at: at(30),
        notice: vec![2],
    };
    let limits = NoticeLimits::default();
    catalog.note_acknowledgement(&ack, limits).await.unwrap();
    let publisher = key(1).publisher();
    let first = catalog.copies_away(&publisher, None, 1).await.unwrap();
    let last = first
        .last()
        .map(|away| (away.copy.of.asset, away.copy.node));
    let rest = catalog.copies_away(&publisher, last, 9).await.unwrap();
    let mut outcomes: Vec<_> = first
        .iter()
        .chain(&rest)
        .map(|away| (away.copy.node, away.outcome))
        .collect();
    outcomes.sort_by_key(|(node, _)| *node);
    let mut expected = [(node(1), None), (node(2), Some(Outcome::Deleted))];
    expected.sort_by_key(|(node, _)| *node);
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_census_counts_rows_by_how_they_stand() {
    let catalog = stocked().await;
    let census = catalog.census().await.unwrap();
    assert_eq!((census.copies, census.followers), (2, 0));
    let states = census.replicas;
    assert_eq!(
        states,
        [("pinned".to_owned(), 1, 90), ("queued".to_owned(), 1, 0)]
    );
    assert_eq!(census.scores, Vec::<ScoreCount>::new());
}
