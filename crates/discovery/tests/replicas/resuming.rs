//! A transfer that is cut off goes on where it was.

use cidcast_discovery::replication::ReplicationSettings;
use cidcast_discovery::replication::schedule::{Rate, Schedule};
use cidcast_types::PinState;

use crate::node::{Node, Package, all, eventually};

fn settings(rate: Rate) -> ReplicationSettings {
    ReplicationSettings {
        schedule: Schedule {
            otherwise: rate,
            windows: Vec::new(),
        },
        checkpoint: 1,
        ..ReplicationSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_is_not_fetched_again_after_a_restart() {
    let origin = Node::new(1).await;
    let package = Package::at(&origin, 1, 8, 900_000);
    let feed = origin.feed(vec![vec![package.op.clone()]]).await;
    // Slow enough to be cut off in the middle.
    let keeper = Node::with(2, settings(Rate::Bytes(1_000_000)), None).await;
    keeper.hear(&feed).await;
    keeper.follow(&origin, all()).await;
    let parts = format!("replica-parts/{}", package.of).parse().unwrap();
    let kept = eventually("parts are pinned", async || {
        let parts = keeper.store.pinned_roots(&parts).unwrap().len();
        (parts >= 8).then_some(parts)
    })
    .await;
    let row = keeper.catalog.replica(&package.of).await.unwrap().unwrap();
    assert_eq!(row.state, PinState::Pinning);
    let folder = keeper.stop().await;

    let keeper = Node::with(2, settings(Rate::Unlimited), Some(folder)).await;
    let done = keeper.until_pinned(&package.of).await;
    let whole: usize = package.files.values().map(bytes::Bytes::len).sum();
    // Four of them are small files.
    let least = (kept - 4) as u64 * 900_000;
    assert!(
        done.progress.bytes <= whole as u64 - least,
        "{} of {whole} came again although {kept} parts were here",
        done.progress.bytes
    );
    assert_eq!(keeper.store.pinned_roots(&parts).unwrap(), []);
    for (path, content) in &package.files {
        assert_eq!(
            keeper.reads(&package.root, path).await.as_ref(),
            Some(content)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_announced_is_not_kept_and_not_tried_again() {
    let (origin, keeper) = (Node::new(1).await, Node::new(2).await);
    let large = Package::at(&origin, 2, 6, 1_500_000);
    let mut small = large.op.clone();
    if let cidcast_announce::Op::Publish(publish) = &mut small {
        publish.bytes = 1;
        publish.renditions.clear();
    }
    let feed = origin.feed(vec![vec![small]]).await;
    keeper.hear(&feed).await;
    keeper.follow(&origin, all()).await;
    let row = keeper
        .until(&large.of, |row| {
            row.filter(|row| row.state == PinState::Error)
        })
        .await;
    assert!(row.error.unwrap().contains("larger than"));
    assert_eq!(row.next_at, None, "trying again would end the same way");
    assert!(keeper.store.pins_with("replica/").unwrap().is_empty());
}
