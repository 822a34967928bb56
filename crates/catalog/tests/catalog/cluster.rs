//! The cluster that the node is in, the logs of its members, and what happened.

use cidcast_announce::NodeKey;
use cidcast_announce::cluster::{ClusterOp, Entry, EntryDraft, Stamp};
use cidcast_catalog::{
    Catalog, CatalogError, ClusterLogUsage, ClusterRowsError, EntryKept, InCluster,
    MAX_CLUSTER_EVENT_TEXT, MAX_CLUSTER_EVENTS,
};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use crate::given::{at, catalog, node};

fn key(n: u8) -> NodeKey {
    NodeKey::from_seed([n; 32])
}

fn sign(n: u8, draft: EntryDraft) -> Entry {
    Entry::sign(&key(n), draft).unwrap()
}

/// The entry with which member `n` founds a cluster.
fn founding(n: u8) -> Entry {
    let name = format!("cluster of {n}");
    sign(
        n,
        EntryDraft {
            cluster: None,
            seq: 0,
            prev: None,
            at: Stamp {
                wall: at(1),
                count: 0,
            },
            ops: vec![ClusterOp::Found { name }],
        },
    )
}

/// An entry of member `n` in the cluster of `genesis`, after `before`. It removes member
/// `removes`, so that entries can differ.
fn entry(n: u8, genesis: &Entry, before: Option<&Entry>, removes: u8) -> Entry {
    let member = node(removes);
    sign(
        n,
        EntryDraft {
            cluster: Some(genesis.cluster()),
            seq: before.map_or(0, |before| before.seq() + 1),
            prev: before.map(Entry::cid),
            at: Stamp {
                wall: at(2),
                count: 0,
            },
            ops: vec![ClusterOp::Remove { member, last: None }],
        },
    )
}

async fn all(catalog: &Catalog) -> Vec<Entry> {
    catalog.cluster_entries(None, 1_000).await.unwrap()
}

fn by_author_and_number(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| (*entry.author().as_bytes(), entry.seq()));
    entries
}

#[tokio::test]
async fn a_node_is_in_one_cluster_and_forgets_all_of_it_when_it_leaves() {
    let catalog = catalog().await;
    assert_eq!(catalog.cluster().await.unwrap(), None);
    let (ours, theirs) = (founding(1), founding(2));
    let kept = catalog
        .join_cluster(ours.cluster(), std::slice::from_ref(&ours), at(5))
        .await
        .unwrap();
    assert_eq!(kept, [EntryKept::New]);
    catalog
        .note_cluster_event("joined", "it is in", at(5))
        .await
        .unwrap();

    let refused = catalog
        .join_cluster(theirs.cluster(), std::slice::from_ref(&theirs), at(6))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, ClusterRowsError::OtherCluster { is, other }
            if (**is, **other) == (ours.cluster(), theirs.cluster())),
        "{refused:?}"
    );
    let again = catalog
        .join_cluster(ours.cluster(), std::slice::from_ref(&ours), at(7))
        .await
        .unwrap();
    assert_eq!(again, [EntryKept::Known]);
    let (cluster, joined_at) = (ours.cluster(), at(5));
    let in_it = catalog.cluster().await.unwrap();
    assert_eq!(in_it, Some(InCluster { cluster, joined_at }));

    catalog.leave_cluster().await.unwrap();
    assert_eq!(catalog.cluster().await.unwrap(), None);
    assert_eq!(all(&catalog).await, []);
    assert_eq!(catalog.cluster_events(None, 10).await.unwrap(), []);
    catalog
        .join_cluster(theirs.cluster(), &[theirs], at(8))
        .await
        .unwrap();
}

