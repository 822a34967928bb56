//! What is public on one node is announced, and found on another.

use cidcast_announce::Profile;
use cidcast_catalog::{FeedChange, Patch};
use cidcast_discovery::feeds::{Mode, OwnError, Standing};
use cidcast_store::{Audience, Holder};
use cidcast_types::Visibility;

use crate::host::{Host, LONG, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_public_here_is_found_there() {
    let (one, two) = (Host::new(Mode::Follows).await, Host::new(Mode::Open).await);
    two.meet(&one).await;
    let mut events = two.feeds().events();
    let asset = one.make_public(1, "Mountains").await;
    let event = tokio::time::timeout(LONG, async {
        loop {
            let event = events.recv().await.unwrap();
            if let FeedChange::Published { asset, .. } = event.change {
                return (event.publisher, asset);
            }
        }
    });
    assert_eq!(event.await.unwrap(), (one.publisher(), asset));
    assert_eq!(two.titles().await, ["Mountains"]);
    let feed = two.feed(&one.publisher()).await.unwrap();
    assert!(
        feed.profile.nodes[0].ends_with(&one.swarm.peer_id()),
        "where it is, is told"
    );

    let renamed = Patch {
        title: Some("Hills".to_owned()),
        ..Patch::default()
    };
    one.edit(&asset, renamed).await;
    eventually("the new title", async || {
        (two.titles().await == ["Hills"]).then_some(())
    })
    .await;

    let private = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    one.edit(&asset, private).await;
    eventually("the retraction", async || {
        two.titles().await.is_empty().then_some(())
    })
    .await;
    let tombstones = two.catalog.tombstones(&one.publisher(), 9).await.unwrap();
    assert_eq!(tombstones[0].asset, asset);

    let profile = Profile {
        name: "Somebody".to_owned(),
        ..feed.profile
    };
    one.feeds().set_profile(profile).await.unwrap();
    eventually("the name", async || {
        let feed = two.feed(&one.publisher()).await?;
        (feed.profile.name == "Somebody").then_some(())
    })
    .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_announced_before_its_package_is_pinned_for_anyone() {
    let host = Host::new(Mode::Follows).await;
    let asset = host.make_closed(1, "Early").await;
    let mut own = host.feeds().watch_own();
    own.wait_for(|own| own.waiting == 1).await.unwrap();
    assert_eq!(host.titles().await, [""; 0]);
    let root = host
        .catalog
        .get(&asset)
        .await
        .unwrap()
        .unwrap()
        .root
        .unwrap();
    let holder = Holder::from(&asset);
    host.store
        .pin(&holder, &root.cid(), Audience::Anyone)
        .unwrap();
    eventually("the announcement", async || {
        host.feeds().changed();
        (host.titles().await == ["Early"]).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_announces_nothing_twice() {
    let host = Host::new(Mode::Follows).await;
    let publisher = host.publisher();
    host.make_public(1, "Once").await;
    let before = host.has(&publisher, 1).await;
    let folder = host.stop().await;
    let host = Host::at(folder, Mode::Follows, crate::host::DAY_ZERO + 1).await;
    assert_eq!(
        (host.publisher(), host.feeds().own().standing),
        (publisher, Standing::Ready)
    );
    let mut own = host.feeds().watch_own();
    own.wait_for(|own| own.reconciled_at.is_some())
        .await
        .unwrap();
    // The port is another one, so where it is was told again; the asset was not.
    let after = host.feed(&publisher).await.unwrap();
    assert!(after.have <= before.have + 1);
    let asset = &host
        .catalog
        .announced(&Default::default())
        .await
        .unwrap()
        .items[0];
    assert!(asset.seq < before.have);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_off_says_nothing() {
    let host = Host::new(Mode::Off).await;
    host.make_public(1, "Quiet").await;
    let refused = host.feeds().set_profile(Profile::default()).await;
    assert!(matches!(refused, Err(OwnError::Off)), "{refused:?}");
    assert_eq!(host.titles().await, [""; 0]);
    host.stop().await;
}
