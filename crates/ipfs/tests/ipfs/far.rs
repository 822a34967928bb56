//! Whole nodes at the two ends of long and lossy lines, and sources that die or lie there.

use std::path::Path;
use std::time::Duration;

use cidcast_exchange::Class;
use cidcast_ipfs::fetch::{Fetch, FetchProgress, FetchSettings, Fetched};
use cidcast_store::Audience;
use cidcast_testkit::{Line, SlowLine};

use crate::peer::{LONG, Package, Peer};

/// Nothing moved for so long: a stall.
const STALL: Duration = Duration::from_secs(5);
/// That a peer has fallen silent is known after 5 s on a line whose blocks take their time.
const LOSS: Duration = Duration::from_secs(10);

fn line(milliseconds: u64) -> Line {
    Line {
        round_trip: Duration::from_millis(milliseconds),
        lost_per_mille: 10,
        bytes_per_second: None,
    }
}

/// Connects over a line of this kind, which lasts as long as what is returned.
async fn meet_over(line: Line, sink: &Peer, source: &Peer) -> SlowLine {
    let (relay, address) = SlowLine::to_node(&source.address().await, line)
        .await
        .unwrap();
    sink.swarm.connect(&address, LONG).await.unwrap();
    relay
}

fn fetch(sink: &Peer, package: &Package) -> Fetch {
    let settings = FetchSettings::new(Class::Replication);
    sink.network.fetch(package.root, settings)
}

/// Fetches to the end, telling `seen` of each step; never may nothing move for so long.
async fn finish(mut fetch: Fetch, stall: Duration, mut seen: impl FnMut(FetchProgress)) -> Fetched {
    let mut progress = fetch.progress();
    let mut work = std::pin::pin!(fetch.finish());
    loop {
        tokio::select! {
            done = &mut work => return done.unwrap(),
            moved = tokio::time::timeout(stall, progress.changed()) => {
                let now = *progress.borrow_and_update();
                moved.unwrap_or_else(|_| panic!("stalled at {now:?}")).unwrap();
                seen(now);
            }
        }
    }
}

/// The same package at each of so many nodes.
async fn sources(count: usize, segments: usize, bytes: usize) -> (Vec<Peer>, Package) {
    let mut peers = vec![Peer::new().await];
    let package = peers[0].add_package(segments, bytes, Audience::Anyone);
    for _ in 1..count {
        let peer = Peer::new().await;
        let same = peer.add_package(segments, bytes, Audience::Anyone);
        assert_eq!(same.root, package.root);
        peers.push(peer);
    }
    (peers, package)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_crosses_long_and_lossy_lines_without_a_stall() {
    for milliseconds in [50, 200] {
        for (segments, bytes) in [(8, 1 << 20), (300, 16 << 10)] {
            let (peers, package) = sources(1, segments, bytes).await;
            let sink = Peer::new().await;
            let _line = meet_over(line(milliseconds), &sink, &peers[0]).await;
            let done = finish(fetch(&sink, &package), STALL, |_| {}).await;
            assert_eq!(done.progress.blocks, package.blocks);
            // A late answer may be asked for again, seldom.
            let twice = done.progress.bytes.saturating_sub(package.bytes);
            assert!(twice <= package.bytes / 4, "{twice} bytes came twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_falls_silent_at_the_far_end_is_replaced_by_the_other() {
    for milliseconds in [50, 200] {
        let (peers, package) = sources(2, 40, 256 << 10).await;
        let sink = Peer::new().await;
        let narrow = Line {
            bytes_per_second: Some(4 << 20),
            ..line(milliseconds)
        };
        let mut lines = Vec::new();
        for peer in &peers {
            lines.push((peer, meet_over(narrow, &sink, peer).await));
        }
        let mut fell_at = None;
        let done = finish(fetch(&sink, &package), LOSS, |now| {
            if now.blocks > 10 && fell_at.is_none() {
                // Whoever gives most: the more is asked of it and will not come.
                let givers = sink.network.exchange().peers();
                let giver = givers.iter().max_by_key(|report| report.blocks_received);
                let giver = giver.unwrap().peer.to_string();
                let line = lines.iter().find(|(peer, _)| peer.swarm.peer_id() == giver);
                line.unwrap().1.fall_silent();
                fell_at = Some(now.blocks);
            }
        });
        assert_eq!(done.await.progress.blocks, package.blocks);
        assert!(fell_at.is_some_and(|blocks| blocks < package.blocks));
    }
}

/// Other bytes in every block file, of the same length.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else if path.extension().is_some_and(|ending| ending == "data") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_sources_with_rotten_disks_do_not_matter() {
    let mut found = 0;
    for milliseconds in [50, 200] {
        let (peers, package) = sources(3, 40, 64 << 10).await;
        for rotten in &peers[..2] {
            damage(&rotten.folder.path().join("store/blocks"));
        }
        let sink = Peer::new().await;
        let mut lines = Vec::new();
        for peer in &peers {
            lines.push(meet_over(line(milliseconds), &sink, peer).await);
        }
        let done = finish(fetch(&sink, &package), STALL, |_| {}).await;
        let progress = done.progress;
        assert_eq!((progress.blocks, progress.peers), (package.blocks, 1));
        let holder = "copy".parse().unwrap();
        sink.store
            .pin(&holder, &package.root, Audience::Members)
            .unwrap();
        drop(done);
        let report = sink.store.verify(|_| {}, || false).unwrap();
        assert!(report.corrupt.is_empty(), "{report:?}");
        let reports = sink.network.exchange().peers();
        let (honest, rotten): (Vec<_>, Vec<_>) = reports
            .iter()
            .partition(|report| report.peer.to_string() == peers[2].swarm.peer_id());
        assert!(
            honest.iter().all(|report| report.score == 100),
            "{reports:?}"
        );
        assert!(
            rotten.iter().all(|report| report.bytes_received == 0),
            "{reports:?}"
        );
        // One that is never asked for a block is never found out.
        found += rotten.iter().filter(|report| report.score < 100).count();
    }
    assert!(found > 0, "nobody was found out");
}