#[tokio::test]
async fn entries_that_are_joined_with_are_all_of_that_cluster_or_nothing_is_kept() {
    let catalog = catalog().await;
    let (ours, theirs) = (founding(1), founding(2));
    let foreign = entry(3, &theirs, None, 9);
    let refused = catalog
        .join_cluster(ours.cluster(), &[ours.clone(), foreign.clone()], at(5))
        .await;
    assert!(
        matches!(refused, Err(ClusterRowsError::OtherCluster { .. })),
        "{refused:?}"
    );
    assert_eq!(catalog.cluster().await.unwrap(), None);
    assert_eq!(all(&catalog).await, []);
    let refused = catalog.keep_cluster_entries(&[foreign]).await;
    assert!(
        matches!(refused, Err(ClusterRowsError::NoCluster)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn logs_are_kept_in_order_without_gaps_and_the_first_of_a_fork_stays() {
    let catalog = catalog().await;
    let genesis = founding(1);
    let first = entry(2, &genesis, None, 9);
    let second = entry(2, &genesis, Some(&first), 9);
    let third = entry(2, &genesis, Some(&second), 9);
    let (other_second, other_first) = (
        entry(2, &genesis, Some(&first), 8),
        entry(2, &genesis, None, 8),
    );
    let after_other = entry(2, &genesis, Some(&other_second), 9);
    catalog
        .join_cluster(genesis.cluster(), std::slice::from_ref(&genesis), at(5))
        .await
        .unwrap();
    let given = [
        second.clone(), // before the first
        first.clone(),
        second.clone(),
        second.clone(),
        other_second,
        other_first,
        after_other,
        third.clone(),
    ];
    let kept = catalog.keep_cluster_entries(&given).await.unwrap();
    use EntryKept::{Fork, Gap, Known, New};
    assert_eq!(kept, [Gap, New, New, Known, Fork, Fork, Fork, New]);
    let expected = by_author_and_number(vec![genesis, first, second, third]);
    assert_eq!(all(&catalog).await, expected);
}

#[tokio::test]
async fn entries_are_read_page_by_page_and_counted() {
    let catalog = catalog().await;
    let genesis = founding(1);
    let mut entries = vec![genesis.clone()];
    for n in 1..=3 {
        let mut before = (n == 1).then(|| genesis.clone());
        for _ in 0..3 {
            let next = entry(n, &genesis, before.as_ref(), 9);
            entries.push(next.clone());
            before = Some(next);
        }
    }
    catalog
        .join_cluster(genesis.cluster(), &entries, at(5))
        .await
        .unwrap();
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = catalog.cluster_entries(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some((last.author(), last.seq()));
        read.extend(page);
    }
    let bytes = entries.iter().map(|entry| entry.bytes().len() as u64).sum();
    let usage = catalog.cluster_log_usage().await.unwrap();
    assert_eq!(usage, ClusterLogUsage { entries: 10, bytes });
    assert_eq!(read, by_author_and_number(entries));
}

#[tokio::test]
async fn a_damaged_entry_is_named_and_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let genesis = founding(1);
    let (next, stranger) = (
        entry(1, &genesis, Some(&genesis), 9),
        entry(2, &genesis, None, 9),
    );
    let mut flipped = next.bytes().to_vec();
    flipped[20] ^= 1;
    for damage in [flipped, stranger.bytes().to_vec(), Vec::new()] {
        let catalog = Catalog::open(&file).await.unwrap();
        catalog
            .join_cluster(genesis.cluster(), &[genesis.clone(), next.clone()], at(5))
            .await
            .unwrap();
        let options = SqliteConnectOptions::new().filename(&file);
        let mut raw = options.connect().await.unwrap();
        sqlx::query("UPDATE cluster_entries SET entry = ? WHERE seq = 1")
            .bind(damage)
            .execute(&mut raw)
            .await
            .unwrap();
        let refused = catalog.cluster_entries(None, 10).await.unwrap_err();
        assert!(
            matches!(&refused, CatalogError::UnreadableRow { column, .. }
                if *column == "cluster_entries.entry"),
            "{refused:?}"
        );
        let named = format!("entry 1 of {}", node(1));
        assert!(refused.to_string().contains(&named), "{refused}");
        let undamaged = catalog.cluster_entries(None, 1).await.unwrap();
        assert_eq!(undamaged, std::slice::from_ref(&genesis));
        catalog.leave_cluster().await.unwrap();
        catalog.close().await;
    }
}

#[tokio::test]
async fn the_newest_events_are_kept_and_long_texts_are_cut() {
    let catalog = catalog().await;
    let long = "é".repeat(MAX_CLUSTER_EVENT_TEXT + 1);
    for n in 0..MAX_CLUSTER_EVENTS + 2 {
        let text = if n == 3 { &long } else { "it went away" };
        let now = at(u64::from(n));
        catalog.note_cluster_event("lost", text, now).await.unwrap();
    }
    let events = catalog.cluster_events(None, 2_000).await.unwrap();
    assert_eq!(events.len(), MAX_CLUSTER_EVENTS as usize);
    let oldest = events.last().unwrap();
    assert_eq!((oldest.at, oldest.kind.as_str()), (at(2), "lost"));
    let cut = &events[events.len() - 2].text;
    assert_eq!(cut.chars().count(), MAX_CLUSTER_EVENT_TEXT);
    let page = catalog.cluster_events(Some(events[9].id), 3).await.unwrap();
    assert_eq!(page, events[10..13]);
}

#[tokio::test]
async fn a_start_has_a_larger_number_than_the_one_before_whatever_the_clock_says() {
    let catalog = catalog().await;
    let none = catalog.boot_member(at(5)).await;
    assert!(matches!(none, Err(ClusterRowsError::NoCluster)));
    let genesis = founding(1);
    let cluster = genesis.cluster();
    catalog
        .join_cluster(cluster, &[genesis], at(1))
        .await
        .unwrap();
    let first = catalog.boot_member(at(5)).await.unwrap();
    let second = catalog.boot_member(at(2)).await.unwrap();
    let third = catalog.boot_member(at(9_000)).await.unwrap();
    assert!(first < second && second < third);
    assert!(third >= at(9_000).as_millis());
}

#[tokio::test]
async fn addresses_of_members_are_kept_until_the_cluster_is_left() {
    let catalog = catalog().await;
    let old = vec![(node(1), vec!["/ip4/192.0.2.1/tcp/1".to_owned()])];
    catalog.note_member_addresses(&old, at(1)).await.unwrap();
    let new = vec![
        (node(1), vec!["/ip4/192.0.2.7/tcp/1".to_owned()]),
        (node(2), vec![]),
    ];
    catalog.note_member_addresses(&new, at(2)).await.unwrap();
    let mut kept = catalog.member_addresses().await.unwrap();
    kept.sort_by_key(|(member, _)| *member != node(1));
    assert_eq!(kept, new);
    catalog.leave_cluster().await.unwrap();
    assert_eq!(catalog.member_addresses().await.unwrap(), []);
}

#[tokio::test]
async fn a_log_is_read_in_pieces_from_a_number_on() {
    let catalog = catalog().await;
    let genesis = founding(1);
    let cluster = genesis.cluster();
    let first = entry(2, &genesis, None, 3);
    let second = entry(2, &genesis, Some(&first), 4);
    let all = [genesis.clone(), first.clone(), second.clone()];
    catalog.join_cluster(cluster, &all, at(1)).await.unwrap();
    let log = |from, bytes| catalog.cluster_log(node(2), from, bytes);
    let whole = (vec![first.clone(), second.clone()], false);
    assert_eq!(log(0, 1 << 20).await.unwrap(), whole);
    assert_eq!(log(0, 1).await.unwrap(), (vec![first], true));
    assert_eq!(log(1, 1).await.unwrap(), (vec![second], false));
    assert_eq!(log(2, 1).await.unwrap(), (vec![], false));
}
