//! What the operator removes here: one asset, or all of a publisher.

use cidcast_announce::Publisher;
use cidcast_types::{AssetId, Cid};

use super::hash::{announcement_cid, split_announcements};
use super::row::publisher_of;
use super::tidy::mark;
use crate::feed::Listing;
use crate::row::{integer, size};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Whether an announced asset is listed and found here. A hidden one stays so when it is
    /// announced again, even after a retraction. Says whether there is such an asset.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn set_listing(
        &self,
        publisher: &Publisher,
        asset: &AssetId,
        listing: Listing,
    ) -> Result<bool, CatalogError> {
        let (key, asset) = (publisher.as_bytes().as_slice(), asset.to_string());
        let hidden = i64::from(listing == Listing::Hidden);
        let mut write = self.write().await?;
        let announced = sqlx::query!(
            "UPDATE announced SET hidden = (hidden & 2) | ?
             WHERE asset = ? AND publisher = (SELECT id FROM publishers WHERE key = ?)",
            hidden,
            asset,
            key
        )
        .execute(&mut *write)
        .await?;
        let retracted = sqlx::query!(
            "UPDATE tombstones SET hidden = (hidden & 2) | ?
             WHERE asset = ? AND publisher = (SELECT id FROM publishers WHERE key = ?)",
            hidden,
            asset,
            key
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(announced.rows_affected() + retracted.rows_affected() > 0)
    }

    /// Forgets all that a publisher announced, as if it had never been heard of; evidence against
    /// it stays. Answers the blocks that were kept for it; the feed is noted as untidy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_feed(&self, publisher: &Publisher) -> Result<Vec<Cid>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let mut write = self.write().await?;
        let Some(id) = sqlx::query_scalar!("SELECT id FROM publishers WHERE key = ?", key)
            .fetch_optional(&mut *write)
            .await?
        else {
            return Ok(Vec::new());
        };
        let mut blocks = Vec::new();
        let kept = sqlx::query_scalar!(
            "DELETE FROM announcements WHERE publisher = ? RETURNING cid",
            id
        )
        .fetch_all(&mut *write)
        .await?;
        for digest in kept {
            blocks.push(announcement_cid("announcements.cid", &digest)?);
        }
        let segments = sqlx::query_scalar!(
            "DELETE FROM held_snapshots WHERE publisher = ? RETURNING segments",
            id
        )
        .fetch_optional(&mut *write)
        .await?;
        if let Some(segments) = segments {
            blocks.extend(split_announcements("held_snapshots.segments", &segments)?);
        }
        sqlx::query!("DELETE FROM snapshots WHERE publisher = ?", id)
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM profiled WHERE publisher = ?", id)
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM announced WHERE publisher = ?", id)
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM tombstones WHERE publisher = ?", id)
            .execute(&mut *write)
            .await?;
        sqlx::query!(
            "UPDATE publishers SET have = 0, known = 0, head = NULL, assets = 0, bytes = 0,
                 announced_at = NULL, error = NULL, failures = 0, next_at = NULL
             WHERE id = ?",
            id
        )
        .execute(&mut *write)
        .await?;
        mark(&mut write, publisher).await?;
        write.commit().await?;
        Ok(blocks)
    }

    /// Keeps only the CIDs of announcements before number `before`: a snapshot that is here says
    /// what they added up to. Answers the blocks that are not needed any more; the feed is noted as untidy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn prune_announcements(
        &self,
        publisher: &Publisher,
        before: u64,
    ) -> Result<Vec<Cid>, CatalogError> {
        let (key, before) = (publisher.as_bytes().as_slice(), integer(before));
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE publishers SET bytes = bytes - COALESCE(
                 (SELECT SUM(bytes) FROM announcements
                  WHERE publisher = publishers.id AND seq < ?), 0)
             WHERE key = ?",
            before,
            key
        )
        .execute(&mut *write)
        .await?;
        let pruned = sqlx::query_scalar!(
            "UPDATE announcements SET bytes = 0
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?) AND seq < ? AND bytes > 0
             RETURNING cid",
            key,
            before
        )
        .fetch_all(&mut *write)
        .await?;
        mark(&mut write, publisher).await?;
        write.commit().await?;
        pruned
            .iter()
            .map(|digest| announcement_cid("announcements.cid", digest))
            .collect()
    }
    /// Publishers, one or all, of whom more than `history` bytes of announcements are kept from
    /// before the snapshot that is held; and its number.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn prunable(
        &self,
        history: u64,
        only: Option<&Publisher>,
    ) -> Result<Vec<(Publisher, u64)>, CatalogError> {
        let only = only.map(|key| key.as_bytes().as_slice());
        let history = integer(history);
        let rows = sqlx::query!(
            "SELECT key, held_snapshots.seq FROM held_snapshots
             JOIN publishers ON publishers.id = held_snapshots.publisher
             WHERE (?1 IS NULL OR key = ?1) AND ?2 < COALESCE(
                 (SELECT SUM(bytes) FROM announcements
                  WHERE announcements.publisher = held_snapshots.publisher
                      AND announcements.seq < held_snapshots.seq), 0)",
            only,
            history
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    publisher_of(&row.key)?,
                    size("held_snapshots.seq", row.seq)?,
                ))
            })
            .collect()
    }
}
