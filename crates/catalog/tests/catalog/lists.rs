//! Paging and searching.

use std::collections::BTreeSet;

use cidcast_catalog::{Catalog, Cursor, ListQuery, Patch};
use cidcast_types::{AssetId, AssetState, Visibility};
use proptest::prelude::*;

use crate::given::{asset, asset_id, at, catalog, titled};

async fn found(catalog: &Catalog, words: &str) -> Vec<AssetId> {
    let query = ListQuery {
        search: Some(words.to_owned()),
        ..ListQuery::default()
    };
    catalog
        .list(&query)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|asset| asset.id)
        .collect()
}

/// Every id of the pages that `query` gives, calling `between` after each page.
async fn walk(catalog: &Catalog, query: ListQuery, mut between: impl AsyncFnMut()) -> Vec<AssetId> {
    let (mut ids, mut query) = (Vec::new(), query);
    loop {
        let page = catalog.list(&query).await.unwrap();
        ids.extend(page.items.iter().map(|asset| asset.id));
        assert!(page.items.len() <= usize::try_from(query.limit).unwrap());
        let Some(next) = page.next else { return ids };
        assert!(
            !page.items.is_empty(),
            "a page before the last has something"
        );
        // As a client sends it back.
        query.cursor = Some(next.to_string().parse::<Cursor>().unwrap());
        between().await;
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn paging_gives_every_asset_once_while_others_arrive_and_go(
        count in 0u64..40,
        limit in 1u32..9,
        arrivals in 0u64..4,
        search: bool,
        clock_runs_backwards: bool,
    ) {
        block_on(async {
            let catalog = catalog().await;
            let time = |n: u64| if clock_runs_backwards { at(1_000 - n) } else { at(n) };
            for n in 0..count {
                let new = titled(n, "found by word");
                catalog.create(&cidcast_catalog::NewAsset { created_at: time(n), ..new }).await.unwrap();
            }
            let query = ListQuery {
                search: search.then(|| "word".to_owned()), limit, ..ListQuery::default()
            };
            let mut fresh = 500;
            let ids = walk(&catalog, query, async || {
                for _ in 0..arrivals {
                    fresh += 1;
                    catalog.create(&titled(fresh, "found by word")).await.unwrap();
                }
            }).await;
            let expected: Vec<AssetId> = (0..count).rev().map(asset_id).collect();
            assert_eq!(ids, expected);
        });
    }

    #[test]
    fn no_text_makes_the_search_fail(text in "\\PC{0,40}|[\"*:^(){}+ -]{0,20}|(NEAR|AND|OR|NOT|title|[( :\"*^]){0,12}") {
        block_on(async {
            let catalog = catalog().await;
            catalog.create(&asset(1)).await.unwrap();
            found(&catalog, &text).await;
        });
    }
}

#[tokio::test]
async fn a_deleted_asset_leaves_the_rest_of_the_pages_as_they_are() {
    let catalog = catalog().await;
    for n in 0..20 {
        catalog.create(&asset(n)).await.unwrap();
    }
    let mut oldest = 0;
    let query = ListQuery {
        limit: 3,
        ..ListQuery::default()
    };
    let ids = walk(&catalog, query, async || {
        // One from a page that is still to come, and never the same one twice.
        catalog.delete(&asset_id(oldest)).await.unwrap();
        oldest += 1;
    })
    .await;
    let distinct: BTreeSet<AssetId> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!((oldest..20).map(asset_id).all(|id| distinct.contains(&id)));
}

#[tokio::test]
async fn filters_hold_on_every_page_with_and_without_a_search() {
    let catalog = catalog().await;
    for n in 0..30 {
        catalog.create(&asset(n)).await.unwrap();
        if n % 3 == 0 {
            catalog
                .set_state(&asset_id(n), AssetState::Probing, at(50))
                .await
                .unwrap();
        }
        if n % 2 == 0 {
            let patch = Patch {
                visibility: Some(Visibility::Public),
                ..Patch::default()
            };
            catalog.update(&asset_id(n), &patch, at(50)).await.unwrap();
        }
    }
    let expected: Vec<AssetId> = (0..30).rev().filter(|n| n % 6 == 0).map(asset_id).collect();
    for search in [None, Some("title".to_owned())] {
        let query = ListQuery {
            search,
            state: Some(AssetState::Probing),
            visibility: Some(Visibility::Public),
            limit: 2,
            cursor: None,
        };
        assert_eq!(walk(&catalog, query, async || {}).await, expected);
    }
}

#[tokio::test]
async fn a_page_is_bounded_and_never_empty_by_request() {
    let catalog = catalog().await;
    for n in 0..210 {
        catalog.create(&asset(n)).await.unwrap();
    }
    for (asked, given) in [(0, 1), (u32::MAX, 200)] {
        let page = catalog
            .list(&ListQuery {
                limit: asked,
                ..ListQuery::default()
            })
            .await
            .unwrap();
        assert_eq!(page.items.len(), given);
    }
}

#[test]
fn what_is_not_a_cursor_is_refused_by_name() {
    for text in [
        "",
        "x",
        "MTIz",
        "!!",
        "MQAAAAAAAAAA",
        "Mf__________",
        "MQAAAAAAAAABMQ",
    ] {
        let refused = text.parse::<Cursor>().unwrap_err();
        assert!(refused.to_string().contains("is not a cursor"), "{text}");
    }
}

#[tokio::test]
async fn words_are_found_in_title_description_and_tags_whatever_their_case_and_accents() {
    let catalog = catalog().await;
    let mut new = titled(1, "Élan vital");
    new.description = "About ROBOTS".to_owned();
    new.tags = vec!["short film".to_owned(), "日本語".to_owned()];
    catalog.create(&new).await.unwrap();
    catalog.create(&titled(2, "Other")).await.unwrap();
    for words in [
        "elan",
        "ÉLAN",
        "robots",
        "film",
        "日本語",
        "vital robots short",
        "rob",
        "  vital ",
    ] {
        assert_eq!(found(&catalog, words).await, [asset_id(1)], "{words}");
    }
    for words in ["rob elan", "vita elan", "absent", "vital absent"] {
        assert_eq!(found(&catalog, words).await, [], "{words}");
    }
    assert_eq!(
        found(&catalog, "-").await.len(),
        2,
        "no word asks for everything"
    );
}

#[tokio::test]
async fn the_search_follows_changes_and_deletions() {
    let catalog = catalog().await;
    catalog.create(&titled(1, "before")).await.unwrap();
    let patch = Patch {
        title: Some("after".to_owned()),
        tags: Some(vec!["tagged".to_owned()]),
        ..Patch::default()
    };
    catalog.update(&asset_id(1), &patch, at(2)).await.unwrap();
    catalog.set_progress(&asset_id(1), 5.0, None).await.unwrap();
    assert_eq!(found(&catalog, "before").await, []);
    assert_eq!(found(&catalog, "after tagged").await, [asset_id(1)]);
    catalog.delete(&asset_id(1)).await.unwrap();
    assert_eq!(found(&catalog, "after").await, []);
}

#[tokio::test]
async fn one_among_ten_thousand_is_found_and_so_are_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    Catalog::open(&path).await.unwrap().close().await;
    fill(&path, 10_000).await;
    let catalog = Catalog::open(&path).await.unwrap();
    assert_eq!(found(&catalog, "number 7321").await.len(), 1);
    let query = ListQuery {
        search: Some("many".to_owned()),
        limit: 200,
        ..ListQuery::default()
    };
    let all = walk(&catalog, query, async || {}).await;
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 10_000);
    let plain = walk(
        &catalog,
        ListQuery {
            limit: 200,
            ..ListQuery::default()
        },
        async || {},
    )
    .await;
    assert_eq!(plain, all);
}

/// Rows as they are, in one transaction: ten thousand calls would be ten thousand fsyncs.
async fn fill(path: &std::path::Path, count: u64) {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let mut batch = sqlx::Connection::begin(&mut connection).await.unwrap();
    let source = crate::given::cid(1).to_string();
    for n in 0..count {
        let (id, title) = (asset_id(n).to_string(), format!("one of many, number {n}"));
        sqlx::query!(
            "INSERT INTO assets (id, title, description, tags, visibility, state,
                 source_name, source_bytes, source_cid, created_at, updated_at)
             VALUES (?, ?, '', '[]', 'private', 'queued', 'a', 1, ?, 1, 1)",
            id,
            title,
            source
        )
        .execute(&mut *batch)
        .await
        .unwrap();
    }
    batch.commit().await.unwrap();
}
