//! The file: earlier and later versions, reopening, several at once.

use std::path::{Path, PathBuf};

use cidcast_catalog::{
    AnnouncedQuery, Catalog, CatalogError, ListQuery, OpenError, Replicate, RequestQuery,
    SnapshotState, Subject, TransferPace, UnitName,
};
use cidcast_types::{AssetState, Cid, RenditionName};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::given::{asset, asset_id, at};

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("catalog.db")
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

async fn migrations() -> Migrator {
    Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .await
        .unwrap()
}

/// A catalog as schema version `version` left it, with the rows that each version up to then
/// could have written.
async fn written_by(version: i64, path: &Path) {
    let mut connection = raw(path).await;
    let all = migrations().await;
    let steps = all.iter().map(|migration| migration.version);
    for step in steps.filter(|step| *step <= version) {
        migrations()
            .await
            .run_to(step, &mut connection)
            .await
            .unwrap();
        let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{step}.sql"));
        let rows = std::fs::read_to_string(&rows).unwrap_or_else(|_| {
            panic!("{} is missing: sample rows of that version", rows.display())
        });
        sqlx::raw_sql(AssertSqlSafe(rows))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn every_earlier_version_opens_with_its_rows() {
    let all = migrations().await;
    let versions = all.iter().map(|migration| migration.version);
    for version in versions {
        let folder = tempfile::tempdir().unwrap();
        written_by(version, &file(&folder)).await;
        let catalog = Catalog::open(&file(&folder)).await.unwrap();
        check_rows(version, &catalog).await;
        catalog.create(&asset(1_000)).await.unwrap();
        catalog.close().await;
        Catalog::open(&file(&folder)).await.unwrap().close().await;
        assert_sound(&file(&folder)).await;
    }
}

async fn check_requests(catalog: &Catalog) {
    let unsettled = catalog.unsettled_pin_requests(9).await.unwrap();
    assert_eq!(unsettled, [], "the one there is is pinned");
    let query = RequestQuery {
        limit: 9,
        ..RequestQuery::default()
    };
    let page = catalog.pin_requests(&query).await.unwrap();
    assert_eq!(page.items[0].wanted.name.as_deref(), Some("A film"));
}

async fn check_cluster(catalog: &Catalog) {
    let cluster = catalog.cluster().await.unwrap().unwrap();
    assert_eq!(cluster.joined_at, at(9000));
    let events = catalog.cluster_events(None, 9).await.unwrap();
    assert_eq!(events[0].text, "this node is in");
}

async fn check_rows(version: i64, catalog: &Catalog) {
    let query = ListQuery {
        search: Some("upgrades tagged".to_owned()),
        ..ListQuery::default()
    };
    let found = catalog.list(&query).await.unwrap().items;
    assert_eq!(found.len(), 1, "version {version}");
    assert_eq!(
        (found[0].state, found[0].package_bytes),
        (AssetState::Ready, Some(456))
    );
    let failed = "00000000020000000000000002".parse().unwrap();
    let failed = catalog.get(&failed).await.unwrap().unwrap();
    assert_eq!(failed.failure.unwrap().code, "source-empty");

    if version >= 2 {
        let source = Cid::try_from("bafkqaaa").unwrap();
        let key = "0".repeat(64).parse().unwrap();
        let unit = catalog
            .unit(&source, &key, &UnitName::Chunk(0))
            .await
            .unwrap();
        assert_eq!(unit.map(|unit| unit.bytes), Some(789));
        let segments = catalog.segments(&source, &key).await.unwrap();
        let name: RenditionName = "720p".parse().unwrap();
        assert_eq!(segments[&name].segments[0].bytes, 800);
    }
    if version >= 3 {
        let upload = &catalog.uploads().await.unwrap()[0];
        assert_eq!((upload.offset, upload.length), (4, 10));
    }
    if version >= 4 {
        let feed = &catalog.feeds(None, 9).await.unwrap().items[0];
        assert_eq!((feed.have, feed.known, feed.assets), (1, 3, 1));
        let query = AnnouncedQuery {
            search: Some("upgrades tagged".to_owned()),
            ..AnnouncedQuery::default()
        };
        let announced = &catalog.announced(&query).await.unwrap().items[0].content;
        assert_eq!(announced.renditions[0].path, "video/720p");
        let tombstones = catalog.tombstones(&feed.publisher, 9).await.unwrap();
        assert_eq!(tombstones[0].reason, "gone");
        assert_eq!(catalog.forks(&feed.publisher).await.unwrap().len(), 1);
    }
    if version >= 5 {
        check_follows(catalog).await;
    }
    if version >= 10 {
        check_requests(catalog).await;
    }
    if version >= 12 {
        let pins = catalog.remote_pins(Some("there"), None, 9).await.unwrap();
        assert_eq!(pins[0].request.as_deref(), Some("r1"));
    }
    if version >= 7 {
        check_snapshots(catalog).await;
    }
    if version >= 8 {
        let pace = catalog.follows().await.unwrap()[0].policy.pace;
        assert_eq!(pace, TransferPace::Paused);
        assert_eq!(catalog.replication_pace().await.unwrap(), pace);
    }
    if version >= 11 {
        check_members(catalog, if version >= 13 { 2 } else { 1 }).await;
    }
    if version >= 9 {
        check_cluster(catalog).await;
    }
}

async fn check_snapshots(catalog: &Catalog) {
    let publisher = catalog.feeds(None, 9).await.unwrap().items[0].publisher;
    let named = catalog.known_snapshot(&publisher).await.unwrap().unwrap();
    assert_eq!((named.seq, named.state), (1, SnapshotState::Held));
    assert_eq!(catalog.untidy_feeds().await.unwrap(), [publisher]);
    assert_eq!(catalog.unfollowed().await.unwrap().len(), 1);
    let asset = "00000000060000000000000006".parse().unwrap();
    let reason = catalog.retract_reason(&asset).await.unwrap();
    assert_eq!(reason.as_deref(), Some("rights"));
}

async fn check_members(catalog: &Catalog, wishes: usize) {
    let gone = catalog.old_wishes(9).await.unwrap();
    assert_eq!(gone.len(), wishes, "their assets are not here");
    assert_eq!(catalog.member_addresses().await.unwrap().len(), 1);
    assert_eq!(catalog.boot_member(at(1)).await.unwrap(), 9_101);
}

async fn check_follows(catalog: &Catalog) {
    let follow = &catalog.follows().await.unwrap()[0];
    assert_eq!(follow.policy.replicate, Replicate::Budget(1000));
    let node = catalog.followers(0, 10).await.unwrap()[0].node;
    let score = catalog.score(&Subject::Peer(node)).await.unwrap();
    assert_eq!((score.score, score.reasons.len()), (120, 1));
    assert!(catalog.blocked(0, 10).await.unwrap()[0].is_let_in);
    assert_eq!(catalog.deliveries(0, 10).await.unwrap()[0].failures, 3);
    assert_eq!(catalog.known_nodes(10).await.unwrap()[0].node, node);
}

/// SQLite's own check, and FTS5's of the index against the text.
async fn assert_sound(path: &Path) {
    let mut connection = raw(path).await;
    let answer: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(answer, "ok");
    sqlx::raw_sql("INSERT INTO assets_fts (assets_fts, rank) VALUES ('integrity-check', 1)")
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_catalog_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let newest = migrations()
        .await
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap();
    written_by(newest, &file(&folder)).await;
    let mut connection = raw(&file(&folder)).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (?, 'later', TRUE, X'00', 0)",
    )
    .bind(newest + 7)
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let refused = Catalog::open(&file(&folder)).await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::TooNew { found, known, .. }
            if (*found, *known) == (newest + 7, newest)),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("run the newer cidcast"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_is_something_else_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        file(&folder),
        "not a database, but long enough to be read as one".repeat(99),
    )
    .unwrap();
    let refused = Catalog::open(&file(&folder)).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::NotACatalog { .. }),
        "{refused:?}"
    );

    let other = folder.path().join("other.db");
    let mut connection = raw(&other).await;
    sqlx::raw_sql("CREATE TABLE assets (other)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let refused = Catalog::open(&other).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::NotACatalog { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_folder_that_is_missing_is_an_error_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Catalog::open(&folder.path().join("none/catalog.db"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("none/catalog.db"), "{refused}");
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&file(&folder)).await.unwrap();
    let made = catalog.create(&asset(1)).await.unwrap();
    catalog.close().await;
    assert!(matches!(
        catalog.get(&made.id).await,
        Err(CatalogError::Closed)
    ));
    assert!(matches!(
        catalog.create(&asset(2)).await,
        Err(CatalogError::Closed)
    ));

    let catalog = Catalog::open(&file(&folder)).await.unwrap();
    assert_eq!(catalog.get(&made.id).await.unwrap(), Some(made));
}

