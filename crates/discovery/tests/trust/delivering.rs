//! Notices to nodes that are away.

use std::time::Duration;

use cidcast_discovery::delivery::RETRY;

use crate::node::{Differs, Node, eventually};

/// The node's port, for its next run.
async fn listen_of(node: &Node) -> String {
    let address = node.address().await;
    let (listen, _) = address.split_once("/p2p/").unwrap();
    listen.to_owned()
}

#[tokio::test]
async fn a_notice_waits_for_its_node_over_a_restart_and_arrives() {
    let (one, two) = (Node::new(1).await, Node::new(2).await);
    let (address, listen) = (two.address().await, listen_of(&two).await);
    let target = address.parse().unwrap();
    one.follows
        .follow(&target, Default::default())
        .await
        .unwrap();
    eventually("told", async || {
        two.follows.followers(0, 10).await.unwrap().pop()
    })
    .await;
    let folder_of_two = two.stop().await;

    // A week later it is told again, and is away.
    one.clock.advance(Duration::from_secs(7 * 24 * 3600));
    one.follows.look_up_again(None).await.unwrap();
    let waiting = eventually("a try in vain", async || {
        let waiting = one.deliveries.list(0, 10).await.unwrap().pop()?;
        (waiting.failures == 1).then_some(waiting)
    })
    .await;
    assert!(waiting.error.is_some());
    let wait = waiting.next_at.unwrap().as_millis() - waiting.created_at.as_millis();
    assert_eq!(wait, 2_000);

    let folder_of_one = one.stop().await;
    let two = Node::with(
        2,
        Differs {
            folder: Some(folder_of_two),
            listen: Some(listen),
            ..Differs::default()
        },
    )
    .await;
    let one = Node::with(
        1,
        Differs {
            folder: Some(folder_of_one),
            ..Differs::default()
        },
    )
    .await;
    let kept = one.deliveries.list(0, 10).await.unwrap();
    assert_eq!(kept.len(), 1, "over a restart");
    one.clock.advance(Duration::from_secs(7 * 24 * 3600 + 3));
    one.deliveries.hurry();
    eventually("it has arrived", async || {
        one.deliveries
            .list(0, 10)
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
    assert_eq!(two.follows.followers(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_never_arrives_is_given_up_after_ten_tries_and_the_operator_can_try_again() {
    let (one, gone) = (Node::new(1).await, Node::new(2).await);
    let (node, address) = (gone.id(), gone.address().await);
    gone.stop().await;
    let addresses = vec![address];
    one.deliveries
        .send(node, addresses, "test", vec![0; 10].into())
        .await
        .unwrap();
    for failures in 1..=11 {
        let waiting = eventually("another try", async || {
            let waiting = one.deliveries.list(0, 10).await.unwrap().pop()?;
            (waiting.failures == failures).then_some(waiting)
        })
        .await;
        match RETRY.delay(failures) {
            Some(wait) => {
                assert!(waiting.next_at.is_some());
                one.clock.advance(wait);
                one.deliveries.hurry();
            }
            None => assert_eq!(waiting.next_at, None, "given up"),
        }
    }
    let counts = one.deliveries.counts().await.unwrap();
    assert_eq!((counts.waiting, counts.given_up), (0, 1));
    // Who is only away is not revoked for it.
    let score = one.trust.score(&cidcast_catalog::Subject::Peer(node)).await;
    assert_eq!(score.unwrap().score, 10);
    assert_eq!(one.deliveries.retry(None).await.unwrap(), 1);
    eventually("tried again", async || {
        let waiting = one.deliveries.list(0, 10).await.unwrap().pop()?;
        (waiting.failures == 1 && waiting.next_at.is_some()).then_some(())
    })
    .await;
}
