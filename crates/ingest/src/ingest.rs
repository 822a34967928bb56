//! The handle of the write path, and what all its parts share.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cidcast_catalog::{Asset, Catalog, CatalogError, ChangeError, Patch};
use cidcast_ipfs::Blocks;
use cidcast_runtime::{Clock, DrainTimeout, Shutdown};
use cidcast_store::{Holder, Store};
use cidcast_transcode::Tools;
use cidcast_types::{AssetId, Visibility};
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::about::{AboutError, check_description, check_tags, check_title};
use crate::event::{Event, Events};
use crate::files::Files;
use crate::job::audience_of;
use crate::metrics::Metrics;
use crate::scheduler::{self, Running};
use crate::settings::IngestSettings;
use crate::unit::UnitLocks;
use crate::upload::{Parts, Uploads};
use crate::{reconcile, removal};

/// What every part of the write path shares.
pub(crate) struct Inner {
    pub(crate) settings: IngestSettings,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) blocks: Blocks,
    pub(crate) tools: Tools,
    pub(crate) clock: Clock,
    pub(crate) files: Files,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    /// Rung when there may be something to start.
    pub(crate) wake: Notify,
    pub(crate) running: Running,
    /// One permit per encoder process.
    pub(crate) slots: Semaphore,
    pub(crate) units: UnitLocks,
    pub(crate) parts: Parts,
}

/// The outside parts that the write path works with.
pub struct Parties {
    /// Rows.
    pub catalog: Catalog,
    /// Blocks and pins.
    pub store: Store,
    /// Block reading.
    pub blocks: Blocks,
    /// ffmpeg and ffprobe.
    pub tools: Tools,
    /// Time of day.
    pub clock: Clock,
}

/// The write path could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folders for sources and work could not be made.
    #[error("cannot prepare the data directory: {0}; check that it exists and belongs to you")]
    Files(#[source] io::Error),
    /// What an earlier process left could not be cleaned up.
    #[error("cannot compare the catalog with the store: {0}")]
    Reconcile(#[from] reconcile::ReconcileError),
}

/// Metadata could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No such asset.
    #[error("there is no asset {0}")]
    NotFound(AssetId),
    /// The new text is out of bounds.
    #[error(transparent)]
    About(#[from] AboutError),
    /// The catalog failed.
    #[error("the change could not be saved: {0}")]
    Catalog(#[from] CatalogError),
    /// The catalog refused the change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The pins could not be opened or closed.
    #[error("the visibility of the blocks could not be changed: {0}")]
    Audience(#[from] cidcast_store::DatabaseError),
}

/// A job could not be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// No such asset.
    #[error("there is no asset {0}")]
    NotFound(AssetId),
    /// It did not fail.
    #[error("asset {0} has not failed: there is nothing to retry")]
    NotFailed(AssetId),
    /// The catalog failed.
    #[error("the retry could not be saved: {0}")]
    Catalog(#[from] CatalogError),
    /// The catalog refused the change.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// The write path, running. Clones are the same one.
#[derive(Clone)]
pub struct Ingest(pub(crate) Arc<Inner>);

impl Ingest {
    /// Starts the scheduler, after removing what a dead process left: pins, files and rows of
    /// assets that were being deleted, and unfinished work.
    ///
    /// # Errors
    ///
    /// [`StartError`] if folders cannot be made or the catalog and the store cannot be compared.
    pub async fn start(
        settings: IngestSettings,
        parties: Parties,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError> {
        let files = Files::prepare(&settings.data_dir).map_err(StartError::Files)?;
        let inner = Arc::new(Inner {
            slots: Semaphore::new(settings.parallel.max(1)),
            settings,
            catalog: parties.catalog,
            store: parties.store,
            blocks: parties.blocks,
            tools: parties.tools,
            clock: parties.clock,
            files,
            events: Events::new(),
            metrics,
            shutdown: shutdown.child(),
            wake: Notify::new(),
            running: Running::default(),
            units: UnitLocks::default(),
            parts: Parts::default(),
        });
        reconcile::run(&inner).await?;
        inner
            .shutdown
            .spawn("ingest scheduler", scheduler::run(Arc::clone(&inner)));
        Ok(Self(inner))
    }

    /// Resumable uploads.
    pub fn uploads(&self) -> Uploads {
        Uploads(Arc::clone(&self.0))
    }

    /// News about assets, from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Changes title, description, tags or visibility; says what the asset is afterwards.
    ///
    /// # Errors
    ///
    /// [`EditError`]; nothing is changed then, except that blocks may already be closed to
    /// outsiders when the row could not be saved.
    pub async fn edit(&self, id: &AssetId, patch: Patch) -> Result<Asset, EditError> {
        let patch = checked(patch)?;
        let before = self
            .0
            .catalog
            .get(id)
            .await?
            .ok_or(EditError::NotFound(*id))?;
        let closing = patch.visibility == Some(Visibility::Private);
        // Blocks close before the row says private, and open after it says public: a crash in
        // between errs towards private, and the next start makes both agree.
        if closing && before.visibility != Visibility::Private {
            self.0.align_audience(id, Visibility::Private).await?;
        }
        let visibility = patch.visibility;
        let after = self
            .0
            .catalog
            .update(id, &patch, self.0.clock.now())
            .await?;
        if let Some(visibility) = visibility.filter(|_| !closing) {
            self.0.align_audience(id, visibility).await?;
        }
        self.0.events.changed(*id);
        Ok(after)
    }

    /// Puts a failed asset back into the queue.
    ///
    /// # Errors
    ///
    /// [`RetryError`] if there is no such asset or it has not failed.
    pub async fn retry(&self, id: &AssetId) -> Result<(), RetryError> {
        let row = self
            .0
            .catalog
            .get(id)
            .await?
            .ok_or(RetryError::NotFound(*id))?;
        if row.failure.is_none() {
            return Err(RetryError::NotFailed(*id));
        }
        self.0.catalog.requeue(id, self.0.clock.now()).await?;
        self.0.events.changed(*id);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Deletes an asset in any state: stops its work and removes rows, pins, blocks and files.
    /// Returns when all is gone.
    ///
    /// # Errors
    ///
    /// [`removal::RemoveError`]; what could not be removed now is removed at the next start.
    pub async fn delete(&self, id: &AssetId) -> Result<(), removal::RemoveError> {
        removal::run(&self.0, id).await
    }

    /// Stops all work and waits for it.
    ///
    /// # Errors
    ///
    /// [`DrainTimeout`] if something still runs after `deadline`.
    pub async fn stop(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.0.shutdown.drain(deadline).await
    }
}

impl Inner {
    /// Lets the pins of an asset be read by whom its visibility says.
    pub(crate) async fn align_audience(
        &self,
        id: &AssetId,
        visibility: Visibility,
    ) -> Result<(), cidcast_store::DatabaseError> {
        let (store, holder) = (self.store.clone(), holder(id));
        blocking(move || store.set_audience(&holder, audience_of(visibility)))
            .await
            .map(|_| ())
    }
}

/// The name under which an asset holds its pins.
pub(crate) fn holder(id: &AssetId) -> Holder {
    Holder::from(id)
}

/// Runs work that may block on the thread pool for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The closure panicked (a bug) or the runtime is gone: neither has a value to go on with.
        Err(broken) => match broken.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

fn checked(mut patch: Patch) -> Result<Patch, AboutError> {
    patch.title = patch.title.map(|title| check_title(&title)).transpose()?;
    patch.description = patch
        .description
        .map(|text| check_description(&text))
        .transpose()?;
    patch.tags = patch.tags.map(|tags| check_tags(&tags)).transpose()?;
    Ok(patch)
}
