//! Whom this node follows, and who follows it.

use std::time::Duration;

use cidcast_catalog::{
    Catalog, FollowError, FollowOrigin, FollowPolicy, FollowSaid, FollowerChange, FollowerState,
    Interest, NewFollow, Replicate, Resolved, Strategy, Subject, TransferPace,
};

use crate::given::{at, catalog, node, publisher};

fn new(target: &str) -> NewFollow {
    NewFollow {
        target: target.to_owned(),
        origin: FollowOrigin::Operator,
        policy: FollowPolicy {
            replicate: Replicate::Budget(20 << 30),
            renditions: vec!["480p".parse().unwrap(), "audio".parse().unwrap()],
            strategy: Strategy::Rare,
            min_lifetime: Duration::from_millis(1234),
            pace: TransferPace::Paused,
        },
        publisher: None,
        nodes: Vec::new(),
    }
}

fn found(n: u8) -> Resolved {
    Resolved {
        publisher: publisher(n),
        name: format!("Publisher {n}"),
        nodes: vec![format!("/ip4/192.0.2.1/tcp/1/p2p/{}", node(n))],
    }
}

#[tokio::test]
async fn a_follow_reads_back_as_it_was_given() {
    let catalog = catalog().await;
    let made = catalog.add_follow(&new("a.example"), at(5)).await.unwrap();
    assert_eq!(made.target, "a.example");
    assert_eq!(made.policy, new("").policy);
    assert_eq!((made.publisher, made.next_at), (None, Some(at(5))));
    assert_eq!(catalog.follow(made.id).await.unwrap(), made);
    assert_eq!(
        catalog.follows().await.unwrap(),
        std::slice::from_ref(&made)
    );

    let again = catalog.add_follow(&new("a.example"), at(6)).await;
    assert!(matches!(again, Err(FollowError::Already { id, .. }) if id == made.id));
    catalog.remove_follow(made.id).await.unwrap();
    assert!(matches!(
        catalog.follow(made.id).await,
        Err(FollowError::NoSuchFollow(_))
    ));
}

#[tokio::test]
async fn a_follow_by_key_has_nothing_to_look_up() {
    let catalog = catalog().await;
    let key = NewFollow {
        publisher: Some(publisher(1)),
        ..new("key")
    };
    let made = catalog.add_follow(&key, at(5)).await.unwrap();
    assert_eq!(made.next_at, None);
    assert_eq!(
        catalog.due_follows(at(u64::MAX >> 1), 10).await.unwrap(),
        []
    );
    assert_eq!(
        catalog.interest(&publisher(1)).await.unwrap(),
        Interest::Followed
    );
    assert_eq!(
        catalog.interest(&publisher(2)).await.unwrap(),
        Interest::Unknown
    );
}

