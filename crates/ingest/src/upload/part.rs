//! One request's part of a resumable upload.
//!
//! Owns: the upload's lock and the writing thread, on a task of its own. Ends: with the body. Cancel
//! safety: if the request is dropped (the client hung up), the task sees the body end early, keeps
//! what came and records it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cidcast_catalog::Upload;
use cidcast_types::{AssetId, UploadId};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::checksum::Checksum;
use super::writer::{Ending, PIECES_IN_FLIGHT, Piece, Received, Stretch, receive};
use super::{UploadError, UploadStatus, finish, status};
use crate::ingest::{Inner, blocking};

/// A sender that stays silent for this long has gone; what it sent so far counts.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn append<E>(
    node: &Arc<Inner>,
    id: &UploadId,
    offset: u64,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    checksum: Option<Checksum>,
) -> Result<UploadStatus, UploadError> {
    // Looked up before it is locked: ids that nobody made take no memory.
    node.upload_row(id).await?;
    let guard = node.parts.lock(id).await?;
    let row = node.upload_row(id).await?;
    if row.offset != offset {
        return Err(UploadError::OffsetConflict {
            expected: row.offset,
            given: offset,
        });
    }
    if row.asset.is_some() {
        return Ok(status(&row));
    }
    node.check_room(row.length - row.offset)?;
    let stop = node.parts.begin(id, node.shutdown.token());
    let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
    let inner = Arc::clone(node);
    let task = node.shutdown.spawn("upload part", async move {
        let result = take(&inner, row, pieces, checksum).await;
        drop(guard);
        result
    });
    forward(&stop, body, sender).await;
    let taken = task.await.unwrap_or(Err(UploadError::Stopping))?;
    if stop.is_cancelled() && !node.shutdown.is_triggered() {
        return Err(UploadError::NotFound(*id));
    }
    Ok(taken)
}

/// Hands the body to the writer, until it ends, breaks, falls silent, or is told to stop.
pub(super) async fn forward<E>(
    stop: &CancellationToken,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    to: mpsc::Sender<Piece>,
) {
    let mut body = std::pin::pin!(body);
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(SILENCE, body.next()) => next,
            () = stop.cancelled() => return,
        };
        let piece = match next {
            Ok(Some(Ok(data))) => Piece::Data(data),
            Ok(None) => Piece::End,
            Ok(Some(Err(_))) | Err(_) => return,
        };
        let last = matches!(piece, Piece::End);
        // A closed channel: the writer has its own reason, which it reports.
        if to.send(piece).await.is_err() || last {
            return;
        }
    }
}

async fn take(
    node: &Arc<Inner>,
    row: Upload,
    pieces: mpsc::Receiver<Piece>,
    checksum: Option<Checksum>,
) -> Result<UploadStatus, UploadError> {
    let received = write(node, &row, pieces, checksum).await?;
    let Received {
        offset,
        hasher,
        ending,
    } = received;
    node.metrics
        .upload_bytes
        .inc_by(offset.saturating_sub(row.offset));
    let expires_at = node.clock.now().after(node.settings.upload_expiry);
    node.catalog.set_offset(&row.id, offset, expires_at).await?;
    node.parts.keep_hasher(&row.id, hasher);
    match ending {
        Ending::Whole | Ending::BrokenOff => {}
        Ending::OverLimit => return Err(UploadError::OverLength { length: row.length }),
        Ending::WrongChecksum => return Err(UploadError::WrongChecksum),
        Ending::Failed(error) => return Err(node.disk_error(error)),
    }
    let row = Upload {
        offset,
        expires_at,
        ..row
    };
    if offset == row.length {
        return finish::upload(node, row).await;
    }
    Ok(status(&row))
}

async fn write(
    node: &Arc<Inner>,
    row: &Upload,
    pieces: mpsc::Receiver<Piece>,
    checksum: Option<Checksum>,
) -> Result<Received, UploadError> {
    let id = row.id;
    let (offset, limit) = (row.offset, row.length);
    let hasher = match node.parts.take_hasher(&id) {
        None if offset == 0 => Some(super::SourceHasher::new()),
        kept => kept,
    };
    let inner = Arc::clone(node);
    let received = blocking(move || {
        let path = inner.files.source(&AssetId::from(id));
        let stretch = Stretch {
            path: &path,
            offset,
            limit,
            checksum,
            hasher,
        };
        let runtime = Handle::current();
        receive(stretch, pieces, |durable| {
            let expires_at = inner.clock.now().after(inner.settings.upload_expiry);
            let saved = runtime.block_on(inner.catalog.set_offset(&id, durable, expires_at));
            if let Err(error) = saved {
                tracing::warn!(upload = %id, %error, "could not save the upload's offset");
            }
        })
    });
    received.await.map_err(|error| node.disk_error(error))
}
