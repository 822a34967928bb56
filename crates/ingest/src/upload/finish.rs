//! From the last byte to an asset in the queue.

use std::io::BufReader;
use std::sync::Arc;

use cidcast_catalog::{NewAsset, NewSource, Upload};
use cidcast_ipfs::unixfs::add::cid_of_reader;
use cidcast_types::{AssetId, Cid};

use super::writer::SourceHasher;
use super::{UploadError, UploadStatus, status, words};
use crate::about::About;
use crate::ingest::{Inner, blocking};

/// Turns a complete upload into an asset. Running it again is fine.
pub(super) async fn upload(node: &Arc<Inner>, row: Upload) -> Result<UploadStatus, UploadError> {
    let id = AssetId::from(row.id);
    let hasher = node.parts.take_hasher(&row.id);
    let cid = source_cid(node, id, row.length, hasher).await?;
    let about = words::read(&row)?;
    let asset = new_asset(node, id, &about, row.length, cid);
    node.catalog.create_from_upload(&asset, &row.id).await?;
    node.parts.forget(&row.id);
    announce(node, id);
    Ok(status(&Upload {
        asset: Some(id),
        ..row
    }))
}

/// Makes an asset of a source that came in one stream.
pub(super) async fn plain(
    node: &Arc<Inner>,
    id: AssetId,
    about: &About,
    bytes: u64,
    hasher: Option<SourceHasher>,
) -> Result<cidcast_catalog::Asset, UploadError> {
    let cid = source_cid(node, id, bytes, hasher).await?;
    let asset = new_asset(node, id, about, bytes, cid);
    let row = node.catalog.create(&asset).await?;
    announce(node, id);
    Ok(row)
}

fn new_asset(node: &Inner, id: AssetId, about: &About, bytes: u64, cid: Cid) -> NewAsset {
    NewAsset {
        id,
        title: about.title().to_owned(),
        description: about.description().to_owned(),
        tags: about.tags().to_vec(),
        visibility: about.visibility(),
        source: NewSource {
            name: about.filename().to_owned(),
            bytes,
            cid,
        },
        created_at: node.clock.now(),
    }
}

fn announce(node: &Inner, id: AssetId) {
    node.metrics.uploads.inc();
    tracing::info!(asset = %id, "source received");
    node.events.changed(id);
    node.wake.notify_one();
}

/// The source's CID: from the hash made while writing if it covers the whole file, else by reading
/// the file once more. Also makes the file's name durable.
async fn source_cid(
    node: &Arc<Inner>,
    id: AssetId,
    bytes: u64,
    hasher: Option<SourceHasher>,
) -> Result<Cid, UploadError> {
    let files = node.files.clone();
    let cid = blocking(move || {
        files.sync_names()?;
        match hasher.filter(|hasher| hasher.bytes() == bytes) {
            Some(hasher) => Ok(hasher.finish().cid),
            None => {
                let file = std::fs::File::open(files.source(&id))?;
                let reader = BufReader::with_capacity(1 << 20, file);
                cid_of_reader(reader).map(|link| link.cid)
            }
        }
    });
    cid.await.map_err(UploadError::Disk)
}

impl Inner {
    /// At start: uploads whose last byte was safe when the process died become assets.
    pub(crate) async fn uploads_recover(
        self: &Arc<Self>,
    ) -> Result<(), cidcast_catalog::CatalogError> {
        let uploads = self.catalog.uploads().await?;
        for row in uploads
            .into_iter()
            .filter(|u| u.asset.is_none() && u.offset == u.length)
        {
            let id = row.id;
            if let Err(error) = upload(self, row).await {
                tracing::warn!(upload = %id, %error, "could not finish an upload");
            }
        }
        Ok(())
    }
}
