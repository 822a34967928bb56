//! What a process that ended at the wrong moment leaves, and what the next one makes of it.

use cidcast_catalog::{Catalog, FollowPolicy, Patch};
use cidcast_discovery::feeds::Mode;
use cidcast_store::{Audience, Holder, Store, StoreSettings};
use cidcast_types::{Cid, Timestamp, Visibility};
use multihash_codetable::{Code, MultihashDigest};

use crate::host::{DAY_ZERO, Host, eventually};

async fn catalog_in(folder: &tempfile::TempDir) -> Catalog {
    let path = folder.path().join("catalog.sqlite");
    Catalog::open(&path).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_that_no_announcement_names_are_released() {
    let host = Host::new(Mode::Follows).await;
    let publisher = host.publisher();
    host.make_public(1, "Here").await;
    let before = host.has(&publisher, 1).await;
    let folder = host.stop().await;

    // As far as the pins, and then no signature.
    let catalog = catalog_in(&folder).await;
    let store = Store::open(&folder.path().join("store"), StoreSettings::default()).unwrap();
    let holder: Holder = format!("snapshot/{publisher}").parse().unwrap();
    let data = b"\xa0";
    let segment = Cid::new_v1(0x71, Code::Sha2_256.digest(data));
    catalog.mark_untidy(&publisher).await.unwrap();
    let guard = store.in_flight();
    store.put(&segment, data, &guard).unwrap();
    store
        .pin_blocks(&holder, &[segment], Audience::Anyone)
        .unwrap();
    drop(guard);
    catalog.close().await;
    store.close().unwrap();

    let host = Host::at(folder, Mode::Follows, DAY_ZERO + 1).await;
    assert_eq!(host.store.pinned_roots(&holder).unwrap(), []);
    assert_eq!(host.catalog.untidy_feeds().await.unwrap(), []);
    let after = host.feed(&publisher).await.unwrap();
    assert!(after.have >= before.have);
    let kept = host.catalog.kept_announcements(&publisher, 0, 1).await;
    let first = kept.unwrap()[0].cid;
    assert!(host.store.has(&first).unwrap(), "what is needed stays");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_unfollowed_by_the_process_before_is_forgotten() {
    let (here, there) = (
        Host::new(Mode::Follows).await,
        Host::new(Mode::Follows).await,
    );
    let publisher = there.publisher();
    there.make_public(1, "First").await;
    there.has(&publisher, 1).await;
    let address = there.swarm.listen_addresses().await.remove(0);
    let follows = here.discovery.follows();
    let target = address.parse().unwrap();
    let follow = follows.follow(&target, FollowPolicy::default()).await;
    let id = follow.unwrap().id;
    let known = here.has(&publisher, 1).await;
    let first = here.catalog.announcement_cid(&publisher, 0).await;
    let first = first.unwrap().unwrap();
    there.stop().await;
    let folder = here.stop().await;

    let catalog = catalog_in(&folder).await;
    catalog.remove_follow(id).await.unwrap();
    catalog.close().await;

    let here = Host::at(folder, Mode::Follows, DAY_ZERO + 1).await;
    assert!(known.have > 0);
    eventually("forgotten", async || {
        (here.feed(&publisher).await?.have == 0).then_some(())
    })
    .await;
    eventually("the block is released", async || {
        (here.store.audience(&first).unwrap().is_none()).then_some(())
    })
    .await;
    assert_eq!(here.titles().await, [""; 0]);
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_of_a_retraction_is_told_by_the_next_process() {
    let host = Host::new(Mode::Follows).await;
    let publisher = host.publisher();
    let asset = host.make_public(1, "Here").await;
    host.has(&publisher, 1).await;
    let why = host.feeds().retract_because(&asset, "rights ended");
    why.await.unwrap();
    let folder = host.stop().await;

    let catalog = catalog_in(&folder).await;
    let private = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    let now = Timestamp::from_millis(DAY_ZERO);
    catalog.update(&asset, &private, now).await.unwrap();
    catalog.close().await;

    let host = Host::at(folder, Mode::Follows, DAY_ZERO + 1).await;
    let tombstone = eventually("the retraction", async || {
        let gone = host.catalog.tombstones(&publisher, 9).await.unwrap();
        gone.into_iter().next()
    });
    assert_eq!(tombstone.await.reason, "rights ended");
    eventually("the reason is told", async || {
        let waiting = host.catalog.retract_reason(&asset).await.unwrap();
        waiting.is_none().then_some(())
    })
    .await;
    host.stop().await;
}
