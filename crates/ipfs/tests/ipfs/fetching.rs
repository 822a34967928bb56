//! Whole DAGs from peers.

use std::collections::BTreeSet;
use std::time::Duration;

use cidcast_exchange::Class;
use cidcast_ipfs::fetch::{FetchError, FetchOrder, FetchSettings, Scope};
use cidcast_ipfs::pinner::{PinJobState, Pinner};
use cidcast_ipfs::provide::{Provider, ProviderSettings};
use cidcast_ipfs::unixfs::read;
use cidcast_ipfs::{Flow, NetworkSettings, Standing, Throttle};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::{Audience, Holder, PinScope};
use tokio::time::timeout;

use crate::peer::{LONG, Package, Peer};

fn settings() -> FetchSettings {
    FetchSettings::new(Class::Replication)
}

fn impatient() -> NetworkSettings {
    NetworkSettings {
        fetch_timeout: Duration::from_secs(2),
        ..NetworkSettings::default()
    }
}

/// Everything of `package` is in `peer`'s own store.
async fn assert_whole(peer: &Peer, package: &Package) {
    let blocks = peer.blocks();
    for (path, content) in &package.files {
        let node = read::resolve(&blocks, &package.root, path).await.unwrap();
        let read = read::read_all(&blocks, &node.cid, 1 << 30).await.unwrap();
        assert!(read == *content, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_comes_whole_and_can_be_pinned() {
    for order in [FetchOrder::Playback, FetchOrder::DepthFirst] {
        let (source, sink) = (Peer::new().await, Peer::new().await);
        let package = source.add_package(12, 1_500_000, Audience::Anyone);
        sink.meet(&source).await;
        let mut fetch = sink.network.fetch(
            package.root,
            FetchSettings {
                order,
                ..settings()
            },
        );
        let progress = fetch.progress();
        let fetched = timeout(LONG, fetch.finish()).await.unwrap().unwrap();
        assert_eq!(fetched.progress.blocks, package.blocks);
        assert_eq!(fetched.progress.blocks_known, package.blocks);
        assert_eq!(fetched.progress.bytes, package.bytes);
        assert_eq!(fetched.progress.peers, 1);
        assert_eq!(*progress.borrow(), fetched.progress);
        let holder = "copy".parse().unwrap();
        sink.store
            .pin(&holder, &package.root, Audience::Anyone)
            .unwrap();
        drop((fetch, fetched));
        assert_whole(&sink, &package).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_was_cut_off_goes_on_and_gets_nothing_twice() {
    let (source, sink) = (Peer::new().await, Peer::new().await);
    let package = source.add_package(40, 600_000, Audience::Anyone);
    sink.meet(&source).await;
    let narrow = FetchSettings {
        width: 2,
        ..settings()
    };
    let mut fetch = sink.network.fetch(package.root, narrow);
    let mut progress = fetch.progress();
    let cut = tokio::select! {
        ended = fetch.finish() => panic!("ended before the cut: {ended:?}"),
        cut = progress.wait_for(|now| now.blocks >= 10) => *cut.unwrap(),
    };
    assert!(cut.blocks < package.blocks);
    let fetched = timeout(LONG, fetch.finish()).await.unwrap().unwrap();
    assert_eq!(fetched.progress.blocks, package.blocks);
    // Two blocks may have been on the way when it was cut.
    assert!(fetched.progress.bytes <= package.bytes + 2 * 600_000);
    assert_whole(&sink, &package).await;

    // Another fetch of the same finds everything here.
    let mut again = sink.network.fetch(package.root, settings());
    let again = timeout(LONG, again.finish()).await.unwrap().unwrap();
    assert_eq!((again.progress.bytes, again.progress.peers), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_comes_back_lets_a_failed_fetch_finish() {
    let (source, other) = (Peer::new().await, Peer::new().await);
    let sink = Peer::with(impatient()).await;
    let package = source.add_package(6, 300_000, Audience::Anyone);
    // Somebody is there, who has nothing.
    sink.meet(&other).await;
    let mut fetch = sink.network.fetch(package.root, settings());
    let failed = timeout(LONG, fetch.finish()).await.unwrap().unwrap_err();
    assert!(matches!(failed, FetchError::Want(_)), "{failed}");
    sink.meet(&source).await;
    timeout(LONG, fetch.finish()).await.unwrap().unwrap();
    assert_whole(&sink, &package).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dag_with_more_blocks_than_allowed_is_refused() {
    let peer = Peer::new().await;
    let package = peer.add_package(30, 1000, Audience::Anyone);
    let small = FetchSettings {
        max_blocks: 20,
        ..settings()
    };
    let error = peer.network.fetch(package.root, small).finish().await;
    assert!(matches!(error, Err(FetchError::Walk(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_dialled_for_what_is_not_here() {
    let (source, sink) = (Peer::new().await, Peer::new().await);
    let package = source.add_package(3, 300_000, Audience::Anyone);
    let members = vec![(source.address().await, Standing::Writer)];
    sink.network.set_members(members).unwrap();
    let mut fetch = sink.network.fetch(package.root, settings());
    timeout(LONG, fetch.finish()).await.unwrap().unwrap();
    assert_whole(&sink, &package).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_named_is_found_in_the_dht() {
    let hub = Peer::serving_dht().await;
    let (source, sink) = (Peer::serving_dht().await, Peer::new().await);
    let package = source.add_package(3, 300_000, Audience::Anyone);
    source.meet(&hub).await;
    sink.meet(&hub).await;
    let provider = Provider::start(&source.swarm, ProviderSettings::default(), &source.tasks);
    provider.set(BTreeSet::from([package.root]));
    let mut status = provider.status();
    let provided = status.wait_for(|status| status.provided == 1);
    timeout(LONG, provided).await.unwrap().unwrap();
    let mut fetch = sink.network.fetch(package.root, settings());
    timeout(LONG, fetch.finish()).await.unwrap().unwrap();
    assert_whole(&sink, &package).await;
}

fn only(rendition: &str) -> Scope {
    Scope::Renditions(BTreeSet::from([rendition.to_owned()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_package_is_kept_read_and_made_whole() {
    let (source, sink) = (Peer::new().await, Peer::with(impatient()).await);
    let package = source.add_renditions(&["video/480p", "video/720p", "audio/main"], 4);
    sink.meet(&source).await;
    let holder = "replica".parse().unwrap();
    let fetch = async |scope: Scope| {
        let fetch = sink.network.fetch(package.root, settings());
        let fetched = timeout(LONG, fetch.within(scope).finish()).await.unwrap();
        let fetched = fetched.unwrap();
        let (root, audience) = (&package.root, Audience::Anyone);
        sink.store
            .pin_part(&holder, root, audience, &fetched.scope)
            .unwrap();
        fetched.progress
    };
    let part = fetch(only("video/480p")).await;
    assert!(part.bytes < package.bytes / 2, "{part:?}");
    assert_eq!(part.blocks, part.blocks_known);
    let scope = sink.store.pins().unwrap().remove(0).scope;
    let PinScope::Without(left_out) = scope else {
        panic!("the whole is pinned");
    };
    assert_eq!(left_out.len(), 2);

    source.swarm.stop().await.unwrap();
    sink.store.flush_deletes().unwrap();
    let report = sink.store.verify(|_| {}, || false).unwrap();
    assert!(report.is_good(), "{report:?}");
    let blocks = sink.blocks().local();
    for (path, content) in &package.files {
        let is_here = !path.starts_with("video/720p/") && !path.starts_with("audio/main/");
        let read = async {
            let node = read::resolve(&blocks, &package.root, path).await.ok()?;
            read::read_all(&blocks, &node.cid, 1 << 30).await.ok()
        };
        let expected = is_here.then_some(content);
        assert!(read.await.as_ref() == expected, "{path}");
    }
    // What is left out can still be listed.
    let left_out = read::resolve(&blocks, &package.root, "video/720p").await;
    assert!(left_out.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_of_a_copy_grows_by_what_is_missing_and_shrinks_without_a_source() {
    let (source, sink) = (Peer::new().await, Peer::with(impatient()).await);
    let package = source.add_renditions(&["video/480p", "video/720p", "audio/main"], 4);
    sink.meet(&source).await;
    let holder = "replica".parse().unwrap();
    let take = async |scope: Scope| {
        let fetch = sink.network.fetch(package.root, settings());
        let fetched = timeout(LONG, fetch.within(scope).finish()).await.unwrap();
        let fetched = fetched.unwrap();
        let (root, audience) = (&package.root, Audience::Anyone);
        let pinned = sink
            .store
            .pin_part(&holder, root, audience, &fetched.scope)
            .unwrap();
        (fetched.progress.bytes, pinned)
    };
    let (first, small) = take(only("video/480p")).await;
    let (rest, whole) = take(Scope::Whole).await;
    assert_eq!((whole.blocks, whole.bytes), (package.blocks, package.bytes));
    assert_eq!(first + rest, package.bytes, "nothing came twice");
    source.swarm.stop().await.unwrap();
    let (nothing, again) = take(only("video/480p")).await;
    assert_eq!((nothing, again), (0, small));
    sink.store.flush_deletes().unwrap();
    assert_eq!(sink.store.disk_usage().unwrap().bytes, small.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_fetch_waits_and_goes_on_as_told() {
    let (source, sink) = (Peer::new().await, Peer::new().await);
    let package = source.add_package(12, 300_000, Audience::Anyone);
    sink.meet(&source).await;
    let throttle = Throttle::new(Flow::Rate(1));
    let fetch = sink.network.fetch(package.root, settings());
    let mut fetch = fetch.throttled(throttle.clone());
    let mut progress = fetch.progress();
    let fetching = tokio::spawn(async move { fetch.finish().await.map(|done| done.progress) });
    let begun = progress.wait_for(|now| now.bytes > 0);
    timeout(LONG, begun).await.unwrap().unwrap();
    throttle.set(Flow::Paused);
    // At a byte a second, no more than the first block or two.
    assert!(progress.borrow().blocks < 4);
    assert!(!fetching.is_finished());
    throttle.set(Flow::Free);
    let done = timeout(LONG, fetching).await.unwrap().unwrap().unwrap();
    assert_eq!(done.blocks, package.blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_keep_to_their_limit_together() {
    let (source, sink) = (Peer::new().await, Peer::new().await);
    let packages = [1, 2].map(|n| source.add_package(n, 300_000, Audience::Anyone));
    sink.meet(&source).await;
    let tasks = Shutdown::new();
    let (network, store) = (sink.network.clone(), sink.store.clone());
    let pinner = Pinner::start(network, store, Clock::System, &tasks);
    let pinner = pinner.await.unwrap();
    pinner.limit(Flow::Rate(1));
    let holder: Holder = "psa/tests".parse().unwrap();
    for package in &packages {
        let pinned = pinner.add(holder.clone(), package.root, Audience::Anyone);
        pinned.await.unwrap();
    }
    let blocks = || {
        let states = pinner.jobs().into_iter().map(|job| job.state);
        let blocks = states.map(|state| match state {
            PinJobState::Pinning(progress) => progress.blocks,
            _ => 0,
        });
        blocks.sum::<u64>()
    };
    until("a first block", || blocks() > 0).await;
    pinner.limit(Flow::Paused);
    // At a byte a second, no more than the first block or two of both together.
    assert!(blocks() < 4, "{}", blocks());
    pinner.limit(Flow::Free);
    until("both are pinned", || pinner.jobs().is_empty()).await;
    for package in &packages {
        let pins = sink.store.pins().unwrap();
        assert!(pins.iter().any(|pin| pin.root == package.root), "{pins:?}");
    }
    tasks.drain(LONG).await.unwrap();
}

/// Looks until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = timeout(LONG, looking).await;
    seen.unwrap_or_else(|_| panic!("never: {what}"));
}
