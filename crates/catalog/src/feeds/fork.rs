//! Evidence against publishers: two signed announcements that cannot both be.

use cidcast_announce::{Announcement, Publisher, chain};
use cidcast_types::Timestamp;

use super::row::publisher_of;
use crate::feed::{Evidence, Fork};
use crate::row::{integer, millis, size, time};
use crate::{Catalog, CatalogError};

/// More prove nothing new, and each may have 128 KiB.
const MOST_FORKS: i64 = 16;

impl Catalog {
    /// Keeps two announcements of one publisher that cannot both be, and flags the publisher: two
    /// with one number, or two that follow each other of which the second names another
    /// predecessor. One pair is kept for a number. Moves no feed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn record_fork(
        &self,
        first: &Announcement,
        second: &Announcement,
        now: Timestamp,
    ) -> Result<Evidence, CatalogError> {
        let Some(seq) = chain::second_history(first, second) else {
            return Ok(Evidence::None);
        };
        let publisher = first.publisher();
        let (key, now) = (publisher.as_bytes().as_slice(), millis(now));
        let seq = integer(seq);
        let (one, two) = (first.bytes().to_vec(), second.bytes().to_vec());
        let mut write = self.write().await?;
        let kept = sqlx::query!(
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
        Ok(match kept.rows_affected() {
            0 => Evidence::Known,
            _ => Evidence::Kept,
        })
    }

    /// Publishers against whom there is evidence, by key, those after `after`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forked_publishers(
        &self,
        after: Option<&Publisher>,
        limit: u32,
    ) -> Result<Vec<Publisher>, CatalogError> {
        let after = after.map_or(&[][..], |key| key.as_bytes().as_slice());
        let keys = sqlx::query_scalar!(
            "SELECT key FROM publishers WHERE key > ? AND forked_at IS NOT NULL
             ORDER BY key LIMIT ?",
            after,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        keys.iter().map(|key| publisher_of(key)).collect()
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
