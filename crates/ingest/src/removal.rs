//! Deleting an asset, whatever it is doing.
//!
//! Order: stop the job, delete the rows, release the pins, remove the files. Once the rows are
//! gone the asset is gone; what a crash leaves of the rest belongs to nobody and is removed by
//! [`crate::reconcile`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cidcast_catalog::CatalogError;
use cidcast_types::AssetId;

use crate::ingest::{Inner, blocking, holder};

/// How long a job gets to stop its encoders: they are killed, so this is about disk syncs.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// An asset could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// No such asset.
    #[error("there is no asset {0}")]
    NotFound(AssetId),
    /// Its work would not stop.
    #[error("the work on asset {0} does not stop: try again, or restart the node")]
    StillRunning(AssetId),
    /// The rows could not be deleted.
    #[error("the asset could not be deleted from the catalog: {0}")]
    Catalog(#[from] CatalogError),
    /// The pins could not be released.
    #[error("the asset is deleted, but its blocks are not yet: {0}; a restart removes them")]
    Unpin(#[from] cidcast_store::DatabaseError),
    /// The blocks are not gone yet.
    #[error("the asset is deleted, but its blocks are not yet: {0}")]
    Flush(#[from] cidcast_store::FlushError),
    /// The files could not be removed.
    #[error("the asset is deleted, but its files are not yet: {0}; a restart removes them")]
    Files(#[from] io::Error),
}

pub(crate) async fn run(inner: &Arc<Inner>, id: &AssetId) -> Result<(), RemoveError> {
    let inner = Arc::clone(inner);
    let id = *id;
    // On its own task: a client that hangs up must not leave the work half done.
    let shutdown = inner.shutdown.clone();
    let work = shutdown.spawn("delete asset", async move { remove(&inner, id).await });
    work.await.unwrap_or(Err(RemoveError::StillRunning(id)))
}

async fn remove(inner: &Arc<Inner>, id: AssetId) -> Result<(), RemoveError> {
    let row = inner
        .catalog
        .get(&id)
        .await?
        .ok_or(RemoveError::NotFound(id))?;
    // From here the scheduler must not start it again: without its row it cannot.
    tokio::time::timeout(STOP_DEADLINE, inner.running.stop(&id))
        .await
        .map_err(|_| RemoveError::StillRunning(id))?;
    inner.catalog.delete(&id).await?;
    // A turn of the scheduler may have started it between stop and delete: its job finds no row
    // and ends by itself, and is waited for before the pins go.
    tokio::time::timeout(STOP_DEADLINE, inner.running.stop(&id))
        .await
        .map_err(|_| RemoveError::StillRunning(id))?;
    if let Some(plan) = &row.plan {
        inner
            .catalog
            .drop_units_unless_used(&row.source.cid, &plan.key())
            .await?;
    }
    let (store, files) = (inner.store.clone(), inner.files.clone());
    blocking(move || {
        store.unpin(&holder(&id), None)?;
        store.flush_deletes()?;
        files.remove(&id)?;
        Ok::<(), RemoveError>(())
    })
    .await?;
    inner.events.deleted(id);
    tracing::info!(asset = %id, "asset deleted");
    Ok(())
}
