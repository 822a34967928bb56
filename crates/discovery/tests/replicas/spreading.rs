//! Copies that nodes know of from each other, with the publisher's node and without.

use std::time::Duration;

use cidcast_announce::{Op, Replication};
use cidcast_catalog::{CopyQuery, CopyState, FollowPolicy, Replicate, Strategy};
use cidcast_types::PinState;

use crate::node::{LONG, Node, Package, all, eventually};

const SEGMENT: usize = 200_000;

/// With room for two packages, the rare first.
fn two_rare() -> FollowPolicy {
    FollowPolicy {
        replicate: Replicate::Budget(8 * SEGMENT as u64),
        strategy: Strategy::Rare,
        ..FollowPolicy::default()
    }
}

fn wished(mut package: Package, min: u32) -> Package {
    if let Op::Publish(publish) = &mut package.op {
        publish.replication = Replication { min, max: 9 };
    }
    package
}

async fn pinned(node: &Node) -> Vec<cidcast_types::AssetId> {
    let rows = node.catalog.replicas(0, 100).await.unwrap();
    let mut pinned: Vec<_> = rows
        .iter()
        .filter(|row| row.state == PinState::Pinned)
        .map(|row| row.wanted.of.asset)
        .collect();
    pinned.sort();
    pinned
}

async fn until_pinned(node: &Node, packages: [&Package; 2]) {
    let mut expected = packages.map(|package| package.of.asset);
    expected.sort();
    eventually("two copies are pinned", async || {
        (pinned(node).await == expected).then_some(())
    })
    .await;
}

async fn until_heard(node: &Node, package: &Package, holder: &Node) {
    let query = CopyQuery {
        publisher: Some(package.of.publisher),
        asset: Some(package.of.asset),
        limit: 10,
        ..CopyQuery::default()
    };
    eventually("a copy is heard of", async || {
        let copies = node.catalog.copies(&query).await.unwrap();
        let mut held = copies.iter();
        let is_heard = held.any(|copy| copy.node == holder.id() && copy.state == CopyState::Held);
        is_heard.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_spread_over_followers_and_are_found_when_the_origin_is_wiped() {
    let origin = Node::new(1).await;
    let packages: Vec<Package> = (1..=4)
        .map(|n| wished(Package::at(&origin, n, 1, SEGMENT), 2))
        .collect();
    let [one, two, three, four] = packages.as_slice() else {
        panic!("four packages")
    };
    let ops = packages.iter().map(|package| vec![package.op.clone()]);
    let feed = origin.feed(ops.collect()).await;
    origin.hear(&feed).await;

    // The first takes the newest: all are as rare.
    let first = Node::new(2).await;
    first.hear(&feed).await;
    first.follow(&origin, two_rare()).await;
    until_pinned(&first, [three, four]).await;
    for package in [three, four] {
        until_heard(&origin, package, &first).await;
    }

    // The second hears of those before it takes any.
    let second = Node::new(3).await;
    let met = second.swarm.handle();
    met.connect(&origin.address().await, LONG).await.unwrap();
    second.hear(&feed).await;
    second.follow(&origin, two_rare()).await;
    until_pinned(&second, [one, two]).await;
    assert!(
        pinned(&first).await == [three.of.asset, four.of.asset],
        "nothing moves when all is well"
    );

    // Replicas tell each other, without the publisher.
    drop(origin.stop().await);
    met.connect(&first.address().await, LONG).await.unwrap();
    until_heard(&first, one, &second).await;
    until_heard(&second, four, &first).await;

    // Who knows the first only gets from it what is here, and from the second what is not.
    let late = Node::new(4).await;
    let known = late.swarm.handle();
    known.connect(&first.address().await, LONG).await.unwrap();
    late.hear(&feed).await;
    let policy = FollowPolicy {
        min_lifetime: Duration::ZERO,
        ..all()
    };
    let now = cidcast_runtime::Clock::Manual(late.clock.clone()).now();
    late.catalog
        .add_follow(
            &cidcast_catalog::NewFollow {
                target: one.of.publisher.to_string(),
                origin: cidcast_catalog::FollowOrigin::Operator,
                policy,
                publisher: Some(one.of.publisher),
                nodes: Vec::new(),
            },
            now,
        )
        .await
        .unwrap();
    late.replicas.wake();
    for package in &packages {
        late.until_pinned(&package.of).await;
        for (path, content) in &package.files {
            let read = late.reads(&package.root, path).await;
            assert_eq!(read.as_ref(), Some(content), "{path}");
        }
    }
}
