//! One publisher's key on more than one host.

use std::fs;

use cidcast_announce::Announcement;
use cidcast_announce::chain::second_history;
use cidcast_discovery::feeds::{Mode, OwnError, OwnStatus, Standing};

use crate::host::{DAY_ZERO, Host, LONG, eventually};

/// A folder with the key of somebody else.
fn with_key_of(host: &Host) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = host.folder.path().join("publisher.key");
    fs::copy(key, folder.path().join("publisher.key")).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_key_goes_on_where_the_feed_ended() {
    let (one, two) = (Host::new(Mode::Follows).await, Host::new(Mode::Open).await);
    two.meet(&one).await;
    let publisher = one.publisher();
    one.make_public(1, "On the old host").await;
    let told = one.has(&publisher, 1).await.have;
    two.has(&publisher, told).await;
    let folder = with_key_of(&one);
    one.stop().await;

    let new = Host::at(folder, Mode::Follows, DAY_ZERO + 1000).await;
    assert_eq!(new.publisher(), publisher);
    let asset = new.make_public(2, "On the new host").await;
    let refused = new.feeds().set_profile(Default::default()).await;
    assert!(
        matches!(refused, Err(OwnError::NotReady(Standing::Unconfirmed))),
        "alone, it does not know where it stands: {refused:?}"
    );
    assert_eq!(new.feed(&publisher).await.unwrap().have, 0);

    new.meet(&two).await;
    let mut own = new.feeds().watch_own();
    own.wait_for(|own| own.standing == Standing::Ready)
        .await
        .unwrap();
    let feed = new.has(&publisher, told + 1).await;
    assert_eq!(feed.forked_at, None);
    let mut both = eventually("both", async || {
        Some(two.titles().await).filter(|titles| titles.len() == 2)
    })
    .await;
    both.sort();
    assert_eq!(
        both,
        ["On the new host", "On the old host"],
        "nothing was retracted"
    );
    assert_eq!(two.feed(&publisher).await.unwrap().forked_at, None);
    let added = new
        .catalog
        .announced_asset(&publisher, &asset)
        .await
        .unwrap();
    assert!(added.unwrap().seq >= told);
    new.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloned_key_forks_the_feed_and_everybody_sees_it() {
    let one = Host::new(Mode::Follows).await;
    let publisher = one.publisher();
    let two = Host::at(with_key_of(&one), Mode::Follows, DAY_ZERO).await;
    // Neither knows of the other, and the operator vouches wrongly.
    two.feeds().confirm_own().await.unwrap();
    one.make_public(1, "Here").await;
    two.make_public(2, "There").await;
    one.has(&publisher, 1).await;
    two.has(&publisher, 1).await;

    let three = Host::new(Mode::Open).await;
    three.meet(&one).await;
    three.has(&publisher, 1).await;
    three.meet(&two).await;
    one.meet(&two).await;
    // Nobody says anything new, and both branches are of one length.
    // The fourth hears one of them only, from somebody who has kept evidence.
    let four = Host::new(Mode::Open).await;
    four.meet(&three).await;
    for host in [&one, &two, &three, &four] {
        eventually("evidence", async || {
            host.clock.advance(std::time::Duration::from_secs(30));
            host.feed(&publisher).await?.forked_at
        })
        .await;
        let forks = host.catalog.forks(&publisher).await.unwrap();
        let read = |bytes| Announcement::verify(bytes).unwrap();
        let (first, second) = (read(&forks[0].first), read(&forks[0].second));
        assert!(second_history(&first, &second).is_some());
    }
    for host in [&one, &two] {
        let refused = host.feeds().set_profile(Default::default()).await;
        assert!(
            matches!(refused, Err(OwnError::NotReady(Standing::Forked))),
            "{refused:?}"
        );
    }
    for host in [one, two, three, four] {
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_key_waits_for_what_its_name_leads_to() {
    let (one, two) = (Host::new(Mode::Follows).await, Host::new(Mode::Open).await);
    // Somebody who remembers names, and nothing else.
    let names = Host::new(Mode::Off).await;
    one.meet(&names).await;
    two.meet(&one).await;
    let publisher = one.publisher();
    one.make_public(1, "First").await;
    let told = one.has(&publisher, 1).await.have;
    two.has(&publisher, told).await;
    let folder = two.stop().await;
    one.make_public(2, "Second").await;
    let newest = one.has(&publisher, told + 1).await;
    let path = format!("/ipfs/{}", newest.head.unwrap());
    eventually("the publisher's name", async || {
        let name = publisher.to_string();
        let leads_to = names.names.resolve(&name).await;
        (leads_to.ok()? == path).then_some(())
    })
    .await;

    // Whom it asks knows less than there is, and what the name leads to is not to be had.
    let key = with_key_of(&one);
    let old = one.stop().await;
    let two = Host::at(folder, Mode::Open, DAY_ZERO).await;
    let new = Host::at(key, Mode::Follows, DAY_ZERO + 1000).await;
    new.meet(&names).await;
    new.meet(&two).await;
    new.has(&publisher, told).await;
    let mut own = new.feeds().watch_own();
    let doubts = |own: &OwnStatus| own.standing == Standing::Unconfirmed && own.error.is_some();
    let waiting = own.wait_for(doubts);
    // A block that nobody has is looked for some 40 s.
    let waiting = tokio::time::timeout(3 * LONG, waiting).await;
    waiting.unwrap().unwrap();

    // The old host comes back once more, and says where it is now.
    let one = Host::at(old, Mode::Follows, DAY_ZERO + 1000).await;
    let mut back = one.feeds().watch_own();
    let turn = back.wait_for(|own| own.reconciled_at.is_some()).await;
    turn.unwrap();
    new.meet(&one).await;
    new.has(&publisher, newest.have).await;
    let moved = async {
        loop {
            new.clock.advance(std::time::Duration::from_secs(61));
            if own.borrow_and_update().standing == Standing::Ready {
                return;
            }
            own.changed().await.unwrap();
        }
    };
    tokio::time::timeout(LONG, moved).await.unwrap();
    assert_eq!(new.feed(&publisher).await.unwrap().forked_at, None);
    for host in [one, two, names, new] {
        host.stop().await;
    }
}
