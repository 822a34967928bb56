//! Publishers that are followed no longer, until it was decided what becomes of their feeds. The
//! same transaction that ends a follow notes it (`0007_snapshots.sql`), so that it is not lost with
//! the process.

use cidcast_announce::Publisher;

use crate::row::parse;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Publishers that a follow has ended for.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unfollowed(&self) -> Result<Vec<Publisher>, CatalogError> {
        let publishers = sqlx::query_scalar!("SELECT publisher FROM unfollowed")
            .fetch_all(&self.reader)
            .await?;
        publishers
            .iter()
            .map(|publisher| parse("unfollowed.publisher", publisher))
            .collect()
    }

    /// Notes that it was decided what becomes of a publisher's feed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn clear_unfollowed(&self, publisher: &Publisher) -> Result<(), CatalogError> {
        let publisher = publisher.to_string();
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM unfollowed WHERE publisher = ?", publisher)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}
