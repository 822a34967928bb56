//! Notices that wait, and nodes that are remembered.

use cidcast_catalog::{
    Catalog, Delivery, DeliveryCounts, KnownNode, MAX_KNOWN_NODES, NewDelivery, NodeSource,
    Undelivered,
};

use crate::given::{at, catalog, node};

fn notice(n: u8, about: &str, bytes: u8) -> NewDelivery {
    NewDelivery {
        node: node(n),
        addresses: vec![format!("/ip4/192.0.2.1/tcp/1/p2p/{}", node(n))],
        about: about.to_owned(),
        notice: vec![bytes],
    }
}

async fn due(catalog: &Catalog, n: u8, now: u64) -> Vec<Delivery> {
    catalog.due_deliveries(&node(n), at(now), 10).await.unwrap()
}

#[tokio::test]
async fn notices_wait_in_order_and_a_newer_one_replaces_an_older() {
    let catalog = catalog().await;
    for (about, bytes) in [("a", 1), ("b", 2), ("a", 3)] {
        let taken = catalog.add_delivery(&notice(1, about, bytes), at(5)).await;
        assert!(taken.unwrap());
    }
    catalog
        .add_delivery(&notice(2, "a", 4), at(4))
        .await
        .unwrap();
    let waiting = due(&catalog, 1, 5).await;
    let bytes: Vec<_> = waiting.iter().map(|one| one.notice.as_slice()).collect();
    assert_eq!(bytes, [[2], [3]]);
    assert_eq!(waiting[0].addresses, notice(1, "", 0).addresses);
    assert_eq!(
        catalog.nodes_to_deliver_to(at(5), 10).await.unwrap(),
        [node(2), node(1)]
    );
    assert_eq!(catalog.next_delivery_at().await.unwrap(), Some(at(4)));
    assert_eq!(due(&catalog, 1, 4).await, []);
}

#[tokio::test]
async fn what_does_not_arrive_waits_longer_is_given_up_and_can_be_tried_again() {
    let catalog = catalog().await;
    for about in ["a", "b", "c"] {
        catalog
            .add_delivery(&notice(1, about, 1), at(0))
            .await
            .unwrap();
    }
    let ids: Vec<_> = due(&catalog, 1, 0).await.iter().map(|one| one.id).collect();
    let failed = |id, next_at| Undelivered {
        id,
        error: "does not answer".to_owned(),
        next_at,
    };
    catalog
        .settle_deliveries(
            &ids[..1],
            &[failed(ids[1], Some(at(6))), failed(ids[2], None)],
        )
        .await
        .unwrap();
    assert_eq!(due(&catalog, 1, 5).await, []);
    assert_eq!(due(&catalog, 1, 6).await[0].failures, 1);
    assert_eq!(
        catalog.delivery_counts().await.unwrap(),
        DeliveryCounts {
            waiting: 1,
            given_up: 1
        }
    );
    let all = catalog.deliveries(0, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[1].next_at, all[1].error.as_deref()),
        (None, Some("does not answer"))
    );

    assert_eq!(
        catalog.retry_deliveries(Some(ids[2]), at(7)).await.unwrap(),
        1
    );
    let tried = &due(&catalog, 1, 7).await[1];
    assert_eq!((tried.id, tried.failures), (ids[2], 0));
    assert!(catalog.drop_delivery(ids[2]).await.unwrap());
    assert!(!catalog.drop_delivery(ids[2]).await.unwrap());
}

#[tokio::test]
async fn a_notice_that_was_replaced_while_it_was_sent_stays() {
    let catalog = catalog().await;
    catalog
        .add_delivery(&notice(1, "a", 1), at(0))
        .await
        .unwrap();
    let sent = due(&catalog, 1, 0).await[0].id;
    catalog
        .add_delivery(&notice(1, "a", 2), at(0))
        .await
        .unwrap();
    catalog.settle_deliveries(&[sent], &[]).await.unwrap();
    assert_eq!(due(&catalog, 1, 0).await[0].notice, [2]);
}

#[tokio::test]
async fn deliveries_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = Catalog::open(&file).await.unwrap();
    catalog
        .add_delivery(&notice(1, "a", 1), at(0))
        .await
        .unwrap();
    let before = catalog.deliveries(0, 10).await.unwrap();
    catalog.close().await;
    let again = Catalog::open(&file).await.unwrap();
    assert_eq!(again.deliveries(0, 10).await.unwrap(), before);
}

#[tokio::test]
async fn nodes_are_remembered_and_the_longest_unseen_are_forgotten() {
    let catalog = catalog().await;
    let known = |n: u8, seen: u64| KnownNode {
        node: node(n),
        addresses: vec!["/ip4/192.0.2.1/tcp/1".to_owned()],
        source: NodeSource::Joined,
        seen_at: at(seen),
    };
    catalog
        .know_nodes(&[known(1, 1), known(2, 2)])
        .await
        .unwrap();
    catalog.know_nodes(&[known(1, 3)]).await.unwrap();
    let found = catalog.known_nodes(MAX_KNOWN_NODES).await.unwrap();
    assert_eq!(found, [known(1, 3), known(2, 2)]);
    assert_eq!(catalog.known_nodes(1).await.unwrap().len(), 1);
}
