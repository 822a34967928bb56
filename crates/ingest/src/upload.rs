//! Bytes in: resumable uploads (tus 1.0 semantics, without HTTP) and plain streams.
//!
//! An upload has the id of the asset that it will become, so its file never moves. It becomes an
//! asset when its last byte is synced; a process that dies in between does so at the next start.

mod checksum;
mod finish;
mod part;
mod plain;
mod words;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use cidcast_catalog::{CatalogError, Upload};
use cidcast_runtime::random_u128;
use cidcast_types::{AssetId, Timestamp, UploadId};
use futures::Stream;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use crate::about::{About, AboutError};
use crate::files::is_no_space;
use crate::ingest::Inner;
pub use checksum::{Algorithm, Checksum, UnknownAlgorithm};
use writer::SourceHasher;

/// A resumable upload to be made.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// What the asset will be called, and who may see it.
    pub about: About,
    /// Size of the source in bytes.
    pub length: u64,
    /// The client's own words about it, echoed as they came (tus `Upload-Metadata`).
    pub metadata: String,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStatus {
    /// Which upload.
    pub id: UploadId,
    /// Bytes that are safe.
    pub offset: u64,
    /// Bytes that there will be.
    pub length: u64,
    /// When it is dropped unless continued.
    pub expires_at: Timestamp,
    /// The client's own words.
    pub metadata: String,
    /// The asset, once the last byte is here.
    pub asset: Option<AssetId>,
}

