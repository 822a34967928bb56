//! Whole DAGs from peers.

use std::collections::BTreeSet;
use std::time::Duration;

use cidcast_exchange::Class;
use cidcast_ipfs::NetworkSettings;
use cidcast_ipfs::fetch::{FetchError, FetchOrder, FetchSettings};
use cidcast_ipfs::provide::{Provider, ProviderSettings};
use cidcast_ipfs::unixfs::read;
use cidcast_store::Audience;
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
    let members = vec![source.address().await];
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
