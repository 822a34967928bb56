//! What is copied, and what goes.

use cidcast_announce::{Op, Retract};
use cidcast_catalog::{FollowPolicy, Listing, Renditions, Replicate};
use cidcast_discovery::replication::Pace;
use cidcast_store::Audience;
use cidcast_types::RootCid;

use crate::node::{Node, Package, all, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_complete_and_open_when_its_origin_is_gone() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let package = Package::at(&origin, 1, 4, 300_000);
    keeper
        .hear(&origin.feed(vec![vec![package.op.clone()]]).await)
        .await;
    keeper.follow(&origin, all()).await;
    let row = keeper.until_pinned(&package.of).await;
    assert_eq!(row.held.unwrap().renditions, Renditions::All);
    drop(origin.stop().await);
    for (path, content) in &package.files {
        let read = keeper.reads(&package.root, path).await;
        assert_eq!(read.as_ref(), Some(content), "{path}");
    }
    let audience = keeper.store.audience(&package.root).unwrap();
    assert_eq!(audience, Some(Audience::Anyone));
    // Whoever comes later has it from the copy.
    let late = Node::new(3).await;
    let feed = keeper.feed(vec![vec![package.op.clone()]]).await;
    late.hear(&feed).await;
    late.follow(&keeper, all()).await;
    let of = cidcast_catalog::AssetOf {
        publisher: keeper.key.publisher(),
        ..package.of
    };
    late.until_pinned(&of).await;
    assert_eq!(
        late.reads(&package.root, "master.m3u8").await.as_ref(),
        package.files.get("master.m3u8")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_node_keeps_only_the_renditions_that_it_chose() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let package = Package::at(&origin, 1, 3, 200_000);
    keeper
        .hear(&origin.feed(vec![vec![package.op.clone()]]).await)
        .await;
    let names = vec!["480p".parse().unwrap(), "audio".parse().unwrap()];
    let policy = FollowPolicy {
        renditions: names.clone(),
        ..all()
    };
    keeper.follow(&origin, policy).await;
    let held = keeper.until_pinned(&package.of).await.held.unwrap();
    assert_eq!(held.renditions, Renditions::of(&names));
    for (path, content) in &package.files {
        let read = keeper.reads(&package.root, path).await;
        let expected = (!path.starts_with("video/720p")).then_some(content);
        assert_eq!(read.as_ref(), expected, "{path}");
    }
    let root = RootCid::new(package.root);
    let part = keeper.catalog.part_of_package(&root).await.unwrap();
    assert_eq!(part, Some(names));
    // Wanted whole later: what is missing comes, under the same pin.
    let follow = keeper.catalog.follows().await.unwrap().remove(0);
    let now = cidcast_types::Timestamp::from_millis(1);
    keeper
        .catalog
        .set_follow_policy(follow.id, &all(), now)
        .await
        .unwrap();
    keeper.replicas.wake();
    keeper
        .until(&package.of, |row| {
            row.filter(|row| {
                row.held
                    .as_ref()
                    .is_some_and(|held| held.renditions == Renditions::All)
            })
        })
        .await;
    assert!(
        keeper
            .reads(&package.root, "video/720p/00000.m4s")
            .await
            .is_some()
    );
    assert_eq!(keeper.store.pins_with("replica").unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_are_kept_and_the_others_go_in_time() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let old = Package::at(&origin, 1, 1, 50_000);
    let new = Package::at(&origin, 2, 1, 50_000);
    let feed = origin
        .feed(vec![vec![old.op.clone()], vec![new.op.clone()]])
        .await;
    keeper.hear(&feed[..2]).await;
    let policy = FollowPolicy {
        replicate: Replicate::Newest(1),
        ..FollowPolicy::default()
    };
    keeper.follow(&origin, policy.clone()).await;
    keeper.until_pinned(&old.of).await;
    keeper.hear(&feed).await;
    keeper.until_pinned(&new.of).await;
    assert!(
        keeper.catalog.replica(&old.of).await.unwrap().is_some(),
        "too young to go"
    );
    keeper.clock.advance(policy.min_lifetime);
    keeper.replicas.wake();
    keeper
        .until(&old.of, |row| row.is_none().then_some(()))
        .await;
    assert_eq!(keeper.store.pinned_roots(&holder(&old)).unwrap(), []);
    assert_eq!(
        keeper.store.pinned_roots(&holder(&new)).unwrap(),
        [new.root]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_removed_does_not_come_back() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let package = Package::at(&origin, 1, 1, 50_000);
    let again = Op::Retract(Retract {
        asset: package.of.asset,
        reason: String::new(),
    });
    let other = Package::at(&origin, 2, 1, 50_000);
    let ops = vec![
        vec![package.op.clone()],
        vec![again],
        vec![package.op.clone(), other.op.clone()],
    ];
    let feed = origin.feed(ops).await;
    keeper.hear(&feed[..2]).await;
    keeper.follow(&origin, all()).await;
    keeper.until_pinned(&package.of).await;
    keeper
        .replicas
        .remove(&package.of, "not here")
        .await
        .unwrap();
    keeper
        .until(&package.of, |row| row.is_none().then_some(()))
        .await;
    keeper.hear(&feed).await;
    // The plan that took this one has passed the other over.
    keeper.until_pinned(&other.of).await;
    assert_eq!(keeper.catalog.replica(&package.of).await.unwrap(), None);
    let of = package.of;
    let announced = keeper
        .catalog
        .announced_asset(&of.publisher, &of.asset)
        .await;
    assert_eq!(announced.unwrap().unwrap().listing, Listing::Hidden);
    assert!(keeper.replicas.allow(&package.of).await.unwrap());
    keeper.until_pinned(&package.of).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_while_it_is_paused() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    keeper.replicas.pause().await.unwrap();
    let package = Package::at(&origin, 1, 1, 50_000);
    keeper
        .hear(&origin.feed(vec![vec![package.op.clone()]]).await)
        .await;
    keeper.follow(&origin, all()).await;
    let mut status = keeper.replicas.status();
    eventually("it is planned", async || {
        let now = *status.borrow_and_update();
        (now.totals.waiting == 1 && now.pace == Pace::Paused && now.running == 0).then_some(())
    })
    .await;
    assert!(!keeper.store.has(&package.root).unwrap());
    keeper.replicas.resume().await.unwrap();
    keeper.until_pinned(&package.of).await;
}

fn holder(package: &Package) -> cidcast_store::Holder {
    format!("replica/{}", package.of).parse().unwrap()
}
