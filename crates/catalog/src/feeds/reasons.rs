//! Why the operator retracts something, from the request until it is announced.

use cidcast_types::AssetId;

use crate::{Catalog, CatalogError};

/// Reasons that wait. An asset that is never retracted leaves its reason behind; the oldest go.
const MOST_REASONS: i64 = 1_000;

impl Catalog {
    /// Remembers why an asset is about to be retracted.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn set_retract_reason(
        &self,
        asset: &AssetId,
        reason: &str,
    ) -> Result<(), CatalogError> {
        let asset = asset.to_string();
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO retract_reasons (asset, reason) VALUES (?, ?)
             ON CONFLICT (asset) DO UPDATE SET reason = excluded.reason",
            asset,
            reason
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "DELETE FROM retract_reasons
             WHERE id <= (SELECT MAX(id) FROM retract_reasons) - ?",
            MOST_REASONS
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Why an asset is about to be retracted, if it was said.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retract_reason(&self, asset: &AssetId) -> Result<Option<String>, CatalogError> {
        let asset = asset.to_string();
        Ok(
            sqlx::query_scalar!("SELECT reason FROM retract_reasons WHERE asset = ?", asset)
                .fetch_optional(&self.reader)
                .await?,
        )
    }

    /// It was announced.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn clear_retract_reason(&self, asset: &AssetId) -> Result<(), CatalogError> {
        let asset = asset.to_string();
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM retract_reasons WHERE asset = ?", asset)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}
