//! From a follow to what is listed, and back.

use cidcast_catalog::{FollowPolicy, Interest, Subject};
use cidcast_discovery::feeds::Mode;

use crate::host::{Host, eventually};

async fn lists(host: &Host, expected: &[&str]) {
    eventually(&format!("{expected:?} is listed"), async || {
        (host.titles().await == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_followed_is_listed_blocked_let_in_and_forgotten() {
    let (here, there) = (
        Host::new(Mode::Follows).await,
        Host::new(Mode::Follows).await,
    );
    there.make_public(1, "First").await;
    there.has(&there.publisher(), 1).await;
    let address = there.swarm.listen_addresses().await.remove(0);
    let follows = here.discovery.follows();
    let target = address.parse().unwrap();
    let follow = follows.follow(&target, FollowPolicy::default()).await;
    let id = follow.unwrap().id;
    lists(&here, &["First"]).await;
    eventually("a follower", async || {
        there
            .discovery
            .follows()
            .followers(0, 9)
            .await
            .unwrap()
            .pop()
    })
    .await;

    let subject = Subject::Publisher(there.publisher());
    let trust = here.discovery.trust();
    trust.block(&subject, "", None).await.unwrap();
    lists(&here, &[]).await;
    there.make_public(2, "Second").await;
    there.has(&there.publisher(), 2).await;
    trust.unblock(&subject).await.unwrap();
    // What was missed meanwhile is caught up with.
    lists(&here, &["Second", "First"]).await;

    follows.unfollow(id).await.unwrap();
    lists(&here, &[]).await;
    let interest = here.catalog.interest(&there.publisher()).await.unwrap();
    assert_eq!(interest, Interest::Unknown);
    let peer = Subject::Peer(there.swarm.peer_id().parse().unwrap());
    let score = trust.score(&peer).await.unwrap().score;
    assert!(score > 100, "it has delivered");
}
