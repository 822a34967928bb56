//! Signed block lists: those of others, and the operator's own.

use cidcast_announce::Publisher;
use cidcast_types::Timestamp;
use sqlx::{Sqlite, Transaction};

use crate::blocked::BlockedError;
use crate::row::{count, millis, parse, time};
use crate::spelled::spelled;
use crate::trust::Subject;
use crate::{Catalog, CatalogError};

/// Block lists that may be imported. Each has as many entries as its format allows.
pub const MAX_BLOCK_LISTS: u32 = 64;

spelled! {
    /// How a block list came here.
    pub enum ListSource as "file or publisher" {
        /// The operator gave it; it stays as it is.
        File = "file",
        /// Its publisher's nodes gave it, and are asked for newer ones.
        Publisher = "publisher",
    }
}

/// A block list that has been verified, to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlockList {
    /// Who signed it.
    pub publisher: Publisher,
    /// What its publisher calls it. A publisher can have several.
    pub title: String,
    /// How it came here.
    pub source: ListSource,
    /// When it was signed.
    pub at: Timestamp,
    /// As it was signed.
    pub bytes: Vec<u8>,
    /// Whom it blocks, and why.
    pub entries: Vec<(Subject, String)>,
    /// When the publisher is to be asked for a newer one.
    pub next_at: Option<Timestamp>,
}

/// A block list that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlockList {
    /// Never used twice.
    pub id: i64,
    /// Who signed it.
    pub publisher: Publisher,
    /// What its publisher calls it.
    pub title: String,
    /// How it came here.
    pub source: ListSource,
    /// When it was signed.
    pub at: Timestamp,
    /// When it came here.
    pub imported_at: Timestamp,
    /// How many it blocks.
    pub entries: u32,
    /// How often in a row asking for a newer one has failed.
    pub failures: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// When the publisher is asked for a newer one.
    pub next_at: Option<Timestamp>,
}

struct ListRow {
    id: i64,
    publisher: String,
    title: String,
    source: String,
    at: i64,
    imported_at: i64,
    failures: i64,
    error: Option<String>,
    next_at: Option<i64>,
    entries: i64,
}

impl ListRow {
    fn into_list(self) -> Result<StoredBlockList, CatalogError> {
        Ok(StoredBlockList {
            id: self.id,
            publisher: parse("block_lists.publisher", &self.publisher)?,
            source: parse("block_lists.source", &self.source)?,
            at: time("block_lists.at", self.at)?,
            imported_at: time("block_lists.imported_at", self.imported_at)?,
            entries: count("block_lists.entries", self.entries)?,
            failures: count("block_lists.failures", self.failures)?,
            next_at: self
                .next_at
                .map(|at| time("block_lists.next_at", at))
                .transpose()?,
            title: self.title,
            error: self.error,
        })
    }
}

impl Catalog {
    /// Puts a block list in the place of the one of the same publisher and title. The same list again changes
    /// only when the publisher is asked next.
    ///
    /// # Errors
    /// [`BlockedError::Older`], [`BlockedError::TooManyLists`], or the database failed.
    pub async fn import_block_list(
        &self,
        list: &NewBlockList,
        now: Timestamp,
    ) -> Result<(), BlockedError> {
        let (publisher, source) = (list.publisher.to_string(), list.source.as_str());
        let (at, next_at) = (millis(list.at), list.next_at.map(millis));
        let now = millis(now);
        let mut write = self.write().await?;
        let here = sqlx::query_scalar!(
            "SELECT at FROM block_lists WHERE publisher = ? AND title = ?",
            publisher,
            list.title
        )
        .fetch_optional(&mut *write)
        .await?;
        match here {
            Some(here) if here > at => {
                return Err(BlockedError::Older {
                    publisher: list.publisher,
                    here: time("block_lists.at", here)?,
                    given: list.at,
                });
            }
            Some(_) => {}
            None => {
                let all = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!: i64" FROM block_lists"#)
                    .fetch_one(&mut *write)
                    .await?;
                if all >= i64::from(MAX_BLOCK_LISTS) {
                    return Err(BlockedError::TooManyLists);
                }
            }
        }
        let id = sqlx::query_scalar!(
            "INSERT INTO block_lists (publisher, source, at, bytes, imported_at, next_at, title)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (publisher, title) DO UPDATE SET source = ?2, at = ?3, bytes = ?4,
                 next_at = ?6, failures = 0, error = NULL
             RETURNING id",
            publisher,
            source,
            at,
            list.bytes,
            now,
            next_at,
            list.title
        )
        .fetch_one(&mut *write)
        .await?;
        replace_entries(&mut write, id, &list.entries, now).await?;
        Ok(write.commit().await?)
    }

