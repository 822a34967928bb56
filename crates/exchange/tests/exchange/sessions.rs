//! What a session promises.

use std::time::Duration;

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_exchange::{ExchangeSettings, WantError};
use cidcast_store::Audience;
use futures::FutureExt;

use crate::content::{KIB, block, blocks};
use crate::node::{LONG, Node, fetch, pair, pair_with};
use crate::raw::Raw;
use crate::wire;

#[tokio::test]
async fn what_is_here_is_not_asked_for() {
    let node = Node::start().await;
    let content = blocks(1, KIB);
    node.put(&content);
    fetch(&node, &node.session(), &content, 1).await;
    assert_eq!(node.session().progress().blocks, 0);
}

#[tokio::test]
async fn an_identity_cid_is_its_own_answer() {
    let node = Node::start().await;
    let cid = Cid::new_v1(0x55, Multihash::wrap(0, b"hello").unwrap());
    let got = node.session().get(&cid, 0, LONG).await.unwrap();
    assert_eq!(got, &b"hello"[..]);
}

#[tokio::test]
async fn a_hash_that_cannot_be_checked_is_not_asked_for() {
    let node = Node::start().await;
    let private = Multihash::wrap(0x30_0001, &[7; 32]).unwrap();
    let refused = node
        .session()
        .get(&Cid::new_v1(0x55, private), 0, LONG)
        .await;
    assert!(
        matches!(refused, Err(WantError::Store { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_want_that_nobody_answers_starves_and_then_ends() {
    let node = Node::start().await;
    let (cid, _) = block(1, 10);
    let session = node.session();
    let get = session.get(&cid, 0, Duration::from_secs(2));
    let (ended, starving) = tokio::join!(get, session.starving());
    assert_eq!(starving, cid);
    assert!(matches!(ended, Err(WantError::Deadline { waited, .. }) if waited.as_secs() >= 2));
    node.until_nothing_is_wanted().await;
}

#[tokio::test]
async fn a_supplied_block_goes_to_everybody_who_waits() {
    let node = Node::start().await;
    let (cid, data) = block(1, 10);
    let (one, two) = (node.session(), node.session());
    let supply = async {
        assert_eq!(one.starving().await, cid);
        assert!(one.supply(&cid, vec![1, 2, 3].into()).await.is_err());
        one.supply(&cid, data.clone()).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(one.get(&cid, 0, LONG), two.get(&cid, 9, LONG), supply);
    assert_eq!((first.unwrap(), second.unwrap()), (data.clone(), data));
    // Held by the second session too: it asked for it.
    drop(one);
    assert!(node.store.has(&cid).unwrap());
}

#[tokio::test]
async fn a_block_that_was_added_here_ends_the_wait() {
    let node = Node::start().await;
    let content = blocks(1, 10);
    let session = node.session();
    let add = async {
        session.starving().await;
        node.put(&content);
        node.exchange.announce_local(&[content[0].0]).await;
    };
    let (got, ()) = tokio::join!(session.get(&content[0].0, 0, LONG), add);
    assert_eq!(got.unwrap(), content[0].1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_was_added_there_is_sent_to_who_waits() {
    let (taker, giver) = pair().await;
    let content = blocks(1, 10);
    let session = taker.session();
    let add = async {
        giver
            .until(taker.host.peer, |report| report.wants_held == 1)
            .await;
        giver.put(&content);
        giver.exchange.announce_local(&[content[0].0]).await;
    };
    let (got, ()) = tokio::join!(session.get(&content[0].0, 0, LONG), add);
    assert_eq!(got.unwrap(), content[0].1);
}

#[tokio::test]
async fn a_dropped_get_is_withdrawn() {
    let node = Node::start().await;
    let mut peer = Raw::reading(&node).await;
    let (cid, _) = block(1, 10);
    let session = node.session();
    let mut get = Box::pin(session.get(&cid, 0, LONG));
    let asked = tokio::select! {
        ended = &mut get => panic!("{ended:?}"),
        seen = peer.next() => seen.wants,
    };
    assert_eq!(asked, [(cid, 0, false)]);
    drop(get);
    assert_eq!(peer.next().await.wants, [(cid, 0, true)]);
    node.until_nothing_is_wanted().await;
}

#[tokio::test]
async fn a_dropped_session_lets_its_blocks_go() {
    let node = Node::start().await;
    let (cid, data) = block(1, 10);
    let session = node.session();
    session.supply(&cid, data).await.unwrap();
    assert!(node.store.has(&cid).unwrap());
    drop(session);
    let gone = async {
        while node.store.has(&cid).unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn the_number_of_wants_is_bounded() {
    let settings = ExchangeSettings {
        max_wants: 2,
        ..ExchangeSettings::default()
    };
    let node = Node::with(settings, LONG).await;
    let session = node.session();
    let cids = [1, 2].map(|n| block(n, 10).0);
    let mut waiting = futures::future::join_all(cids.iter().map(|cid| session.get(cid, 0, LONG)));
    tokio::select! {
        _ = &mut waiting => panic!("nobody has them"),
        _ = async { session.starving().await; session.starving().await } => {}
    }
    let third = session.get(&block(3, 10).0, 0, LONG).await;
    assert!(
        matches!(third, Err(WantError::TooManyWants { limit: 2 })),
        "{third:?}"
    );
    assert!((&mut waiting).now_or_never().is_none());
}

#[tokio::test]
async fn a_stopping_node_says_so() {
    let node = Node::start().await;
    let session = node.session();
    let (cid, _) = block(1, 10);
    let stop = async {
        session.starving().await;
        node.shutdown.drain(LONG).await.unwrap();
    };
    let (ended, ()) = tokio::join!(session.get(&cid, 0, LONG), stop);
    assert!(matches!(ended, Err(WantError::Stopping)), "{ended:?}");
    let after = session.get(&cid, 0, LONG).await;
    assert!(matches!(after, Err(WantError::Stopping)), "{after:?}");
}

#[tokio::test]
async fn a_connection_is_kept_while_something_is_wanted_and_no_longer() {
    let (taker, giver) = pair_with(Duration::from_secs(1)).await;
    let (cid, data) = block(1, 10);
    let session = taker.session();
    let add = async {
        tokio::time::sleep(Duration::from_secs(3)).await; // time is what is tested here
        assert!(taker.host.is_connected(&giver.host.peer));
        giver.put(&[(cid, data)]);
        giver.exchange.announce_local(&[cid]).await;
    };
    let (got, ()) = tokio::join!(session.get(&cid, 0, LONG), add);
    got.unwrap();
    taker.host.until_gone(giver.host.peer).await;
}

#[tokio::test]
async fn an_older_peer_is_asked_and_answered_in_its_own_words() {
    let node = Node::start().await;
    let mut old = Raw::old(&node).await;
    let other = Raw::reading(&node).await;
    let (cid, data) = block(1, 10);
    let session = node.session();
    let give = async {
        // With two peers the question would be whether it is there; this one does not know it.
        assert_eq!(old.next().await.wants, [(cid, 0, false)]);
        old.send(&wire::blocks([&data[..]])).await;
    };
    let (got, ()) = tokio::join!(session.get(&cid, 0, LONG), give);
    assert_eq!(got.unwrap(), data);
    drop(other);
    node.befriend(&[&old.host]);
    old.send(&wire::wants([&cid, &block(2, 10).0], wire::Want::Block))
        .await;
    let seen = old.next().await;
    assert_eq!(seen.blocks, [data]);
    assert!(seen.dont_haves.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_block_of_no_bytes_is_had_without_anybody() {
    let node = Node::start().await;
    let (cid, _) = block(0, 0);
    let session = node.session();
    let got = session.get(&cid, 0, LONG).await.unwrap();
    assert!(got.is_empty() && node.store.has(&cid).unwrap());
    node.pin(&cid, Audience::Members);
}
