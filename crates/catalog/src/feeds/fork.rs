//! Evidence against publishers: two signed announcements with one number.

use cidcast_announce::{Announcement, Publisher};
use cidcast_types::Timestamp;

use crate::feed::Fork;
use crate::row::{integer, millis, size, time};
use crate::{Catalog, CatalogError};

/// More prove nothing new, and each may have 128 KiB.
const MOST_FORKS: i64 = 16;

impl Catalog {
    /// Keeps two announcements of one publisher with one number and different content, and flags
    /// the publisher. Says whether they prove anything; the same pair twice is kept once. Moves no
    /// feed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn record_fork(
        &self,
        first: &Announcement,
        second: &Announcement,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let proves = first.publisher() == second.publisher()
            && first.seq() == second.seq()
            && first.cid() != second.cid();
        if !proves {
            return Ok(false);
        }
        let publisher = first.publisher();
        let (key, now) = (publisher.as_bytes().as_slice(), millis(now));
        let seq = integer(first.seq());
        let (one, two) = (first.bytes().to_vec(), second.bytes().to_vec());
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO forks (publisher, seq, first, second, seen_at)
             SELECT id, ?1, ?2, ?3, ?4 FROM publishers
             WHERE key = ?5 AND (SELECT COUNT(*) FROM forks WHERE publisher = publishers.id) < ?6
             ON CONFLICT (publisher, seq) DO NOTHING",
            seq,
            one,
            two,
            now,
            key,
            MOST_FORKS
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "UPDATE publishers SET forked_at = COALESCE(forked_at, ?) WHERE key = ?",
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// The evidence against a publisher, by number.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forks(&self, publisher: &Publisher) -> Result<Vec<Fork>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let rows = sqlx::query!(
            "SELECT forks.* FROM forks JOIN publishers ON publishers.id = publisher
             WHERE key = ? ORDER BY seq",
            key
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Fork {
                    seq: size("forks.seq", row.seq)?,
                    first: row.first,
                    second: row.second,
                    seen_at: time("forks.seen_at", row.seen_at)?,
                })
            })
            .collect()
    }
}