    /// Takes back an imported list and every block that only it said.
    ///
    /// # Errors
    /// [`BlockedError::NoSuchList`], or the database failed.
    pub async fn remove_block_list(&self, id: i64) -> Result<(), BlockedError> {
        let mut write = self.write().await?;
        let done = sqlx::query!("DELETE FROM block_lists WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Err(BlockedError::NoSuchList(id));
        }
        // Nobody has to be let in whom no list keeps out: a later list starts from nothing.
        sqlx::query!(
            "DELETE FROM unblocked WHERE NOT EXISTS (SELECT 1 FROM blocked AS b
                 WHERE b.kind = unblocked.kind AND b.subject = unblocked.subject)"
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Every imported list, oldest first; at most [`MAX_BLOCK_LISTS`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn block_lists(&self) -> Result<Vec<StoredBlockList>, CatalogError> {
        let rows = sqlx::query_as!(
            ListRow,
            r#"SELECT id, publisher, title, source, at, imported_at, failures, error, next_at,
                   (SELECT COUNT(*) FROM blocked WHERE list = block_lists.id) AS "entries!: i64"
               FROM block_lists ORDER BY id"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ListRow::into_list).collect()
    }

    /// Saves that asking for a newer list failed; the list that is here stays.
    ///
    /// # Errors
    /// See [`CatalogError`]. A list that was removed meanwhile is none.
    pub async fn block_list_failed(
        &self,
        id: i64,
        error: &str,
        next_at: Timestamp,
    ) -> Result<(), CatalogError> {
        let next_at = millis(next_at);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE block_lists SET failures = failures + 1, error = ?, next_at = ?
             WHERE id = ?",
            error,
            next_at,
            id
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Lets others have this list of the operator's own, instead of the one before; `None`: no
    /// list any more.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn share_block_list(
        &self,
        list: Option<(&Publisher, Timestamp, &[u8])>,
    ) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM shared_block_list")
            .execute(&mut *write)
            .await?;
        if let Some((publisher, at, bytes)) = list {
            let (publisher, at) = (publisher.to_string(), millis(at));
            sqlx::query!(
                "INSERT INTO shared_block_list (one, publisher, at, bytes) VALUES (1, ?, ?, ?)",
                publisher,
                at,
                bytes
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// The newest signed block list of a publisher that is here: the operator's own that is
    /// shared, or an imported one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn signed_block_list(
        &self,
        publisher: &Publisher,
    ) -> Result<Option<Vec<u8>>, CatalogError> {
        let publisher = publisher.to_string();
        let bytes = sqlx::query_scalar!(
            r#"SELECT bytes AS "bytes!: Vec<u8>" FROM (
                   SELECT bytes, at FROM shared_block_list WHERE publisher = ?1
                   UNION ALL SELECT bytes, at FROM block_lists WHERE publisher = ?1
               ) ORDER BY at DESC LIMIT 1"#,
            publisher
        )
        .fetch_optional(&self.reader)
        .await?;
        Ok(bytes)
    }
}

async fn replace_entries(
    write: &mut Transaction<'static, Sqlite>,
    list: i64,
    entries: &[(Subject, String)],
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM blocked WHERE list = ?", list)
        .execute(&mut **write)
        .await?;
    for (subject, reason) in entries {
        let (kind, key) = (subject.kind(), subject.key());
        sqlx::query!(
            "INSERT OR IGNORE INTO blocked (kind, subject, list, reason, at) VALUES (?, ?, ?, ?, ?)",
            kind,
            key,
            list,
            reason,
            now
        )
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}
