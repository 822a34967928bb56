//! Resumable uploads (tus 1.0): how far each one is, and when it is forgotten.

use std::collections::BTreeMap;

use cidcast_types::{AssetId, Timestamp, UploadId};

use crate::row::{document, integer, millis, parse, size, time};
use crate::{Catalog, CatalogError};

/// An upload that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Made by the caller from the clock and random bits.
    pub id: UploadId,
    /// The file name that the uploader gave.
    pub filename: String,
    /// What else the uploader said about it.
    pub metadata: BTreeMap<String, String>,
    /// How many bytes there will be.
    pub length: u64,
    /// Now.
    pub created_at: Timestamp,
    /// When it is forgotten unless more of it arrives.
    pub expires_at: Timestamp,
}

/// An upload, begun or finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Names its file too.
    pub id: UploadId,
    /// The file name that the uploader gave.
    pub filename: String,
    /// What else the uploader said about it.
    pub metadata: BTreeMap<String, String>,
    /// How many bytes there will be.
    pub length: u64,
    /// How many are safely in the file.
    pub offset: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// The asset that it became, once it is finished.
    pub asset: Option<AssetId>,
}

/// A change to an upload was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It expired, was terminated, or never existed.
    #[error("there is no upload {0}: begin a new one")]
    NoSuchUpload(UploadId),
    /// An offset only grows, up to the length.
    #[error(
        "offset {offset} of upload {id} is not between {received} and {length}: ask for its offset and continue there"
    )]
    OffsetOutOfRange {
        /// Which upload.
        id: UploadId,
        /// What was to be saved.
        offset: u64,
        /// What is saved.
        received: u64,
        /// The whole length.
        length: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<sqlx::Error> for UploadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}

struct UploadRow {
    id: String,
    filename: String,
    metadata: String,
    length: i64,
    received: i64,
    created_at: i64,
    expires_at: i64,
    asset: Option<String>,
}

impl UploadRow {
    fn into_upload(self) -> Result<Upload, CatalogError> {
        Ok(Upload {
            id: parse("uploads.id", &self.id)?,
            metadata: document("uploads.metadata", &self.metadata)?,
            length: size("uploads.length", self.length)?,
            offset: size("uploads.received", self.received)?,
            created_at: time("uploads.created_at", self.created_at)?,
            expires_at: time("uploads.expires_at", self.expires_at)?,
            asset: self
                .asset
                .map(|id| parse("uploads.asset", &id))
                .transpose()?,
            filename: self.filename,
        })
    }
}

impl Catalog {
    /// Begins an upload at offset 0.
    ///
    /// # Errors
    /// See [`CatalogError`]; an id that is taken is a [`CatalogError::Database`].
    pub async fn create_upload(&self, new: &NewUpload) -> Result<(), CatalogError> {
        let metadata = serde_json::Value::from_iter(new.metadata.clone()).to_string();
        let (id, length) = (new.id.to_string(), integer(new.length));
        let (created, expires) = (millis(new.created_at), millis(new.expires_at));
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO uploads (id, filename, metadata, length, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?)",
            id,
            new.filename,
            metadata,
            length,
            created,
            expires
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// The upload of that id, if there is one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn upload(&self, id: &UploadId) -> Result<Option<Upload>, CatalogError> {
        let id = id.to_string();
        let row = sqlx::query_as!(UploadRow, "SELECT * FROM uploads WHERE id = ?", id)
            .fetch_optional(&self.reader)
            .await?;
        row.map(UploadRow::into_upload).transpose()
    }

    /// Every upload, oldest first: what a node finds when it starts.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn uploads(&self) -> Result<Vec<Upload>, CatalogError> {
        let rows = sqlx::query_as!(UploadRow, "SELECT * FROM uploads ORDER BY id")
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter().map(UploadRow::into_upload).collect()
    }

    /// Saves that `offset` bytes are safely in the file, and puts off the expiry.
    ///
    /// # Errors
    /// [`UploadError::OffsetOutOfRange`] if that is less than before or more than the length.
    pub async fn set_offset(
        &self,
        id: &UploadId,
        offset: u64,
        expires_at: Timestamp,
    ) -> Result<(), UploadError> {
        let (key, to, expires) = (id.to_string(), integer(offset), millis(expires_at));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE uploads SET received = ?1, expires_at = ?2
             WHERE id = ?3 AND ?1 BETWEEN received AND length",
            to,
            expires,
            key
        )
        .execute(&mut *write)
        .await?;
        if done.rows_affected() > 0 {
            return Ok(write.commit().await?);
        }
        let row = sqlx::query!("SELECT received, length FROM uploads WHERE id = ?", key)
            .fetch_optional(&mut *write)
            .await?
            .ok_or(UploadError::NoSuchUpload(*id))?;
        Err(UploadError::OffsetOutOfRange {
            id: *id,
            offset,
            received: size("uploads.received", row.received)?,
            length: size("uploads.length", row.length)?,
        })
    }

    /// Marks an upload with the asset that it became. [`Catalog::create_from_upload`] does this
    /// and makes the asset in one step.
    ///
    /// # Errors
    /// [`UploadError::NoSuchUpload`], or the database failed (there is no such asset).
    pub async fn complete_upload(&self, id: &UploadId, asset: &AssetId) -> Result<(), UploadError> {
        let (key, asset) = (id.to_string(), asset.to_string());
        let mut write = self.write().await?;
        let done = sqlx::query!("UPDATE uploads SET asset = ? WHERE id = ?", asset, key)
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Err(UploadError::NoSuchUpload(*id));
        }
        Ok(write.commit().await?)
    }

    /// Forgets an upload; answers whether it was there.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn delete_upload(&self, id: &UploadId) -> Result<bool, CatalogError> {
        let id = id.to_string();
        let mut write = self.write().await?;
        let done = sqlx::query!("DELETE FROM uploads WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets every upload whose time is up at `now` and answers their ids, finished ones too.
    /// Remove their files next; a node that is killed in between finds files without a row when
    /// it starts.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn expire_uploads(&self, now: Timestamp) -> Result<Vec<UploadId>, CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        let ids = sqlx::query_scalar!(
            "DELETE FROM uploads WHERE expires_at <= ? RETURNING id",
            now
        )
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        ids.iter().map(|id| parse("uploads.id", id)).collect()
    }
}
