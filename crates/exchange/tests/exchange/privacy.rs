//! Who is given what.

use std::collections::HashSet;

use cidcast_exchange::Standing;
use cidcast_store::Audience;

use crate::content::{KIB, MIB, block, blocks};
use crate::node::{Node, fetch};
use crate::raw::Raw;
use crate::wire::{Want, wants};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_the_cid_of_a_private_block_does_not_get_it() {
    let node = Node::start().await;
    let content = blocks(4, 4 * KIB);
    node.put(&content);
    let [public, members, loose, _] = [0, 1, 2, 3].map(|at| content[at].0);
    node.pin(&public, Audience::Anyone);
    node.pin(&members, Audience::Members);
    let missing = block(99, 10).0;
    let all = [public, members, loose, missing];
    let mut stranger = Raw::reading(&node).await;
    for want in [Want::Have, Want::Block] {
        stranger.send(&wants(&all, want)).await;
        let seen = stranger.answers(all.len()).await;
        // What is private looks like what is missing.
        let refused: HashSet<_> = seen.dont_haves.iter().collect();
        assert_eq!(refused, [&members, &loose, &missing].into());
        match want {
            Want::Have => assert_eq!((seen.haves, seen.blocks.len()), (vec![public], 0)),
            _ => assert_eq!(seen.blocks, [content[0].1.clone()]),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_get_what_is_for_members_until_they_are_none() {
    let (node, member) = (Node::start().await, Node::start().await);
    let content = blocks(2, 4 * KIB);
    node.put(&content);
    node.pin(&content[0].0, Audience::Members);
    node.pin(&content[1].0, Audience::Members);
    node.befriend(&[&member.host]);
    member.host.connect(&node.host).await;
    let session = member.session();
    fetch(&member, &session, &content[..1], 1).await;
    node.befriend(&[]);
    let mut stranger = Raw::reading(&node).await;
    stranger.send(&wants([&content[1].0], Want::Block)).await;
    assert_eq!(stranger.next().await.dont_haves, [content[1].0]);
    let refused = session
        .get(&content[1].0, 0, std::time::Duration::from_secs(2))
        .await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_what_is_for_members_and_a_writer_the_rest() {
    let node = Node::start().await;
    let content = blocks(4, 4 * KIB);
    node.put(&content);
    let [public, members, writers, loose] = [0, 1, 2, 3].map(|at| content[at].0);
    node.pin(&public, Audience::Anyone);
    node.pin(&members, Audience::Members);
    node.pin(&writers, Audience::Writers);
    let all = [public, members, writers, loose];
    let mut peer = Raw::reading(&node).await;
    node.admit(&[&peer.host], Standing::Follower);
    for want in [Want::Have, Want::Block] {
        peer.send(&wants(&all, want)).await;
        let seen = peer.answers(all.len()).await;
        let refused: HashSet<_> = seen.dont_haves.into_iter().collect();
        assert_eq!(refused, [writers, loose].into());
    }
    // What it was refused is looked at again when it rises.
    node.admit(&[&peer.host], Standing::Writer);
    let given = peer.answers(2).await.blocks;
    assert!(given.contains(&content[2].1) && given.contains(&content[3].1));
    // And when it falls, it is a follower again.
    node.admit(&[&peer.host], Standing::Follower);
    peer.send(&wants([&writers, &members], Want::Block)).await;
    let seen = peer.answers(2).await;
    assert_eq!(
        (seen.dont_haves, seen.blocks),
        (vec![writers], vec![content[1].1.clone()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_was_refused_is_granted_to_a_new_member() {
    let node = Node::start().await;
    let content = blocks(1, 4 * KIB);
    node.put(&content);
    let mut peer = Raw::reading(&node).await;
    peer.send(&wants([&content[0].0], Want::Block)).await;
    assert_eq!(peer.next().await.dont_haves.len(), 1);
    node.befriend(&[&peer.host]);
    assert_eq!(peer.next().await.blocks, [content[0].1.clone()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_revoked_does_not_get_what_was_queued_for_it() {
    let node = Node::start().await;
    let content = blocks(64, MIB);
    node.put(&content);
    let mut peer = Raw::deaf(&node).await;
    node.befriend(&[&peer.host]);
    let cids: Vec<_> = content.iter().map(|(cid, _)| *cid).collect();
    peer.send(&wants(&cids, Want::Block)).await;
    // It takes nothing, so most of it stays queued here.
    let before = node
        .until(peer.host.peer, |report| report.blocks_sent > 1)
        .await;
    assert!(before.wants_held > 32, "{before:?}");
    node.befriend(&[]);
    let mut same = peer;
    same.send(&wants(&cids, Want::Have)).await;
    let after = node
        .until(same.host.peer, |report| report.wants_held > 0)
        .await;
    assert!(after.blocks_sent <= before.blocks_sent + 2, "{after:?}");
}
