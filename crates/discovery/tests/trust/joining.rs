//! A newcomer among bootstrap peers.

use std::collections::BTreeSet;

use cidcast_discovery::join::Answered;

use crate::node::{Differs, LONG, Node, eventually};

#[tokio::test]
async fn a_newcomer_keeps_whom_more_than_half_of_three_bootstrap_peers_name() {
    let bootstrap = [Node::new(1).await, Node::new(2).await, Node::new(3).await];
    let (well_known, little_known) = (Node::new(4).await, Node::new(5).await);
    for peer in &bootstrap {
        well_known.meet(peer).await;
    }
    little_known.meet(&bootstrap[0]).await;

    let mut addresses = Vec::new();
    for peer in &bootstrap {
        addresses.push(peer.address().await);
    }
    let differs = Differs {
        bootstrap: addresses,
        ..Differs::default()
    };
    let newcomer = Node::with(6, differs).await;
    let mut status = newcomer.joining.status();
    let joined = status.wait_for(|status| !status.chosen.is_empty());
    let joined = tokio::time::timeout(LONG, joined).await.unwrap().unwrap();
    assert_eq!(joined.asked.len(), 3);
    assert!(joined.asked.iter().all(|(_, said)| *said == Answered::Yes));
    let chosen: Vec<_> = joined
        .chosen
        .iter()
        .map(|one| (one.node, one.votes))
        .collect();
    assert_eq!(chosen, [(well_known.id(), 3)]);
    drop(joined);
    eventually("connected with whom most name", async || {
        newcomer.is_connected(&well_known).then_some(())
    })
    .await;
    // That the DHT may lead there too makes it nobody whom this node keeps.
    let known = newcomer.catalog.known_nodes(10).await.unwrap();
    let known: BTreeSet<_> = known.into_iter().map(|one| one.node).collect();
    assert!(known.contains(&well_known.id()));
    assert!(!known.contains(&little_known.id()));
}

#[tokio::test]
async fn a_node_finds_its_network_again_when_all_bootstrap_peers_are_gone() {
    let (bootstrap, other) = (Node::new(1).await, Node::new(2).await);
    other.meet(&bootstrap).await;
    let there = other.address().await;
    let differs = Differs {
        bootstrap: vec![bootstrap.address().await],
        ..Differs::default()
    };
    let node = Node::with(3, differs).await;
    eventually("joined and remembered", async || {
        let known = node.catalog.known_nodes(10).await.unwrap();
        known.iter().find(|one| one.node == other.id())?;
        Some(())
    })
    .await;
    let folder = node.stop().await;
    bootstrap.stop().await;

    let differs = Differs {
        folder: Some(folder),
        ..Differs::default()
    };
    let again = Node::with(3, differs).await;
    eventually("connected with a node of the last run", async || {
        again.is_connected(&other).then_some(())
    })
    .await;
    assert!(there.starts_with("/ip4/127.0.0.1/"));
}

#[tokio::test]
async fn nobody_hears_of_a_peer_that_is_blocked_or_of_itself() {
    let (hub, one, two) = (Node::new(1).await, Node::new(2).await, Node::new(3).await);
    one.meet(&hub).await;
    two.meet(&hub).await;
    let named = hub.joining.peers_for(&one.peer());
    assert_eq!(named, [two.address().await]);
    let subject = cidcast_catalog::Subject::Peer(two.id());
    hub.trust.block(&subject, "", None).await.unwrap();
    assert!(hub.joining.peers_for(&one.peer()).is_empty());
    let stranger = Node::new(4).await;
    assert!(hub.joining.peers_for(&stranger.peer()).is_empty());
}
