//! Which blocks a feed's rows need, and feeds whose pins may be more than that.
//!
//! Pins and rows are in two databases. Whoever changes both notes the feed here first; the note goes
//! when the store has been compared with the rows, in this process or the next.

use std::collections::HashSet;

use cidcast_announce::Publisher;
use cidcast_types::Cid;
use sqlx::{Sqlite, Transaction};

use super::hash::{announcement_cid, split_announcements};
use super::row::publisher_of;
use crate::{Catalog, CatalogError};

/// The blocks that a feed's rows refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededBlocks {
    /// Announcements whose bytes are kept.
    pub announcements: HashSet<Cid>,
    /// Segments of the newest snapshot and of the one that is held.
    pub segments: HashSet<Cid>,
}

impl Catalog {
    /// Notes that the pins of a feed are about to change.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn mark_untidy(&self, publisher: &Publisher) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        mark(&mut write, publisher).await?;
        Ok(write.commit().await?)
    }

    /// Notes that the pins of a feed are what its rows need.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn mark_tidy(&self, publisher: &Publisher) -> Result<(), CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM untidy_feeds WHERE key = ?", key)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Feeds that are noted as untidy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn untidy_feeds(&self) -> Result<Vec<Publisher>, CatalogError> {
        let keys = sqlx::query_scalar!("SELECT key FROM untidy_feeds")
            .fetch_all(&self.reader)
            .await?;
        keys.iter().map(|key| publisher_of(key)).collect()
    }

    /// The blocks that the rows of a feed refer to.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn needed_blocks(&self, publisher: &Publisher) -> Result<NeededBlocks, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let kept = sqlx::query_scalar!(
            "SELECT cid FROM announcements
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?) AND bytes > 0",
            key
        )
        .fetch_all(&self.reader)
        .await?;
        let segments = sqlx::query_scalar!(
            "SELECT segments FROM snapshots
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?1)
             UNION ALL
             SELECT segments FROM held_snapshots
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?1)",
            key
        )
        .fetch_all(&self.reader)
        .await?;
        let mut needed = NeededBlocks::default();
        for digest in kept {
            let cid = announcement_cid("announcements.cid", &digest)?;
            needed.announcements.insert(cid);
        }
        for digests in segments {
            let cids = split_announcements("snapshots.segments", &digests)?;
            needed.segments.extend(cids);
        }
        Ok(needed)
    }
}

pub(super) async fn mark(
    write: &mut Transaction<'static, Sqlite>,
    publisher: &Publisher,
) -> Result<(), CatalogError> {
    let key = publisher.as_bytes().as_slice();
    sqlx::query!("INSERT OR IGNORE INTO untidy_feeds (key) VALUES (?)", key)
        .execute(&mut **write)
        .await?;
    Ok(())
}
