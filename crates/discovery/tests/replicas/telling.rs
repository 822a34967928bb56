//! What replicas tell origins.

use cidcast_announce::{Op, Outcome, Retract};
use cidcast_catalog::{CopyQuery, CopyState, Watched};
use cidcast_discovery::replication::ReplicationSettings;
use cidcast_discovery::takedown::Obey;
use cidcast_discovery::views::{self, TakeViews, ViewsArgs};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_types::RootCid;

use crate::node::{LONG, Node, Package, all, eventually};

fn retract(package: &Package) -> Op {
    Op::Retract(Retract {
        asset: package.of.asset,
        reason: "taken down".to_owned(),
    })
}

async fn copy_at(origin: &Node, package: &Package, state: CopyState) -> cidcast_catalog::Copy {
    let query = CopyQuery {
        publisher: Some(package.of.publisher),
        asset: Some(package.of.asset),
        limit: 10,
        ..CopyQuery::default()
    };
    eventually("the origin hears of the copy", async || {
        let copies = origin.replicas.copies(&query).await.unwrap();
        copies.into_iter().find(|copy| copy.state == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_sees_who_holds_a_copy_and_that_its_retraction_is_obeyed() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let package = Package::at(&origin, 1, 1, 50_000);
    let feed = origin
        .feed(vec![vec![package.op.clone()], vec![retract(&package)]])
        .await;
    origin.hear(&feed[..2]).await;
    keeper.hear(&feed[..2]).await;
    keeper.follow(&origin, all()).await;
    keeper.until_pinned(&package.of).await;
    let copy = copy_at(&origin, &package, CopyState::Held).await;
    assert_eq!(
        (copy.node, copy.root),
        (keeper.id(), RootCid::new(package.root))
    );

    // Notices of one moment have no order.
    keeper.clock.advance(std::time::Duration::from_secs(1));
    origin.hear(&feed).await;
    keeper.hear(&feed).await;
    keeper
        .until(&package.of, |row| row.is_none().then_some(()))
        .await;
    let ack = eventually("the origin hears that it is obeyed", async || {
        let acks = origin.replicas.acknowledgements(&package.of).await.unwrap();
        acks.into_iter().next()
    })
    .await;
    assert_eq!(
        (ack.node, ack.outcome, ack.seq),
        (keeper.id(), Outcome::Deleted, 2)
    );
    copy_at(&origin, &package, CopyState::Withdrawn).await;
    assert!(keeper.store.pins_with("replica").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_keeps_a_retracted_copy_says_so() {
    let origin = Node::new(1).await;
    let settings = ReplicationSettings {
        obey: Obey::Keep,
        ..ReplicationSettings::default()
    };
    let keeper = Node::with(2, settings, None).await;
    let package = Package::at(&origin, 1, 1, 50_000);
    let feed = origin
        .feed(vec![vec![package.op.clone()], vec![retract(&package)]])
        .await;
    origin.hear(&feed).await;
    keeper.hear(&feed[..2]).await;
    keeper.follow(&origin, all()).await;
    keeper.until_pinned(&package.of).await;
    keeper.hear(&feed).await;
    let ack = eventually("the origin hears of it", async || {
        let acks = origin.replicas.acknowledgements(&package.of).await.unwrap();
        acks.into_iter().next()
    })
    .await;
    assert_eq!(ack.outcome, Outcome::Kept);
    assert!(keeper.reads(&package.root, "master.m3u8").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_a_day_that_is_over_reach_the_publisher() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let package = Package::at(&origin, 1, 1, 50_000);
    let feed = origin.feed(vec![vec![package.op.clone()]]).await;
    origin.hear(&feed).await;
    keeper.hear(&feed).await;
    let clock = Clock::Manual(keeper.clock.clone());
    let day = cidcast_announce::Day::of(clock.now());
    let watched = [(Watched::Root(RootCid::new(package.root)), 3)];
    keeper
        .catalog
        .add_views(&watched, day, clock.now())
        .await
        .unwrap();
    for node in [&origin, &keeper] {
        node.clock
            .advance(std::time::Duration::from_secs(24 * 3600));
    }
    let tasks = Shutdown::new();
    let args = ViewsArgs {
        catalog: keeper.catalog.clone(),
        herald: keeper.herald.clone(),
        clock,
        take: TakeViews::new(Vec::new),
        count: prometheus_client::metrics::counter::Counter::default(),
    };
    views::start(args, &tasks);
    // Its last turn is its first: it is told to end at once.
    tasks.drain(LONG).await.unwrap();
    let totals = eventually("the publisher hears of views", async || {
        let totals = origin.replicas.views(&package.of).await.unwrap();
        (totals.elsewhere > 0).then_some(totals)
    })
    .await;
    assert_eq!((totals.elsewhere, totals.nodes), (3, 1));
    assert_eq!(totals.days, [(day, 3)]);
}
