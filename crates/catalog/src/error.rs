//! What can go wrong with any statement, and what a change to an asset can be refused for.

use cidcast_types::{AssetId, AssetState};
use sqlx::error::DatabaseError;

/// The database did not do what a correct statement asks of it.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// `SQLITE_FULL`. Nothing was changed; the same call works once there is room.
    #[error("no room left for the catalog: free space on the disk of the data directory")]
    DiskFull(#[source] sqlx::Error),
    /// Another process held the database, or all connections were in use, for too long.
    #[error("the catalog is busy: try again, and see that no other program has it open")]
    Busy(#[source] sqlx::Error),
    /// [`crate::Catalog::close`] was called.
    #[error("the catalog is closed: the node is stopping")]
    Closed,
    /// A row holds a value that this version does not read.
    #[error(
        "the catalog has an unreadable {column} ({source}): restore the catalog from a backup, \
         or run the version of cidcast that wrote it"
    )]
    UnreadableRow {
        /// `table.column`.
        column: &'static str,
        /// Why it does not parse.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Everything else that SQLite reports: input/output errors, corruption.
    #[error("the catalog failed: check the disk of the data directory and the log")]
    Database(#[source] sqlx::Error),
}

/// A change to an asset was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It was deleted, or never existed.
    #[error("there is no asset {0}: list the assets to see which there are")]
    NoSuchAsset(AssetId),
    /// The asset is not in a state that allows the change.
    #[error("asset {id} is {state}, which does not allow this: reload it and look again")]
    WrongState {
        /// Which asset.
        id: AssetId,
        /// The state it is in.
        state: AssetState,
    },
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Busy(error),
            sqlx::Error::Database(database) => match Condition::of(database.as_ref()) {
                Condition::Full => Self::DiskFull(error),
                Condition::Busy => Self::Busy(error),
                Condition::Other => Self::Database(error),
            },
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}

/// What SQLite's result code means to a caller.
enum Condition {
    Full,
    Busy,
    Other,
}

impl Condition {
    /// <https://sqlite.org/rescode.html>: the low byte of an extended code is the primary code.
    fn of(error: &dyn DatabaseError) -> Self {
        const FULL: u32 = 13;
        const BUSY: u32 = 5;
        const LOCKED: u32 = 6;
        /// The shared-memory file could not grow: on a full disk this comes before `FULL`.
        const IOERR_SHMSIZE: u32 = 4874;
        let code = error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .unwrap_or(0);
        match (code, code & 0xff) {
            (IOERR_SHMSIZE, _) | (_, FULL) => Self::Full,
            (_, BUSY | LOCKED) => Self::Busy,
            _ => Self::Other,
        }
    }
}
