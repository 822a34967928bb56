//! Blocked and revoked, and let in again.

use cidcast_announce::{Announcement, Draft, Op, Publish, Replication, SigningKey, ViewSharing};
use cidcast_catalog::{AnnouncedQuery, FIRST_SCORE, Fate, FeedLimits, Refusal, Subject};
use cidcast_discovery::trust::{BlockError, Deed, ListError};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp};

use crate::node::{LONG, Node, eventually};

/// Records that `key` has announced something.
async fn record(node: &Node, key: &SigningKey) {
    let mut root = vec![0x01, 0x70, 0x12, 0x20];
    root.extend([7; 32]);
    let publish = Publish {
        asset: AssetId::from_parts(Timestamp::from_millis(1), 1),
        root: RootCid::new(Cid::try_from(root).unwrap()),
        title: "Something".to_owned(),
        description: String::new(),
        tags: vec![],
        created_at: Timestamp::from_millis(1),
        duration_ms: 5,
        bytes: 6,
        renditions: vec![],
        poster: None,
        language: None,
        replication: Replication { min: 1, max: 3 },
        views: ViewSharing::Share,
    };
    let draft = Draft {
        seq: 0,
        prev: None,
        at: Timestamp::from_millis(1),
        ops: vec![Op::Publish(Box::new(publish))],
    };
    let announcement = Announcement::sign(key, draft).unwrap();
    let limits = FeedLimits {
        publisher_bytes: 1 << 20,
        total_bytes: 1 << 20,
        publishers: 10,
    };
    let now = Timestamp::from_millis(1_000);
    node.catalog
        .record(&[announcement], &limits, now)
        .await
        .unwrap();
}

