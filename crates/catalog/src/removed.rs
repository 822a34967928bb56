//! What the operator of this node removed for good.

use cidcast_types::{RootCid, Timestamp};

use crate::feed::Tombstone;
use crate::feeds::root_cid;
use crate::replica::AssetOf;
use crate::replicas::{key, publisher_of};
use crate::row::{millis, parse, size, time};
use crate::{Catalog, CatalogError};

/// An asset that the operator removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Which.
    pub of: AssetOf,
    /// Its package at that time, if it was known.
    pub root: Option<RootCid>,
    /// What the operator said, possibly nothing.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Catalog {
    /// Remembers that an asset is not wanted here, whatever is announced, and gives up its copy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remove_for_good(&self, removed: &Removed) -> Result<(), CatalogError> {
        let (publisher, asset) = key(&removed.of);
        let (root, at) = (
            removed.root.map(|root| root.to_string()),
            millis(removed.at),
        );
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO removed (publisher, asset, root, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (publisher, asset) DO UPDATE SET root = ifnull(?3, root), reason = ?4",
            publisher,
            asset,
            root,
            removed.reason,
            at
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "UPDATE replicas SET state = 'unpinning', next_at = NULL
             WHERE publisher = ? AND asset = ?",
            publisher,
            asset
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Lets a removed asset come back; answers whether it was removed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn allow_again(&self, of: &AssetOf) -> Result<bool, CatalogError> {
        let (publisher, asset) = key(of);
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "DELETE FROM removed WHERE publisher = ? AND asset = ?",
            publisher,
            asset
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether the operator removed an asset.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn is_removed(&self, of: &AssetOf) -> Result<bool, CatalogError> {
        let (publisher, asset) = key(of);
        let found = sqlx::query_scalar!(
            "SELECT 1 FROM removed WHERE publisher = ? AND asset = ?",
            publisher,
            asset
        )
        .fetch_optional(&self.reader)
        .await?;
        Ok(found.is_some())
    }

    /// The retraction of an asset, if its publisher retracted it.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn tombstone(&self, of: &AssetOf) -> Result<Option<Tombstone>, CatalogError> {
        let (publisher, asset) = key(of);
        let row = sqlx::query!(
            "SELECT seq, at, reason, root FROM tombstones
             WHERE publisher = (SELECT id FROM publishers WHERE key = ?) AND asset = ?",
            publisher,
            asset
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Tombstone {
                asset: of.asset,
                root: row
                    .root
                    .map(|root| root_cid("tombstones.root", &root))
                    .transpose()?,
                seq: size("tombstones.seq", row.seq)?,
                at: time("tombstones.at", row.at)?,
                reason: row.reason,
            })
        })
        .transpose()
    }

    /// Up to `limit` removed assets after the first `skip`, the last first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn removed(&self, skip: u32, limit: u32) -> Result<Vec<Removed>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT publisher, asset, root, reason, at FROM removed
             ORDER BY at DESC, publisher, asset LIMIT ? OFFSET ?",
            limit,
            skip
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Removed {
                    of: AssetOf {
                        publisher: publisher_of("removed.publisher", &row.publisher)?,
                        asset: parse("removed.asset", &row.asset)?,
                    },
                    root: row
                        .root
                        .map(|root| parse("removed.root", &root))
                        .transpose()?,
                    reason: row.reason,
                    at: time("removed.at", row.at)?,
                })
            })
            .collect()
    }
}