#[tokio::test]
async fn looking_up_is_tried_again_and_keeps_what_was_found() {
    let catalog = catalog().await;
    let id = catalog.add_follow(&new("a"), at(0)).await.unwrap().id;
    for failure in 1..=3 {
        catalog
            .follow_failed(id, "nobody answers", at(failure * 10))
            .await
            .unwrap();
    }
    let failing = catalog.follow(id).await.unwrap();
    assert_eq!((failing.failures, failing.publisher), (3, None));
    assert_eq!(failing.error.as_deref(), Some("nobody answers"));
    assert_eq!(catalog.due_follows(at(29), 10).await.unwrap(), []);
    assert_eq!(catalog.due_follows(at(30), 10).await.unwrap().len(), 1);

    let resolved = catalog
        .follow_resolved(id, &found(1), at(100), at(30))
        .await
        .unwrap();
    assert_eq!((resolved.failures, resolved.error), (0, None));
    assert_eq!(resolved.publisher, Some(publisher(1)));
    assert_eq!(resolved.nodes, found(1).nodes);
    catalog.follow_failed(id, "gone", at(200)).await.unwrap();
    assert_eq!(
        catalog.follow(id).await.unwrap().publisher,
        Some(publisher(1)),
        "an error forgets nothing"
    );
    catalog.hurry_follows(Some(id), at(110)).await.unwrap();
    assert_eq!(catalog.due_follows(at(110), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_changes_nothing_before_the_operator_accepts() {
    let catalog = catalog().await;
    let id = catalog.add_follow(&new("a"), at(0)).await.unwrap().id;
    assert!(matches!(
        catalog.accept_offered(id, at(1)).await,
        Err(FollowError::NothingOffered(_))
    ));
    for n in [1, 2] {
        catalog
            .follow_resolved(id, &found(n), at(100), at(1))
            .await
            .unwrap();
    }
    let moved = catalog.follow(id).await.unwrap();
    assert_eq!(
        (moved.publisher, moved.offered),
        (Some(publisher(1)), Some(publisher(2)))
    );
    assert_eq!(moved.name, "Publisher 1");
    assert_eq!(
        catalog.interest(&publisher(2)).await.unwrap(),
        Interest::Unknown
    );
    // It leads back: there is nothing to accept any more.
    let back = catalog.follow_resolved(id, &found(1), at(100), at(2)).await;
    assert_eq!(back.unwrap().offered, None);
    catalog
        .follow_resolved(id, &found(2), at(100), at(3))
        .await
        .unwrap();
    let accepted = catalog.accept_offered(id, at(4)).await.unwrap();
    assert_eq!(
        (accepted.publisher, accepted.offered),
        (Some(publisher(2)), None)
    );
    assert_eq!(accepted.next_at, Some(at(4)), "its nodes are looked up");
}

#[tokio::test]
async fn of_several_follows_of_one_publisher_the_last_word_counts() {
    let catalog = catalog().await;
    let first = catalog.add_follow(&new("a"), at(0)).await.unwrap().id;
    let second = catalog.add_follow(&new("b"), at(1)).await.unwrap().id;
    for id in [first, second] {
        catalog
            .follow_resolved(id, &found(1), at(100), at(2))
            .await
            .unwrap();
    }
    let all = FollowPolicy {
        replicate: Replicate::All,
        ..FollowPolicy::default()
    };
    let edited = catalog.set_follow_policy(first, &all, at(3)).await.unwrap();
    assert_eq!(edited.policy, all);
    let followed = catalog.followed().await.unwrap();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[&publisher(1)], all);
    catalog.remove_follow(first).await.unwrap();
    assert_eq!(
        catalog.followed().await.unwrap()[&publisher(1)],
        new("").policy
    );
}

#[tokio::test]
async fn who_is_blocked_is_refused_although_it_is_followed() {
    let catalog = catalog().await;
    let id = catalog.add_follow(&new("a"), at(0)).await.unwrap().id;
    catalog
        .follow_resolved(id, &found(1), at(100), at(2))
        .await
        .unwrap();
    let subject = Subject::Publisher(publisher(1));
    catalog.block(&subject, "", None, at(3)).await.unwrap();
    assert_eq!(
        catalog.interest(&publisher(1)).await.unwrap(),
        Interest::Blocked
    );
    assert!(catalog.unblock(&subject, at(4)).await.unwrap());
    assert_eq!(
        catalog.interest(&publisher(1)).await.unwrap(),
        Interest::Followed
    );
}

fn said(n: u8, state: FollowerState, when: u64) -> FollowSaid {
    FollowSaid {
        node: node(n),
        publisher: publisher(100),
        by: Some(publisher(n)),
        state,
        at: at(when),
    }
}

async fn note(catalog: &Catalog, said: &FollowSaid) -> FollowerChange {
    catalog.note_follower(said, at(1000)).await.unwrap()
}

#[tokio::test]
async fn a_follower_comes_renews_and_leaves() {
    use FollowerState::{Following, Left};
    let catalog = catalog().await;
    let steps = [
        (Following, 10, FollowerChange::New),
        (Following, 10, FollowerChange::Noted),
        (Following, 20, FollowerChange::Noted),
        (Left, 30, FollowerChange::Noted),
        (Following, 20, FollowerChange::Old),
        (Following, 30, FollowerChange::Old),
        (Following, 40, FollowerChange::New),
    ];
    for (state, when, expected) in steps {
        let change = note(&catalog, &said(1, state, when)).await;
        assert_eq!(change, expected, "{state} at {when}");
    }
    let followers = catalog.followers(0, 10).await.unwrap();
    assert_eq!(followers.len(), 1);
    assert_eq!(
        (followers[0].node, followers[0].by, followers[0].state),
        (node(1), Some(publisher(1)), Following)
    );
    assert!(catalog.forget_follower(&node(1)).await.unwrap());
    assert_eq!(catalog.followers(0, 10).await.unwrap(), []);
}
