//! Feeds: reading them, and noting how catching up goes.

mod apply;
mod forget;
mod fork;
mod hash;
mod load;
mod own;
mod reasons;
mod record;
mod row;
mod snapshot;
mod state;
mod tidy;
mod unfollowed;

use cidcast_announce::{Announcement, Publisher};
use cidcast_types::Cid;

use crate::feed::{Feed, FeedHead, FeedUsage, KeptAnnouncement, SyncNote, Tombstone};
use crate::list::{Cursor, MAX_PAGE, Page};
use crate::row::{integer, millis, parse, size, time};
use crate::{Catalog, CatalogError};
pub(crate) use hash::{announcement_cid, digest, root_cid};
pub use load::SnapshotLoad;
pub use own::Unannounced;
pub(crate) use row::AnnouncedRow;
use row::{FeedRow, publisher_of};
pub use state::{FeedState, NoState};
pub use tidy::NeededBlocks;

impl Catalog {
    /// What is known about a publisher's feed, if anything is.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feed(&self, publisher: &Publisher) -> Result<Option<Feed>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let row = sqlx::query_as!(FeedRow, "SELECT * FROM publishers WHERE key = ?", key)
            .fetch_optional(&self.reader)
            .await?;
        row.map(FeedRow::into_feed).transpose()
    }

    /// One page of the feeds that are known, the newest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feeds(
        &self,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Feed>, CatalogError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let (before, more) = (Cursor::place(cursor), limit + 1);
        let rows = sqlx::query_as!(
            FeedRow,
            "SELECT * FROM publishers WHERE id < ? ORDER BY id DESC LIMIT ?",
            before,
            more
        )
        .fetch_all(&self.reader)
        .await?;
        Page::cut(rows, limit, |row| row.id, FeedRow::into_feed)
    }

    /// How much is here of whom, by key, those after `after`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feed_heads(
        &self,
        after: Option<&Publisher>,
        limit: u32,
    ) -> Result<Vec<FeedHead>, CatalogError> {
        let after = after.map_or(&[][..], |key| key.as_bytes().as_slice());
        let rows = sqlx::query!(
            r#"SELECT key, have, head AS "head!" FROM publishers
             WHERE key > ? AND have > 0 ORDER BY key LIMIT ?"#,
            after,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(FeedHead {
                    publisher: publisher_of(&row.key)?,
                    have: size("publishers.have", row.have)?,
                    head: announcement_cid("publishers.head", &row.head)?,
                })
            })
            .collect()
    }

    /// Feeds of which more is known to exist than is here.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feeds_behind(&self, limit: u32) -> Result<Vec<Feed>, CatalogError> {
        let rows = sqlx::query_as!(
            FeedRow,
            "SELECT * FROM publishers WHERE known > have ORDER BY id LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(FeedRow::into_feed).collect()
    }

    /// The announcements from number `from` on whose bytes are in the store, in order.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn kept_announcements(
        &self,
        publisher: &Publisher,
        from: u64,
        limit: u32,
    ) -> Result<Vec<KeptAnnouncement>, CatalogError> {
        let (key, from) = (publisher.as_bytes().as_slice(), integer(from));
        let rows = sqlx::query!(
            "SELECT seq, cid, bytes FROM announcements
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?) AND seq >= ? AND bytes > 0
             ORDER BY seq LIMIT ?",
            key,
            from,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(KeptAnnouncement {
                    seq: size("announcements.seq", row.seq)?,
                    cid: announcement_cid("announcements.cid", &row.cid)?,
                    bytes: size("announcements.bytes", row.bytes)?,
                })
            })
            .collect()
    }

    /// Retractions of a publisher, the newest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn tombstones(
        &self,
        publisher: &Publisher,
        limit: u32,
    ) -> Result<Vec<Tombstone>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let rows = sqlx::query!(
            "SELECT asset, seq, at, reason, root FROM tombstones
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?)
             ORDER BY seq DESC LIMIT ?",
            key,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Tombstone {
                    asset: parse("tombstones.asset", &row.asset)?,
                    root: row
                        .root
                        .map(|root| root_cid("tombstones.root", &root))
                        .transpose()?,
                    seq: size("tombstones.seq", row.seq)?,
                    at: time("tombstones.at", row.at)?,
                    reason: row.reason,
                })
            })
            .collect()
    }

    /// What all feeds take together.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feed_usage(&self) -> Result<FeedUsage, CatalogError> {
        let row = sqlx::query!("SELECT bytes, publishers FROM feed_usage")
            .fetch_one(&self.reader)
            .await?;
        Ok(FeedUsage {
            bytes: size("feed_usage.bytes", row.bytes)?,
            publishers: size("feed_usage.publishers", row.publishers)?,
        })
    }

    /// Notes how catching up with a feed went. A feed without a row gets none by this.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_sync(
        &self,
        publisher: &Publisher,
        note: &SyncNote,
    ) -> Result<(), CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let next_at = note.next_at.map(millis);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE publishers SET source = COALESCE(?, source), error = ?, failures = ?, next_at = ?
             WHERE key = ?",
            note.source,
            note.error,
            note.failures,
            next_at,
            key
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Notes that an announcement exists, and those before it. A feed without a row gets none.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_exists(&self, announcement: &Announcement) -> Result<(), CatalogError> {
        let publisher = announcement.publisher();
        let key = publisher.as_bytes().as_slice();
        let known = integer(announcement.seq().saturating_add(1));
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE publishers SET known = max(known, ?) WHERE key = ?",
            known,
            key
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// The CID of an announcement that is recorded, whether or not its bytes are kept.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn announcement_cid(
        &self,
        publisher: &Publisher,
        seq: u64,
    ) -> Result<Option<Cid>, CatalogError> {
        let (key, seq) = (publisher.as_bytes().as_slice(), integer(seq));
        let digest = sqlx::query_scalar!(
            "SELECT cid FROM announcements
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?) AND seq = ?",
            key,
            seq
        )
        .fetch_optional(&self.reader)
        .await?;
        digest
            .map(|digest| announcement_cid("announcements.cid", &digest))
            .transpose()
    }
}
