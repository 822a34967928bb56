//! Where the own feed and the assets of this node differ.

use cidcast_announce::Publisher;
use cidcast_types::{AssetId, Timestamp};

use super::row::AnnouncedRow;
use crate::feed::{AnnouncedAsset, OwnKey};
use crate::row::{AssetRow, millis, parse};
use crate::{Asset, Catalog, CatalogError};

/// A public asset that may have to be announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Unannounced {
    /// The asset as it is.
    pub asset: Asset,
    /// How it was announced, if it was.
    pub announced: Option<AnnouncedAsset>,
}

impl Catalog {
    /// Makes `publisher` the one that this node signs for, and no other. A key that was confirmed
    /// stays so.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn set_own_publisher(
        &self,
        publisher: &Publisher,
        state: OwnKey,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let (key, now) = (publisher.as_bytes().as_slice(), millis(now));
        let own = state.column();
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE publishers SET own = 0 WHERE own > 0 AND key <> ?",
            key
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "INSERT INTO publishers (key, own, recorded_at) VALUES (?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET own = max(own, excluded.own)",
            key,
            own,
            now
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Whether this node signs for a publisher, and knows its latest number.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn own_key(&self, publisher: &Publisher) -> Result<Option<OwnKey>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let own = sqlx::query_scalar!("SELECT own FROM publishers WHERE key = ?", key)
            .fetch_optional(&self.reader)
            .await?;
        Ok(own.and_then(OwnKey::of_column))
    }

    /// Public, ready assets with an id after `after` that were not announced, or that may have
    /// changed since, by id.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unannounced(
        &self,
        own: &Publisher,
        after: Option<&AssetId>,
        limit: u32,
    ) -> Result<Vec<Unannounced>, CatalogError> {
        let key = own.as_bytes().as_slice();
        let after = after.map(ToString::to_string).unwrap_or_default();
        let rows = sqlx::query_as!(
            AssetRow,
            "SELECT * FROM assets
             WHERE id > ?1 AND visibility = 'public' AND state = 'ready' AND NOT EXISTS (
                 SELECT 1 FROM announced
                 WHERE asset = assets.id AND publisher = (SELECT id FROM publishers WHERE key = ?2)
                     AND announced.title = assets.title
                     AND announced.description = assets.description
                     AND announced.tags = assets.tags AND at > assets.updated_at)
             ORDER BY id LIMIT ?3",
            after,
            key,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let asset = row.into_asset()?;
            let announced = self.announced_asset(own, &asset.id).await?;
            all.push(Unannounced { asset, announced });
        }
        Ok(all)
    }

    /// Notes that this node is about to announce assets.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_signed_here(&self, assets: &[AssetId]) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for asset in assets {
            let asset = asset.to_string();
            sqlx::query!(
                "INSERT OR IGNORE INTO signed_here (asset) VALUES (?)",
                asset
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Assets that this node announces in its own feed although they are not public any more.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn no_longer_public(
        &self,
        own: &Publisher,
        limit: u32,
    ) -> Result<Vec<AssetId>, CatalogError> {
        let key = own.as_bytes().as_slice();
        let ids = sqlx::query_scalar!(
            "SELECT announced.asset FROM announced LEFT JOIN assets ON assets.id = announced.asset
             WHERE announced.publisher = (SELECT id FROM publishers WHERE key = ?)
                 AND (assets.id IS NULL OR visibility <> 'public')
                 AND announced.asset IN (SELECT asset FROM signed_here)
             ORDER BY announced.id LIMIT ?",
            key,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        ids.iter().map(|id| parse("announced.asset", id)).collect()
    }

    /// One asset of one publisher, hidden or not.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn announced_asset(
        &self,
        publisher: &Publisher,
        asset: &AssetId,
    ) -> Result<Option<AnnouncedAsset>, CatalogError> {
        let (key, asset) = (publisher.as_bytes().as_slice(), asset.to_string());
        let row = sqlx::query_as!(
            AnnouncedRow,
            "SELECT announced.id, key, name, asset, seq, at, root, title, description, tags,
                 created_at, duration_ms, announced.bytes, renditions, poster, language, copies_min,
                 copies_max, views, hidden
             FROM announced JOIN publishers ON publishers.id = announced.publisher
             WHERE asset = ? AND key = ?",
            asset,
            key
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(AnnouncedRow::into_asset).transpose()
    }
}