async fn is_listed(node: &Node, count: usize) {
    eventually(&format!("{count} assets are listed"), async || {
        let query = AnnouncedQuery {
            search: Some("something".to_owned()),
            ..AnnouncedQuery::default()
        };
        let found = node.catalog.announced(&query).await.unwrap().items.len();
        let listed = node.catalog.announced(&AnnouncedQuery::default()).await;
        let listed = listed.unwrap().items.len();
        (found == count && listed == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_blocked_publisher_announced_is_neither_listed_nor_found_until_it_is_unblocked() {
    let node = Node::new(1).await;
    let key = SigningKey::from_seed([9; 32]);
    let subject = Subject::Publisher(key.publisher());
    record(&node, &key).await;
    is_listed(&node, 1).await;
    node.trust.block(&subject, "lies", None).await.unwrap();
    is_listed(&node, 0).await;
    let fates = node.trust.fates().await.unwrap();
    assert_eq!(fates[&key.publisher()], Fate::Unindex);
    node.trust
        .block(&subject, "lies", Some(Fate::Keep))
        .await
        .unwrap();
    is_listed(&node, 1).await;
    node.trust
        .block(&subject, "lies", Some(Fate::Delete))
        .await
        .unwrap();
    is_listed(&node, 0).await;
    assert!(node.trust.unblock(&subject).await.unwrap());
    is_listed(&node, 1).await;
    assert!(node.trust.fates().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_blocked_peer_is_disconnected_and_stays_out_until_it_is_unblocked() {
    let (one, two) = (Node::new(1).await, Node::new(2).await);
    one.meet(&two).await;
    let subject = Subject::Peer(two.id());
    one.trust.block(&subject, "", None).await.unwrap();
    assert!(one.trust.refuses_peer(&two.peer()));
    eventually("disconnected", async || {
        (!one.is_connected(&two) && !two.is_connected(&one)).then_some(())
    })
    .await;
    let address = one.address().await;
    let refused = two.swarm.connect(&address, LONG).await;
    eventually("not let in", async || {
        (!one.is_connected(&two)).then_some(())
    })
    .await;
    drop(refused);
    one.trust.unblock(&subject).await.unwrap();
    eventually("let in again", async || {
        let _ = two.swarm.connect(&address, LONG).await;
        one.is_connected(&two).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_delivers_nonsense_is_revoked_and_restored_by_the_operator() {
    let (one, two) = (Node::new(1).await, Node::new(2).await);
    one.meet(&two).await;
    let subject = Subject::Peer(two.id());
    one.trust.note_peer(&two.peer(), Deed::Delivered).await;
    for _ in 0..11 {
        assert!(!one.trust.refuses_peer(&two.peer()));
        one.trust.note_peer(&two.peer(), Deed::Forged).await;
    }
    assert!(one.trust.refuses_peer(&two.peer()));
    let score = one.trust.score(&subject).await.unwrap();
    assert_eq!((score.score, score.delivered, score.failed), (0, 1, 11));
    assert_eq!(score.reasons[0].why, Deed::Forged.why());
    eventually("let go of", async || {
        (!one.is_connected(&two)).then_some(())
    })
    .await;
    one.trust.note_peer(&two.peer(), Deed::Delivered).await;
    assert!(one.trust.refuses_peer(&two.peer()), "revoked for good");

    let reset = one.trust.reset_score(&subject).await.unwrap();
    assert_eq!(reset.score, FIRST_SCORE);
    assert!(!one.trust.refuses_peer(&two.peer()));
    eventually("let in again", async || {
        let _ = two.swarm.connect(&one.address().await, LONG).await;
        one.is_connected(&two).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_revoked_publisher_announced_goes_and_comes_back() {
    let node = Node::new(1).await;
    let key = SigningKey::from_seed([9; 32]);
    let subject = Subject::Publisher(key.publisher());
    record(&node, &key).await;
    for _ in 0..10 {
        node.trust.note(subject, Deed::Forked).await;
    }
    is_listed(&node, 0).await;
    let refusal = node.catalog.refusal(&subject).await.unwrap();
    assert_eq!(refusal, Some(Refusal::Revoked));
    node.trust.reset_score(&subject).await.unwrap();
    is_listed(&node, 1).await;
}

#[tokio::test]
async fn nobody_blocks_itself() {
    let node = Node::new(1).await;
    let own = node.trust.block(&Subject::Peer(node.id()), "", None).await;
    assert!(matches!(own, Err(BlockError::Oneself(_))), "{own:?}");
    let own = Subject::Publisher(node.key.publisher());
    let own = node.trust.block(&own, "", None).await;
    assert!(matches!(own, Err(BlockError::OwnPublisher(_))), "{own:?}");
}

#[tokio::test]
async fn a_block_list_travels_is_believed_by_its_signature_and_is_taken_back() {
    let (author, reader) = (Node::new(1).await, Node::new(2).await);
    let spammer = Subject::Publisher(SigningKey::from_seed([9; 32]).publisher());
    // Who blocks the reader does not cut it off from itself.
    for subject in [spammer, Subject::Peer(reader.id())] {
        author.trust.block(&subject, "spam", None).await.unwrap();
    }
    let list = author.lists.export(&author.key, "Spammers").await.unwrap();
    assert_eq!(list.entries().len(), 2);

    // As a file.
    let mut damaged = list.bytes().to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let refused = reader.lists.import(&damaged).await;
    assert!(matches!(refused, Err(ListError::Verify(_))), "{refused:?}");
    reader.lists.import(list.bytes()).await.unwrap();
    let blocked = reader.trust.blocked(0, 10).await.unwrap();
    assert_eq!(blocked.len(), 1);
    assert_eq!(
        (blocked[0].subject, blocked[0].by),
        (spammer, Some(author.key.publisher()))
    );
    let id = reader.trust.block_lists().await.unwrap()[0].id;
    reader.trust.remove_block_list(id).await.unwrap();
    assert_eq!(reader.catalog.refusal(&spammer).await.unwrap(), None);

    // From the publisher's node, which shares nothing before its operator says so. It blocks the
    // reader itself no longer: they would not talk.
    let reader_itself = Subject::Peer(reader.id());
    author.trust.unblock(&reader_itself).await.unwrap();
    let publisher = author.key.publisher();
    eventually("connected", async || {
        let _ = reader.swarm.connect(&author.address().await, LONG).await;
        (reader.knows(&author) && author.knows(&reader)).then_some(())
    })
    .await;
    let nobody = reader.lists.import_from(&publisher).await;
    assert!(
        matches!(nobody, Err(ListError::Nobody { .. })),
        "{nobody:?}"
    );
    author.lists.share(&author.key, "Spammers").await.unwrap();
    let list = reader.lists.import_from(&publisher).await.unwrap();
    assert_eq!(list.author(), publisher);
    assert_eq!(
        reader.catalog.refusal(&spammer).await.unwrap(),
        Some(Refusal::Blocked)
    );
    // Whoever has it may pass it on.
    assert!(reader.lists.of(&publisher).await.unwrap().is_some());
    author.lists.unshare().await.unwrap();
    assert!(author.lists.of(&publisher).await.unwrap().is_none());
}