/// Bytes could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No such upload, or it expired.
    #[error("there is no upload {0}: it may have expired; start a new one")]
    NotFound(UploadId),
    /// Someone else is sending to it.
    #[error("upload {0} is being sent by another request: wait for it, or stop it")]
    Busy(UploadId),
    /// The sender and we disagree on how much is here.
    #[error(
        "the upload stands at byte {expected}, not {given}: ask for its offset and continue there"
    )]
    OffsetConflict {
        /// What we have.
        expected: u64,
        /// What the sender thinks.
        given: u64,
    },
    /// Nothing to encode.
    #[error("the source is empty: choose a video or audio file")]
    Empty,
    /// Larger than the operator allows.
    #[error("the source is larger than the limit of {limit} bytes (upload.max_bytes)")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// More bytes than announced.
    #[error("more bytes came than the {length} that were announced: start a new upload")]
    OverLength {
        /// The announced length.
        length: u64,
    },
    /// No room.
    #[error("not enough free space: {needed} bytes needed, {free} free; make room and try again")]
    NoSpace {
        /// Bytes needed, including what must stay free.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The part's checksum differs.
    #[error("the checksum of the part differs: send it again")]
    WrongChecksum,
    /// The sender went away before the end.
    #[error("the connection ended before the source was whole: send it again")]
    BrokenOff,
    /// Title or tags out of bounds.
    #[error(transparent)]
    About(#[from] AboutError),
    /// The catalog failed.
    #[error("the upload could not be recorded: {0}")]
    Catalog(#[from] CatalogError),
    /// The catalog refused the new offset.
    #[error("the upload could not be recorded: {0}")]
    Record(#[from] cidcast_catalog::UploadError),
    /// The disk failed.
    #[error("the source could not be written: {0}")]
    Disk(#[source] std::io::Error),
    /// The node is stopping.
    #[error("the node is stopping: continue the upload when it is back")]
    Stopping,
}

/// How long a request waits for another one on the same upload.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// State of uploads that this process has seen: a lock each, and the hash so far.
#[derive(Default)]
pub(crate) struct Parts(Mutex<HashMap<UploadId, Part>>);

#[derive(Default)]
struct Part {
    lock: Weak<tokio::sync::Mutex<()>>,
    hasher: Option<SourceHasher>,
    /// Ends the request that sends now.
    stop: Option<CancellationToken>,
}

impl Parts {
    fn with<T>(&self, id: &UploadId, use_it: impl FnOnce(&mut Part) -> T) -> T {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(parts.entry(*id).or_default())
    }

    /// Waits a little for whoever has the upload: a request that broke off needs a moment to save
    /// what came, and its client is back at once.
    async fn lock(&self, id: &UploadId) -> Result<OwnedMutexGuard<()>, UploadError> {
        let lock = self.with(id, |part| {
            part.lock.upgrade().unwrap_or_else(|| {
                let lock = Arc::default();
                part.lock = Arc::downgrade(&lock);
                lock
            })
        });
        let locked = tokio::time::timeout(LOCK_PATIENCE, lock.lock_owned()).await;
        locked.map_err(|_| UploadError::Busy(*id))
    }

    /// A request begins to send; the token ends it early.
    fn begin(&self, id: &UploadId, node: &CancellationToken) -> CancellationToken {
        let stop = node.child_token();
        self.with(id, |part| part.stop = Some(stop.clone()));
        stop
    }

    /// Ends the request that sends now.
    fn interrupt(&self, id: &UploadId) {
        if let Some(stop) = self.with(id, |part| part.stop.take()) {
            stop.cancel();
        }
    }

    fn take_hasher(&self, id: &UploadId) -> Option<SourceHasher> {
        self.with(id, |part| part.hasher.take())
    }

    fn keep_hasher(&self, id: &UploadId, hasher: Option<SourceHasher>) {
        self.with(id, |part| part.hasher = hasher);
    }

    fn forget(&self, id: &UploadId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

/// Resumable uploads.
#[derive(Clone)]
pub struct Uploads(pub(crate) Arc<Inner>);

impl Uploads {
    /// Begins an upload.
    ///
    /// # Errors
    ///
    /// [`UploadError::Empty`], [`UploadError::TooLarge`] or [`UploadError::NoSpace`] by the
    /// announced length, or the catalog's own.
    pub async fn create(&self, new: NewUpload) -> Result<UploadStatus, UploadError> {
        self.0.check_length(new.length)?;
        let now = self.0.clock.now();
        let row = cidcast_catalog::NewUpload {
            id: UploadId::from_parts(now, random_u128()),
            filename: new.about.filename().to_owned(),
            metadata: words::write(&new.about, new.metadata),
            length: new.length,
            created_at: now,
            expires_at: now.after(self.0.settings.upload_expiry),
        };
        self.0.catalog.create_upload(&row).await?;
        self.status(&row.id).await
    }

    /// Where an upload stands.
    ///
    /// # Errors
    ///
    /// [`UploadError::NotFound`] or the catalog's own.
    pub async fn status(&self, id: &UploadId) -> Result<UploadStatus, UploadError> {
        self.0.upload_row(id).await.map(|row| status(&row))
    }

    /// Adds the body at `offset`. What arrived counts even if the body breaks off, unless a
    /// checksum was given. At the last byte the upload becomes an asset.
    ///
    /// # Errors
    ///
    /// [`UploadError`]; the upload stays where it was, or as far as bytes are safe.
    pub async fn append<E>(
        &self,
        id: &UploadId,
        offset: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        checksum: Option<Checksum>,
    ) -> Result<UploadStatus, UploadError> {
        part::append(&self.0, id, offset, body, checksum).await
    }

    /// Drops an unfinished upload, and ends a request that still sends to it. A finished one stays
    /// the asset that it became.
    ///
    /// # Errors
    ///
    /// [`UploadError::NotFound`], [`UploadError::Busy`], or that its file cannot be removed.
    pub async fn terminate(&self, id: &UploadId) -> Result<(), UploadError> {
        self.0.upload_row(id).await?;
        self.0.parts.interrupt(id);
        let _guard = self.0.parts.lock(id).await?;
        // Asked again: it may have become an asset, whose source must stay.
        let row = self.0.upload_row(id).await?;
        self.0.drop_upload(&row).await
    }
}

impl Inner {
    /// Refuses a source by its length before any byte is taken.
    fn check_length(&self, length: u64) -> Result<(), UploadError> {
        let limit = self.settings.max_source_bytes;
        match length {
            0 => Err(UploadError::Empty),
            n if n > limit => Err(UploadError::TooLarge { limit }),
            n => self.check_room(n),
        }
    }

    /// Refuses to take `bytes` more if they would eat into the space to be left free.
    fn check_room(&self, bytes: u64) -> Result<(), UploadError> {
        let needed = bytes.saturating_add(self.settings.min_free_bytes);
        let free = self.files.free_bytes().map_err(UploadError::Disk)?;
        if free < needed {
            Err(UploadError::NoSpace { needed, free })
        } else {
            Ok(())
        }
    }

    async fn upload_row(&self, id: &UploadId) -> Result<Upload, UploadError> {
        self.catalog
            .upload(id)
            .await?
            .ok_or(UploadError::NotFound(*id))
    }

    /// Whether a source file belongs to an upload.
    pub(crate) async fn upload_exists(&self, id: &AssetId) -> Result<bool, CatalogError> {
        Ok(self.catalog.upload(&UploadId::from(*id)).await?.is_some())
    }

    async fn drop_upload(&self, row: &Upload) -> Result<(), UploadError> {
        self.catalog.delete_upload(&row.id).await?;
        self.parts.forget(&row.id);
        if row.asset.is_none() {
            self.files
                .remove(&AssetId::from(row.id))
                .map_err(UploadError::Disk)?;
        }
        Ok(())
    }

    /// Drops uploads that nobody continued in time.
    pub(crate) async fn uploads_expire(&self) -> Result<(), UploadError> {
        for upload in self.catalog.expire_uploads(self.clock.now()).await? {
            self.parts.forget(&upload);
            let id = AssetId::from(upload);
            if self.catalog.get(&id).await?.is_none() {
                tracing::info!(%upload, "upload expired");
                self.files.remove(&id).map_err(UploadError::Disk)?;
            }
        }
        Ok(())
    }

    /// The error for a write that failed, with the free space if that was the reason.
    fn disk_error(&self, error: std::io::Error) -> UploadError {
        if is_no_space(&error) {
            let free = self.files.free_bytes().unwrap_or(0);
            let needed = self.settings.min_free_bytes.max(free.saturating_add(1));
            return UploadError::NoSpace { needed, free };
        }
        UploadError::Disk(error)
    }
}

fn status(row: &Upload) -> UploadStatus {
    UploadStatus {
        id: row.id,
        offset: row.offset,
        length: row.length,
        expires_at: row.expires_at,
        metadata: words::as_sent(row),
        asset: row.asset,
    }
}
