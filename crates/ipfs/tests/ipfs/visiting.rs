//! Reading other people's content as it arrives, and what a stranger may not see.

use std::time::{Duration, Instant};

use cidcast_ipfs::unixfs::read;
use cidcast_ipfs::{BlockError, NetworkSettings, Standing, Trust};
use cidcast_store::Audience;
use futures::StreamExt;
use tokio::time::timeout;

use crate::parts::{RAW, cid_of};
use crate::peer::{LONG, Peer, noise};

const PATIENCE: Duration = Duration::from_secs(1);

async fn impatient() -> Peer {
    Peer::with(NetworkSettings {
        fetch_timeout: PATIENCE,
        ..NetworkSettings::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_while_it_arrives_and_nothing_of_it_is_pinned() {
    let (source, reader) = (Peer::new().await, Peer::new().await);
    let package = source.add_package(2, 3_000_000, Audience::Anyone);
    reader.meet(&source).await;
    for trust in [Trust::Trusted, Trust::Stranger] {
        let view = reader.blocks().visit(&package.root, trust).unwrap();
        let (path, content) = &package.files[0];
        let reading = async {
            let node = read::resolve(&view, &package.root, path).await.unwrap();
            let mut pieces = std::pin::pin!(read::stream(&view, &node.cid, Some(10..2_500_000)));
            let mut whole = Vec::new();
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece.unwrap());
            }
            whole
        };
        let whole = timeout(LONG, reading).await.unwrap();
        assert!(whole == content[10..2_500_000]);
    }
    assert_eq!(reader.store.pins().unwrap(), []);
    assert!(reader.blocks().is_strangers(&package.root));
    // The second file was not asked for.
    assert!(reader.store.disk_usage().unwrap().bytes < 5_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_here_reads_for_a_stranger_like_what_is_nowhere() {
    let (here, other) = (impatient().await, Peer::new().await);
    let pinned = here.add_package(1, 1000, Audience::Members).root;
    let guard = here.store.in_flight();
    let block = noise(99, 100);
    let in_flight = cid_of(RAW, &block);
    here.store.put(&in_flight, &block, &guard).unwrap();
    let nowhere = cid_of(RAW, b"nowhere");

    // Alone, it is answered at once.
    for cid in [pinned, in_flight, nowhere] {
        let view = here.blocks().visit(&cid, Trust::Stranger).unwrap();
        let error = view.get(&cid).await.unwrap_err();
        assert!(matches!(error, BlockError::NotFound { .. }), "{error}");
    }
    // With others, after as long as they are asked.
    here.meet(&other).await;
    for cid in [pinned, in_flight, nowhere] {
        let view = here.blocks().visit(&cid, Trust::Stranger).unwrap();
        let start = Instant::now();
        let error = timeout(LONG, view.get(&cid)).await.unwrap().unwrap_err();
        assert!(matches!(error, BlockError::Unreachable { .. }), "{error}");
        assert!(start.elapsed() >= PATIENCE);
    }
    // A trusted reader sees both that are here.
    for cid in [pinned, in_flight] {
        let view = here.blocks().visit(&cid, Trust::Trusted).unwrap();
        view.get(&cid).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_dag_does_not_lead_to_a_private_block() {
    let (here, stranger) = (impatient().await, Peer::new().await);
    let secret = noise(7, 5000);
    let guard = here.store.in_flight();
    let private = cid_of(RAW, &secret);
    here.store.put(&private, &secret, &guard).unwrap();
    let holder = "private".parse().unwrap();
    here.store
        .pin(&holder, &private, Audience::Members)
        .unwrap();

    // The stranger knows the CID and has made a directory around it.
    let link = ipld_dagpb::PbLink {
        cid: private,
        name: Some("mine".into()),
        size: Some(5000),
    };
    let directory = crate::parts::node(
        &crate::parts::Message {
            kind: 1,
            ..Default::default()
        },
        vec![link],
    );
    let root = cid_of(crate::parts::DAG_PB, &directory);
    let theirs = stranger.store.in_flight();
    stranger.store.put(&root, &directory, &theirs).unwrap();
    // Pinning takes the whole DAG, which the stranger does not have; a served block needs a pin.
    stranger.store.put(&private, &secret, &theirs).unwrap();
    let holder = "bait".parse().unwrap();
    stranger
        .store
        .pin(&holder, &root, Audience::Anyone)
        .unwrap();
    here.meet(&stranger).await;

    let view = here.blocks().visit(&root, Trust::Stranger).unwrap();
    timeout(LONG, view.get(&root)).await.unwrap().unwrap();
    let error = timeout(LONG, view.get(&private))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, BlockError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_gave_is_not_for_strangers() {
    let (member, here) = (Peer::new().await, impatient().await);
    let package = member.add_package(1, 1000, Audience::Members);
    // Each is a member to the other.
    let addresses = vec![(here.address().await, Standing::Writer)];
    member.network.set_members(addresses).unwrap();
    let addresses = vec![(member.address().await, Standing::Writer)];
    here.network.set_members(addresses).unwrap();
    here.meet(&member).await;

    let trusted = here.blocks().visit(&package.root, Trust::Trusted).unwrap();
    timeout(LONG, trusted.get(&package.root))
        .await
        .unwrap()
        .unwrap();
    let stranger = here.blocks().visit(&package.root, Trust::Stranger).unwrap();
    let error = timeout(LONG, stranger.get(&package.root)).await.unwrap();
    assert!(matches!(error, Err(BlockError::Unreachable { .. })));
}
