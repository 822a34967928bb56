//! Nodes that were not there when something was said.

use std::collections::BTreeSet;

use cidcast_discovery::feeds::{Mode, Outcome};

use crate::host::{DAY, DAY_ZERO, Host, LONG, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_learns_everything_from_whoever_has_it() {
    let (one, two) = (Host::new(Mode::Follows).await, Host::new(Mode::Open).await);
    two.meet(&one).await;
    let publisher = one.publisher();
    for (n, title) in [(1, "First"), (2, "Second"), (3, "Third")] {
        one.make_public(n, title).await;
        two.has(&publisher, n).await;
    }
    let told = one.feed(&publisher).await.unwrap().have;
    two.has(&publisher, told).await;
    one.stop().await;

    // The publisher's own node is gone.
    let three = Host::new(Mode::Open).await;
    three.meet(&two).await;
    let feed = three.has(&publisher, told).await;
    assert_eq!((feed.have, feed.known), (told, told));
    assert_eq!(three.titles().await, ["Third", "Second", "First"]);
    assert_eq!(three.count(Outcome::Applied), told);
    eventually("from whom", async || {
        let feed = three.feed(&publisher).await?;
        (feed.sync.source == Some(two.swarm.peer_id()) && feed.sync.error.is_none()).then_some(())
    })
    .await;
    two.stop().await;
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_absence_is_caught_up_with_in_order() {
    let (one, two) = (Host::new(Mode::Follows).await, Host::new(Mode::Open).await);
    two.meet(&one).await;
    let publisher = one.publisher();
    one.make_public(0, "Before").await;
    two.has(&publisher, 1).await;
    let folder = two.stop().await;

    for day in 1..=30 {
        one.clock.advance(DAY);
        one.make_public(day, &format!("Day {day}")).await;
        one.has(&publisher, day + 1).await;
    }
    let month = 30 * u64::try_from(DAY.as_millis()).unwrap();
    let two = Host::at(folder, Mode::Open, DAY_ZERO + month).await;
    assert_eq!(two.titles().await, ["Before"]);
    let mut events = two.feeds().events();
    let told = one.feed(&publisher).await.unwrap().have;
    let before = two.feed(&publisher).await.unwrap().have;
    two.meet(&one).await;
    two.has(&publisher, told).await;
    let mut said = BTreeSet::new();
    let mut last = 0;
    let all: BTreeSet<u64> = (before..told).collect();
    while said != all {
        // They are said after they are recorded.
        let event = tokio::time::timeout(LONG, events.recv()).await;
        let event = event.expect("something is left out").unwrap();
        if event.publisher == publisher {
            assert!(event.seq >= last, "in order");
            last = event.seq;
            said.insert(event.seq);
        }
    }
    assert_eq!(two.titles().await.len(), 31);
    one.stop().await;
    two.stop().await;
}
