//! Many blocks from node to node.

use crate::content::{KIB, MIB, blocks};
use crate::node::{Node, fetch, pair};

async fn moves(size: usize, count: u64) {
    let (taker, giver) = pair().await;
    let content = blocks(count, size);
    giver.put(&content);
    // The same blocks are never fetched twice, so each width has its share.
    let mut rest = content.as_slice();
    for (width, part) in [
        (1, content.len() / 10),
        (16, content.len() / 3),
        (256, content.len()),
    ] {
        let (now, later) = rest.split_at(part.min(rest.len()));
        let session = taker.session();
        fetch(&taker, &session, now, width).await;
        let progress = session.progress();
        assert_eq!(progress.blocks, now.len() as u64);
        assert_eq!(progress.from, [(giver.host.peer, progress.bytes)]);
        rest = later;
    }
    assert_eq!(taker.metric("blocks_received_total"), count);
    assert_eq!(taker.metric("duplicates_total"), 0);
    assert_eq!(taker.metric("unwanted_total"), 0);
    assert_eq!(giver.metric("blocks_sent_total"), count);
    assert_eq!(taker.metric("wants"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_blocks_arrive_with_any_number_of_wants() {
    moves(16 * KIB, 1500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middling_blocks_arrive_with_any_number_of_wants() {
    moves(256 * KIB, 150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_blocks_arrive_with_any_number_of_wants() {
    moves(MIB, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_and_the_smallest_blocks_arrive() {
    let (taker, giver) = pair().await;
    let mut content = blocks(4, 2 * MIB);
    content.extend(blocks(1, 0));
    content.extend(blocks(20, 1));
    content.dedup_by_key(|(cid, _)| *cid);
    giver.put(&content);
    fetch(&taker, &taker.session(), &content, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_go_on_at_once() {
    let (one, two) = pair().await;
    one.befriend(&[&two.host]);
    let content = blocks(400, 64 * KIB);
    let (of_one, of_two) = content.split_at(200);
    one.put(of_one);
    two.put(of_two);
    let (session_one, session_two) = (one.session(), two.session());
    tokio::join!(
        fetch(&one, &session_one, of_two, 64),
        fetch(&two, &session_two, of_one, 64)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_nodes_passes_a_block_on() {
    let (last, middle) = pair().await;
    let first = Node::start().await;
    first.befriend(&[&middle.host]);
    middle.host.connect(&first.host).await;
    let content = blocks(3, 16 * KIB);
    first.put(&content);
    // The last asks the middle before the middle has anything.
    let (at_last, at_middle) = (last.session(), middle.session());
    tokio::join!(fetch(&last, &at_last, &content, 3), async {
        middle
            .until(last.host.peer, |report| report.wants_held == 3)
            .await;
        fetch(&middle, &at_middle, &content, 3).await;
    });
}
