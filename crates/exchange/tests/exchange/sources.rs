//! Several peers that have the same.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt;

use crate::content::{KIB, blocks};
use crate::node::{LONG, Node, fetch};
use crate::raw::Raw;
use crate::wire;

async fn givers(count: usize, taker: &Node, content: &[(cid::Cid, bytes::Bytes)]) -> Vec<Node> {
    let mut givers = Vec::new();
    for _ in 0..count {
        let giver = Node::start().await;
        giver.befriend(&[&taker.host]);
        giver.put(content);
        taker.host.connect(&giver.host).await;
        givers.push(giver);
    }
    givers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_is_spread_over_all_sources() {
    let taker = Node::start().await;
    let content = blocks(600, 32 * KIB);
    let givers = givers(3, &taker, &content).await;
    let session = taker.session();
    fetch(&taker, &session, &content, 128).await;
    let from = session.progress().from;
    assert_eq!(from.len(), givers.len(), "{from:?}");
    let duplicates = taker.metric("duplicates_total");
    assert!(duplicates < 30, "{duplicates}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_dies_in_the_middle_is_replaced() {
    let taker = Node::start().await;
    let content = blocks(1200, 32 * KIB);
    let givers = givers(2, &taker, &content).await;
    let session = taker.session();
    let die = async {
        let dying = &givers[0];
        taker
            .until(dying.host.peer, |report| report.blocks_received > 20)
            .await;
        dying.host.die().await;
    };
    tokio::join!(fetch(&taker, &session, &content, 64), die);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_sources_may_lie() {
    let taker = Node::start().await;
    let content = blocks(300, 16 * KIB);
    let mut liars = Vec::new();
    for _ in 0..2 {
        let mut liar = Raw::reading(&taker).await;
        let peer = liar.host.peer;
        tokio::spawn(async move {
            loop {
                let wanted = liar.next().await.wants;
                for (n, (cid, kind, cancel)) in wanted.into_iter().enumerate() {
                    match (kind, cancel) {
                        (_, true) => {}
                        (1, _) => liar.send(&have(&cid)).await,
                        _ => liar.send(&wire::blocks([&n.to_le_bytes()[..]])).await,
                    }
                }
            }
        });
        liars.push(peer);
    }
    let _honest = givers(1, &taker, &content).await;
    fetch(&taker, &taker.session(), &content, 64).await;
    assert!(taker.metric("unwanted_total") > 0);
    let caught = liars.iter();
    let caught = caught.map(|liar| taker.until(*liar, |report| report.score < 100).boxed());
    futures::future::select_all(caught).await;
}

/// A presence, by hand.
fn have(cid: &cid::Cid) -> Vec<u8> {
    let cid = cid.to_bytes();
    let mut body = vec![0x22, u8::try_from(cid.len() + 2).unwrap()];
    body.extend([0x0a, u8::try_from(cid.len()).unwrap()]);
    body.extend(cid);
    wire::framed(&body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_source_does_not_hold_anything_up_for_long() {
    let taker = Node::start().await;
    let content = blocks(200, 16 * KIB);
    let silent = Raw::reading(&taker).await;
    let session = taker.session();
    session.add_peer(silent.host.peer);
    let _giver = givers(1, &taker, &content).await;
    let start = std::time::Instant::now();
    fetch(&taker, &session, &content, 64).await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_connects_late_is_found() {
    let taker = Node::start().await;
    let content = blocks(50, 16 * KIB);
    let session = taker.session();
    let connect = async {
        session.starving().await;
        givers(1, &taker, &content).await
    };
    let (_, givers) = tokio::join!(fetch(&taker, &session, &content, 50), connect);
    let report = taker
        .until(givers[0].host.peer, |report| report.blocks_received == 50)
        .await;
    assert!(report.latency.is_some_and(|latency| latency < LONG));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_answers_everything_in_one_message_is_asked_less_at_a_time() {
    let taker = Node::start().await;
    let content = blocks(24, 900 * KIB);
    let mut packer = Raw::reading(&taker).await;
    let data: HashMap<_, _> = content.iter().cloned().collect();
    let pack = async {
        loop {
            // As beetswap does: the block, whatever is asked about it, and no bound.
            let wants = packer.next().await.wants;
            let asked = wants.iter().filter(|(_, _, cancel)| !cancel);
            let blocks: Vec<&[u8]> = asked.map(|(cid, ..)| &data[cid][..]).collect();
            if !blocks.is_empty() {
                packer.send_part(&wire::blocks(blocks)).await;
            }
        }
    };
    let session = taker.session();
    tokio::select! {
        () = fetch(&taker, &session, &content, 24) => {}
        () = pack => {}
    }
    let report = taker.until(packer.host.peer, |report| report.blocks_received == 24);
    assert_eq!(report.await.score, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_holds_what_it_gave_among_its_wants_is_told_to_forget_it() {
    let taker = Node::start().await;
    let content = blocks(3000, 100);
    let mut source = Raw::reading(&taker).await;
    let data: HashMap<_, _> = content.iter().cloned().collect();
    let serve = async {
        let mut held = HashSet::new();
        loop {
            let mut blocks: Vec<&[u8]> = Vec::new();
            for (cid, _, cancel) in source.next().await.wants {
                if cancel {
                    held.remove(&cid);
                } else if held.len() < 1024 && held.insert(cid) {
                    blocks.push(&data[&cid]);
                }
            }
            source.send_part(&wire::blocks(blocks)).await;
        }
    };
    let session = taker.session();
    tokio::select! {
        () = fetch(&taker, &session, &content, 2000) => {}
        () = serve => {}
    }
    let silences = taker.metric("silences_total");
    assert_eq!(silences, 0, "wants were ignored");
}