#[tokio::test]
async fn what_was_answered_is_there_although_the_catalog_was_never_closed() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&file(&folder)).await.unwrap();
    let made = catalog.create(&asset(1)).await.unwrap();
    // As a killed process leaves them: the file and its log.
    let copy = tempfile::tempdir().unwrap();
    for name in ["catalog.db", "catalog.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let again = Catalog::open(&file(&copy)).await.unwrap();
    assert_eq!(again.get(&made.id).await.unwrap(), Some(made));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_write_at_once_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&file(&folder)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8u64 {
        let catalog = catalog.clone();
        tasks.spawn(async move {
            for n in (writer * 10)..(writer * 10 + 10) {
                catalog.create(&asset(n)).await.unwrap();
                catalog
                    .set_state(&asset_id(n), AssetState::Probing, at(1))
                    .await
                    .unwrap();
                catalog.list(&ListQuery::default()).await.unwrap();
                if n % 2 == 0 {
                    catalog.delete(&asset_id(n)).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let counts = catalog.counts().await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("probing", 40)]);
    catalog.close().await;
    assert_sound(&file(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_can_have_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        Catalog::open(&file(&folder)).await.unwrap(),
        Catalog::open(&file(&folder)).await.unwrap(),
    );
    for n in 0..20 {
        let (a, b) = (asset(n * 2), asset(n * 2 + 1));
        let (a, b) = tokio::join!(one.create(&a), two.create(&b));
        a.unwrap();
        b.unwrap();
    }
    assert_eq!(one.unsettled(100).await.unwrap().len(), 40);
}
