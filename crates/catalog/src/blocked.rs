//! Who is blocked, by the operator or by imported lists.

use cidcast_announce::Publisher;
use cidcast_types::Timestamp;

use crate::block_lists::MAX_BLOCK_LISTS;
use crate::row::{millis, parse, time};
use crate::trust::{Fate, Subject};
use crate::{Catalog, CatalogError};

/// Blocks of the operator's own that there may be.
pub const MAX_BLOCKED: u32 = 10_000;

/// A change to what is blocked was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum BlockedError {
    /// There are too many.
    #[error("there are {MAX_BLOCKED} blocks, which is the most: take back some first")]
    Full,
    /// There are too many lists.
    #[error("there are {MAX_BLOCK_LISTS} block lists, which is the most: remove one first")]
    TooManyLists,
    /// An older list of the same publisher and title.
    #[error(
        "a newer block list of {publisher} is here (signed at {here}, this one at {given}): nothing \
         is changed"
    )]
    Older {
        /// Who signed both.
        publisher: Publisher,
        /// When the one that is here was signed, in milliseconds since the epoch.
        here: Timestamp,
        /// When the other one was.
        given: Timestamp,
    },
    /// Nobody imported it.
    #[error("there is no block list {0} here: list the block lists to see which there are")]
    NoSuchList(i64),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<sqlx::Error> for BlockedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}

/// Somebody who is blocked, by one who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Who.
    pub subject: Subject,
    /// Whose list says so; `None`: the operator.
    pub by: Option<Publisher>,
    /// In the words of who said so.
    pub reason: String,
    /// What becomes of what it had here; `None`: what the configuration says.
    pub fate: Option<Fate>,
    /// Since when.
    pub at: Timestamp,
    /// Whether the operator lets it in although a list says so.
    pub is_let_in: bool,
}

struct BlockedRow {
    kind: String,
    subject: String,
    by: Option<String>,
    reason: String,
    fate: Option<String>,
    at: i64,
    let_in: i64,
}

impl BlockedRow {
    fn into_blocked(self) -> Result<Blocked, CatalogError> {
        Ok(Blocked {
            subject: Subject::from_columns("blocked.subject", &self.kind, &self.subject)?,
            by: self
                .by
                .map(|by| parse("block_lists.publisher", &by))
                .transpose()?,
            fate: self
                .fate
                .map(|fate| parse("blocked.fate", &fate))
                .transpose()?,
            at: time("blocked.at", self.at)?,
            is_let_in: self.let_in != 0,
            reason: self.reason,
        })
    }
}

impl Catalog {
    /// Blocks somebody; a second time, reason and fate are replaced.
    ///
    /// # Errors
    /// [`BlockedError::Full`], or the database failed.
    pub async fn block(
        &self,
        subject: &Subject,
        reason: &str,
        fate: Option<Fate>,
        now: Timestamp,
    ) -> Result<(), BlockedError> {
        let (kind, key, now) = (subject.kind(), subject.key(), millis(now));
        let fate = fate.map(Fate::as_str);
        let mut write = self.write().await?;
        sqlx::query!(
            "DELETE FROM unblocked WHERE kind = ? AND subject = ?",
            kind,
            key
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "INSERT INTO blocked (kind, subject, reason, fate, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, subject, ifnull(list, 0)) DO UPDATE SET reason = ?3, fate = ?4",
            kind,
            key,
            reason,
            fate,
            now
        )
        .execute(&mut *write)
        .await?;
        let all =
            sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!: i64" FROM blocked WHERE list IS NULL"#)
                .fetch_one(&mut *write)
                .await?;
        if all > i64::from(MAX_BLOCKED) {
            return Err(BlockedError::Full);
        }
        Ok(write.commit().await?)
    }

    /// Takes back the operator's block of somebody, and lets it in although a list blocks it.
    /// Answers whether it was blocked at all.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unblock(&self, subject: &Subject, now: Timestamp) -> Result<bool, CatalogError> {
        let (kind, key, now) = (subject.kind(), subject.key(), millis(now));
        let mut write = self.write().await?;
        let mine = sqlx::query!(
            "DELETE FROM blocked WHERE kind = ? AND subject = ? AND list IS NULL",
            kind,
            key
        )
        .execute(&mut *write)
        .await?;
        let listed = sqlx::query!(
            "INSERT OR IGNORE INTO unblocked (kind, subject, at)
             SELECT DISTINCT kind, subject, ?1 FROM blocked WHERE kind = ?2 AND subject = ?3",
            now,
            kind,
            key
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(mine.rows_affected() + listed.rows_affected() > 0)
    }

    /// Up to `limit` of those who are blocked, after the first `skip`; the operator's own first,
    /// newest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn blocked(&self, skip: u32, limit: u32) -> Result<Vec<Blocked>, CatalogError> {
        let rows = sqlx::query_as!(
            BlockedRow,
            r#"SELECT b.kind, b.subject, l.publisher AS "by: String", b.reason, b.fate, b.at,
                   (b.list IS NOT NULL AND EXISTS (SELECT 1 FROM unblocked AS u
                       WHERE u.kind = b.kind AND u.subject = b.subject)) AS "let_in!: i64"
               FROM blocked AS b LEFT JOIN block_lists AS l ON l.id = b.list
               ORDER BY b.list IS NOT NULL, b.id DESC LIMIT ?1 OFFSET ?2"#,
            limit,
            skip
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(BlockedRow::into_blocked).collect()
    }

    /// Whom the operator blocks, oldest first: what goes into a block list of one's own.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn own_blocked(&self) -> Result<Vec<(Subject, String)>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT kind, subject, reason FROM blocked WHERE list IS NULL ORDER BY id"
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let subject = Subject::from_columns("blocked.subject", &row.kind, &row.subject)?;
                Ok((subject, row.reason))
            })
            .collect()
    }
}
