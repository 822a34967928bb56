//! At start: make store and files agree with the catalog.
//!
//! A process may die between any two instructions of the write path. Rows decide what exists: pins
//! of assets without a row are released, files without a row removed, uploads that were complete
//! become assets, pins are as open as their asset's visibility says.

use std::io;
use std::sync::Arc;

use cidcast_catalog::CatalogError;
use cidcast_types::{AssetId, AssetState};

use crate::ingest::{Inner, blocking};
use crate::job::audience_of;
use crate::settings::KeepSource;

/// Catalog and store could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store's pins could not be read or changed.
    #[error("the pins could not be compared: {0}")]
    Pins(#[from] cidcast_store::DatabaseError),
    /// A file could not be removed.
    #[error("a leftover file could not be removed: {0}")]
    Files(#[from] io::Error),
}

pub(crate) async fn run(inner: &Arc<Inner>) -> Result<(), ReconcileError> {
    pins(inner).await?;
    inner.uploads_recover().await?;
    sources(inner).await?;
    let store = inner.store.clone();
    // Orphans cost space, not correctness: they are collected while the node already serves.
    inner.shutdown.spawn("sweep", async move {
        match blocking(move || store.sweep()).await {
            Ok(swept) if swept.deleted > 0 => tracing::info!(?swept, "removed orphaned blocks"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "could not sweep the store"),
        }
    });
    Ok(())
}

async fn pins(inner: &Arc<Inner>) -> Result<(), ReconcileError> {
    let store = inner.store.clone();
    let mut holders: Vec<_> = blocking(move || store.pins())
        .await?
        .into_iter()
        .map(|pin| (pin.holder, pin.audience))
        .collect();
    holders.sort();
    holders.dedup();
    for (holder, audience) in holders {
        // Other holders (imports, remote pinners) are no business of the write path.
        let Ok(id) = holder.as_str().parse::<AssetId>() else {
            continue;
        };
        match inner.catalog.get(&id).await? {
            Some(row) if audience_of(row.visibility) == audience => {}
            Some(row) => inner.align_audience(&id, row.visibility).await?,
            None => {
                let store = inner.store.clone();
                tracing::info!(asset = %id, "releasing the pins of a deleted asset");
                blocking(move || store.unpin(&holder, None)).await?;
            }
        }
    }
    Ok(())
}

async fn sources(inner: &Arc<Inner>) -> Result<(), ReconcileError> {
    for id in inner.files.source_ids()? {
        if !is_wanted(inner, &id).await? {
            tracing::info!(asset = %id, "removing a leftover source");
            inner.files.remove(&id)?;
        }
    }
    Ok(())
}

/// Whether a source is still needed: by an upload, by a job, or because the operator keeps it.
async fn is_wanted(inner: &Arc<Inner>, id: &AssetId) -> Result<bool, ReconcileError> {
    let done = AssetState::Ready;
    match inner.catalog.get(id).await? {
        Some(row) => Ok(row.state != done || inner.settings.keep_source == KeepSource::Keep),
        None => Ok(inner.upload_exists(id).await?),
    }
}
