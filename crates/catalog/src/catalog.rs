//! The database file: opening, migrating, closing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::CatalogError;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Enough for a page, an event stream and a playlist at once; a read takes well under 1 ms.
const READERS: u32 = 4;
/// Longer than any transaction of ours, even on a slow disk, and shorter than a person waits.
const BUSY: Duration = Duration::from_secs(5);
/// How long a call waits for a connection before it answers [`CatalogError::Busy`].
const ACQUIRE: Duration = Duration::from_secs(10);

/// The catalog. A clone is another handle to the same connections.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) reader: SqlitePool,
    writer: SqlitePool,
}

/// The catalog did not open. Nothing in it was changed, except that a migration may have run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer cidcast wrote it.
    #[error(
        "the catalog {path} has schema version {found}, this cidcast knows versions up to {known}: \
         run the newer cidcast, or restore a catalog from before the upgrade"
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The newest version in the file.
        found: i64,
        /// The newest version that this build knows.
        known: i64,
    },
    /// `SQLITE_NOTADB`, or a SQLite file with other tables.
    #[error("{path} is not a cidcast catalog: move it away, or choose another data directory")]
    NotACatalog {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A migration that has run differs from the one in this build.
    #[error(
        "the catalog {path} was changed by another build of schema version {version}: restore a backup"
    )]
    Diverged {
        /// The database file.
        path: PathBuf,
        /// The version that differs.
        version: i64,
    },
    /// The file could not be opened, read or written.
    #[error("cannot open the catalog {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What failed.
        source: CatalogError,
    },
}

impl Catalog {
    /// Opens the catalog in the file `path`, making it if there is none and bringing an older
    /// one up to date. The folder must exist.
    ///
    /// # Errors
    /// See [`OpenError`]. A catalog from a newer cidcast is refused and left as it is.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answered upload must survive a power cut; there are a handful of commits a
            // second at most, so one fsync for each is cheap.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let writer = pool(1)
            .connect_with(options.clone().optimize_on_close(true, 400))
            .await;
        let writer = writer.map_err(|error| open_error(path, error))?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|error| migrate_error(path, error))?;
        // Opened after the migrations, so that no reader remembers an older schema.
        let reader = pool(READERS).connect_lazy_with(options.read_only(true));
        Ok(Self { reader, writer })
    }

    /// An empty catalog that lives only as long as its handles.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true);
        // One connection for both: it is the database.
        let writer = pool(1).connect_with(options).await;
        let writer = writer.map_err(|error| open_error(path, error))?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|error| migrate_error(path, error))?;
        Ok(Self {
            reader: writer.clone(),
            writer,
        })
    }

    /// Waits for running statements, writes the log back into the file and closes it. Later
    /// calls answer [`CatalogError::Closed`].
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Starts the transaction of one method. It is rolled back when dropped. `IMMEDIATE`, so
    /// that it never has to upgrade from reading to writing, which can not wait.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a local file does not break while it is idle.
        .test_before_acquire(false)
        // SQLite itself rolls back when the disk is full. sqlx does not notice, believes itself in
        // a transaction and refuses every later one: such a connection is not used again.
        .after_release(|connection, _| {
            Box::pin(async move {
                // The rollback of a dropped transaction comes before the answer.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

fn open_error(path: &Path, error: sqlx::Error) -> OpenError {
    const NOT_A_DATABASE: &str = "26";
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(NOT_A_DATABASE) {
        return OpenError::NotACatalog {
            path: path.to_owned(),
            source: Box::new(error),
        };
    }
    OpenError::Database {
        path: path.to_owned(),
        source: error.into(),
    }
}

fn migrate_error(path: &Path, error: MigrateError) -> OpenError {
    let known = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    let path = path.to_owned();
    match error {
        MigrateError::Execute(source) => open_error(&path, source),
        MigrateError::ExecuteMigration(source, _) => match CatalogError::from(source) {
            // Our tables clash with what is there already.
            CatalogError::Database(source) => OpenError::NotACatalog {
                path,
                source: Box::new(source),
            },
            source => OpenError::Database { path, source },
        },
        MigrateError::VersionMissing(found) if found > known => {
            OpenError::TooNew { path, found, known }
        }
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            OpenError::Diverged { path, version }
        }
        other => OpenError::NotACatalog {
            path,
            source: Box::new(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use cidcast_types::{AssetId, Timestamp, Visibility};

    use super::*;
    use crate::{ChangeError, ListQuery, NewAsset, NewSource, Patch};

    fn asset(n: u64) -> NewAsset {
        NewAsset {
            id: AssetId::from_parts(Timestamp::from_millis(n), u128::from(n)),
            title: "A title of some length, so that pages fill".repeat(10),
            description: String::new(),
            tags: Vec::new(),
            visibility: Visibility::Private,
            source: NewSource {
                name: "a.mp4".to_owned(),
                bytes: n,
                cid: Default::default(),
            },
            created_at: Timestamp::from_millis(n),
        }
    }

    async fn allow_pages(catalog: &Catalog, pages: &str) {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma))
            .execute(&catalog.writer)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_has_its_own_error_and_work_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.db"))
            .await
            .unwrap();
        let first = catalog.create(&asset(0)).await.unwrap();
        allow_pages(&catalog, "1").await; // clamped to the present size
        let mut made = 1;
        let error = loop {
            match catalog.create(&asset(made)).await {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
            assert!(made < 1000, "the limit holds");
        };
        assert!(matches!(error, CatalogError::DiskFull(_)), "{error:?}");

        let listed = catalog
            .list(&ListQuery {
                limit: 200,
                ..Default::default()
            })
            .await
            .unwrap();
        assert_eq!(
            listed.items.len() as u64,
            made,
            "reading works, and nothing is half there"
        );
        let grown = Patch {
            description: Some("words ".repeat(10_000)),
            ..Patch::default()
        };
        let refused = catalog
            .update(&first.id, &grown, Timestamp::from_millis(1))
            .await;
        assert!(
            matches!(
                refused,
                Err(ChangeError::Catalog(CatalogError::DiskFull(_)))
            ),
            "{refused:?}"
        );

        allow_pages(&catalog, "4294967294").await;
        catalog.create(&asset(made)).await.unwrap();
        catalog
            .update(&first.id, &grown, Timestamp::from_millis(1))
            .await
            .unwrap();
    }
}
