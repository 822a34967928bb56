//! Assets: make, read, change, delete.

use std::collections::BTreeMap;

use cidcast_types::{AssetId, AssetState, Cid, RootCid, Timestamp, UploadId};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::asset::{Asset, NewAsset, Patch};
use crate::row::{AssetRow, integer, millis, parse, size, tags_to_json};
use crate::{Catalog, CatalogError, ChangeError};

impl Catalog {
    /// Makes an asset in state `queued`.
    ///
    /// # Errors
    /// See [`CatalogError`]; an id that is taken is a [`CatalogError::Database`].
    pub async fn create(&self, new: &NewAsset) -> Result<Asset, CatalogError> {
        let mut write = self.write().await?;
        insert(&mut write, new).await?;
        let asset = created(&mut write, new).await?;
        write.commit().await?;
        Ok(asset)
    }

    /// Makes the asset of a finished upload and marks the upload with it, both or neither. An
    /// upload that already made its asset answers that one, so the call can be repeated.
    ///
    /// # Errors
    /// See [`CatalogError`]. An upload without a row is no error: the asset is made.
    pub async fn create_from_upload(
        &self,
        new: &NewAsset,
        upload: &UploadId,
    ) -> Result<Asset, CatalogError> {
        let mut write = self.write().await?;
        let upload = upload.to_string();
        let made = sqlx::query_as!(
            AssetRow,
            "SELECT * FROM assets WHERE id = (SELECT asset FROM uploads WHERE id = ?)",
            upload
        );
        if let Some(row) = made.fetch_optional(&mut *write).await? {
            return row.into_asset();
        }
        insert(&mut write, new).await?;
        let id = new.id.to_string();
        sqlx::query!("UPDATE uploads SET asset = ? WHERE id = ?", id, upload)
            .execute(&mut *write)
            .await?;
        let asset = created(&mut write, new).await?;
        write.commit().await?;
        Ok(asset)
    }

    /// The asset of that id, if there is one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn get(&self, id: &AssetId) -> Result<Option<Asset>, CatalogError> {
        let mut connection = self.reader.acquire().await?;
        fetch(&mut connection, id).await
    }

    /// Every asset whose package has this root CID, oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn by_root(&self, root: &RootCid) -> Result<Vec<Asset>, CatalogError> {
        let root = root.to_string();
        let rows = sqlx::query_as!(
            AssetRow,
            "SELECT * FROM assets WHERE root = ? ORDER BY seq",
            root
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(AssetRow::into_asset).collect()
    }

    /// The ids of every asset that was made from this source, oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn by_source(&self, source: &Cid) -> Result<Vec<AssetId>, CatalogError> {
        let source = source.to_string();
        let ids = sqlx::query_scalar!(
            "SELECT id FROM assets WHERE source_cid = ? ORDER BY seq",
            source
        )
        .fetch_all(&self.reader)
        .await?;
        ids.iter().map(|id| parse("assets.id", id)).collect()
    }

    /// How many assets there are in each state; states without one are left out.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn counts(&self) -> Result<BTreeMap<&'static str, u64>, CatalogError> {
        let rows =
            sqlx::query!(r#"SELECT state, COUNT(*) AS "assets!: i64" FROM assets GROUP BY state"#)
                .fetch_all(&self.reader)
                .await?;
        rows.into_iter()
            .map(|row| {
                let state: AssetState = parse("assets.state", &row.state)?;
                Ok((state.as_str(), size("count", row.assets)?))
            })
            .collect()
    }

    /// Changes what people see of an asset and answers the changed asset.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchAsset`], or the database failed.
    pub async fn update(
        &self,
        id: &AssetId,
        patch: &Patch,
        now: Timestamp,
    ) -> Result<Asset, ChangeError> {
        let mut write = self.write().await?;
        let (key, now) = (id.to_string(), millis(now));
        let tags = patch.tags.as_deref().map(tags_to_json);
        let visibility = patch.visibility.map(|visibility| visibility.as_str());
        sqlx::query!(
            "UPDATE assets SET title = COALESCE(?, title), description = COALESCE(?, description),
                 tags = COALESCE(?, tags), visibility = COALESCE(?, visibility), updated_at = ?
             WHERE id = ?",
            patch.title,
            patch.description,
            tags,
            visibility,
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        let asset = fetch(&mut write, id)
            .await?
            .ok_or(ChangeError::NoSuchAsset(*id))?;
        write.commit().await?;
        Ok(asset)
    }

    /// Removes an asset and the uploads that made it; answers whether it was there. Its units
    /// stay: see [`Catalog::drop_units_unless_used`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn delete(&self, id: &AssetId) -> Result<bool, CatalogError> {
        let mut write = self.write().await?;
        let id = id.to_string();
        let done = sqlx::query!("DELETE FROM assets WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Reads one asset on a connection that may be inside a transaction.
pub(crate) async fn fetch(
    connection: &mut SqliteConnection,
    id: &AssetId,
) -> Result<Option<Asset>, CatalogError> {
    let id = id.to_string();
    let row = sqlx::query_as!(AssetRow, "SELECT * FROM assets WHERE id = ?", id)
        .fetch_optional(connection)
        .await?;
    row.map(AssetRow::into_asset).transpose()
}

async fn created(
    write: &mut Transaction<'static, Sqlite>,
    new: &NewAsset,
) -> Result<Asset, CatalogError> {
    let asset = fetch(write, &new.id).await?;
    Ok(asset.ok_or(sqlx::Error::RowNotFound)?)
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    new: &NewAsset,
) -> Result<(), CatalogError> {
    let (id, cid) = (new.id.to_string(), new.source.cid.to_string());
    let (tags, visibility) = (tags_to_json(&new.tags), new.visibility.as_str());
    let (state, bytes) = (AssetState::Queued.as_str(), integer(new.source.bytes));
    let now = millis(new.created_at);
    sqlx::query!(
        "INSERT INTO assets (id, title, description, tags, visibility, state,
             source_name, source_bytes, source_cid, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        id,
        new.title,
        new.description,
        tags,
        visibility,
        state,
        new.source.name,
        bytes,
        cid,
        now,
        now
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}
