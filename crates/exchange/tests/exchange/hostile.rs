//! Peers that mean harm, or are broken.

use futures::AsyncWriteExt;

use crate::content::{KIB, MIB, blocks};
use crate::node::{Node, fetch};
use crate::raw::Raw;
use crate::wire::{self, Want, wants};

/// A good pair of nodes beside the bad peer: it has to go on working.
async fn goes_on(victim: &Node) {
    let friend = Node::start().await;
    let content = blocks(40, 16 * KIB);
    victim.put(&content);
    victim.befriend(&[&friend.host]);
    friend.host.connect(&victim.host).await;
    fetch(&friend, &friend.session(), &content, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_counted_and_nothing_else_happens() {
    let node = Node::start().await;
    let mut peer = Raw::reading(&node).await;
    for body in [
        &[0xff; 20][..],
        &[0x0a, 0x05, 1],
        &[0x07],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        peer.send(&wire::framed(body)).await;
    }
    let report = node.until(peer.host.peer, |report| report.score == 0).await;
    assert_eq!(report.blocks_received, 0);
    assert!(node.metric("malformed_total") >= 4);
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_frame_closes_its_stream_before_it_is_read() {
    let node = Node::start().await;
    let mut peer = Raw::reading(&node).await;
    let mut stream = peer.open().await;
    let mut frame = Vec::new();
    wire::varint(&mut frame, (4 * MIB + 1) as u64);
    frame.resize(64 * KIB, 0);
    let mut written = 0usize;
    while stream.write_all(&frame).await.is_ok() && stream.flush().await.is_ok() {
        written += frame.len();
        assert!(written < 64 * MIB, "it is being read");
    }
    node.until(peer.host.peer, |report| report.score < 100)
        .await;
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_wants_are_bounded_and_the_rest_refused() {
    let node = Node::start().await;
    let mut peer = Raw::reading(&node).await;
    let cids: Vec<_> = blocks(10_000, 8).into_iter().map(|(cid, _)| cid).collect();
    for part in cids.chunks(2500) {
        peer.send(&wants(part, Want::Block)).await;
    }
    let mut refused = 0;
    while refused < 9000 {
        refused += peer.next().await.dont_haves.len();
    }
    let report = node
        .until(peer.host.peer, |report| report.wants_held > 0)
        .await;
    assert!(report.wants_held <= 2048, "{report:?}");
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_is_not_read_for() {
    let node = Node::start().await;
    let content = blocks(100, MIB);
    node.put(&content);
    let mut deaf = Raw::deaf(&node).await;
    node.befriend(&[&deaf.host]);
    let cids: Vec<_> = content.iter().map(|(cid, _)| *cid).collect();
    deaf.send(&wants(&cids, Want::Block)).await;
    node.until(deaf.host.peer, |report| report.blocks_sent > 0)
        .await;
    goes_on(&node).await;
    let report = node.until(deaf.host.peer, |_| true).await;
    assert!(report.blocks_sent <= 3, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_nobody_asked_for_are_not_stored() {
    let node = Node::start().await;
    let mut peer = Raw::reading(&node).await;
    let content = blocks(30, MIB);
    for (_, data) in &content {
        peer.send(&wire::blocks([&data[..]])).await;
    }
    let report = node
        .until(peer.host.peer, |report| report.score < 100)
        .await;
    assert_eq!(report.blocks_received, 0);
    assert!(content.iter().all(|(cid, _)| !node.store.has(cid).unwrap()));
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_for_every_message_is_fine() {
    let node = Node::start().await;
    let content = blocks(400, 64);
    node.put(&content);
    let mut peer = Raw::reading(&node).await;
    node.befriend(&[&peer.host]);
    // Kubo closes them; here more stay open than are kept.
    let mut open = Vec::new();
    for (cid, _) in &content {
        let mut stream = peer.open().await;
        stream.write_all(&wants([cid], Want::Block)).await.unwrap();
        stream.flush().await.unwrap();
        open.push(stream);
    }
    let mut got = 0;
    while got < content.len() {
        got += peer.next().await.blocks.len();
    }
    assert!(peer.next_soon().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_frames_do_not_keep_finished_ones_from_being_read() {
    let node = Node::start().await;
    let content = blocks(5, 64);
    node.put(&content);
    let mut peer = Raw::reading(&node).await;
    node.befriend(&[&peer.host]);
    // Each claims 4 MiB and gives up to 200 KiB of it.
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut frame = Vec::new();
        wire::varint(&mut frame, (4 * MIB) as u64);
        frame.resize(200 * KIB, 0);
        let mut stream = peer.open().await;
        stream.write_all(&frame).await.unwrap();
        stream.flush().await.unwrap();
        open.push(stream);
    }
    for (cid, data) in &content {
        peer.send(&wants([cid], Want::Block)).await;
        assert_eq!(peer.next().await.blocks, [data.clone()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_are_heeded() {
    let node = Node::start().await;
    let content = blocks(100, MIB);
    node.put(&content);
    let mut deaf = Raw::deaf(&node).await;
    node.befriend(&[&deaf.host]);
    let cids: Vec<_> = content.iter().map(|(cid, _)| *cid).collect();
    deaf.send(&wants(&cids, Want::Block)).await;
    node.until(deaf.host.peer, |report| report.wants_held > 50)
        .await;
    deaf.send(&wants(&cids, Want::Cancel)).await;
    node.until(deaf.host.peer, |report| report.wants_held == 0)
        .await;
}
