//! A whole source in one stream, for `curl -T` and `cidcast add`.
//!
//! Owns: the growing file and its writing thread, on a task of its own. Ends: with the body; a body
//! that breaks off leaves nothing.

use std::sync::Arc;

use bytes::Bytes;
use cidcast_catalog::Asset;
use cidcast_runtime::random_u128;
use cidcast_types::AssetId;
use futures::Stream;
use tokio::sync::mpsc;

use super::part::forward;
use super::writer::{Ending, PIECES_IN_FLIGHT, Piece, Received, SourceHasher, Stretch, receive};
use super::{UploadError, finish};
use crate::about::About;
use crate::ingest::{Ingest, Inner, blocking};

impl Ingest {
    /// Takes a source in one go and puts it into the queue.
    ///
    /// # Errors
    ///
    /// [`UploadError`]; nothing of the source is kept then.
    pub async fn receive<E>(
        &self,
        about: About,
        declared: Option<u64>,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Asset, UploadError> {
        match declared {
            Some(length) => self.0.check_length(length)?,
            None => self.0.check_room(0)?,
        }
        let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
        let inner = Arc::clone(&self.0);
        let task = self.0.shutdown.spawn("receive source", async move {
            let id = AssetId::from_parts(inner.clock.now(), random_u128());
            let result = take(&inner, id, &about, pieces).await;
            if result.is_err()
                && let Err(error) = inner.files.remove(&id)
            {
                tracing::warn!(asset = %id, %error, "could not remove a broken source");
            }
            result
        });
        forward(self.0.shutdown.token(), body, sender).await;
        task.await.unwrap_or(Err(UploadError::Stopping))
    }
}

async fn take(
    node: &Arc<Inner>,
    id: AssetId,
    about: &About,
    pieces: mpsc::Receiver<Piece>,
) -> Result<Asset, UploadError> {
    let limit = node.settings.max_source_bytes;
    let inner = Arc::clone(node);
    let received = blocking(move || {
        let path = inner.files.source(&id);
        let hasher = Some(SourceHasher::new());
        let stretch = Stretch {
            path: &path,
            offset: 0,
            limit,
            checksum: None,
            hasher,
        };
        receive(stretch, pieces, |_| {})
    });
    let Received {
        offset,
        hasher,
        ending,
    } = received.await.map_err(|error| node.disk_error(error))?;
    match ending {
        Ending::Whole if offset == 0 => return Err(UploadError::Empty),
        Ending::Whole => {}
        Ending::BrokenOff | Ending::WrongChecksum => return Err(UploadError::BrokenOff),
        Ending::OverLimit => return Err(UploadError::TooLarge { limit }),
        Ending::Failed(error) => return Err(node.disk_error(error)),
    }
    node.metrics.upload_bytes.inc_by(offset);
    finish::plain(node, id, about, offset, hasher).await
}
