//! The bodies of files: streamed block by block, never whole in memory.
//!
//! The connection pulls: a block is read when the one before has been taken. A block that cannot
//! be read, or not in time, ends the body with an error, so that the connection is cut and no
//! client takes a part for the whole.

use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, ReadError};
use cidcast_types::Cid;
use futures::{Stream, StreamExt, stream};

use crate::Gateway;
use crate::metrics::Metrics;
use crate::play::Joined;

/// Why a body was cut off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// A block could not be read.
    #[error("{cid} could not be read to its end: run `cidcast store verify`")]
    Read {
        /// The file.
        cid: Cid,
        /// What failed.
        source: ReadError,
    },
    /// A block did not arrive in time.
    #[error("a block of {cid} did not arrive in time: try again")]
    TooSlow {
        /// The file.
        cid: Cid,
    },
}

impl Gateway {
    /// The bytes `range` of the file `cid`.
    pub(crate) fn body(&self, blocks: &Blocks, cid: &Cid, range: Range<u64>) -> Body {
        let blocks = read::stream(blocks, cid, Some(range));
        let deadline = self.settings.limits.read_deadline;
        Body::from_stream(guarded(
            Box::pin(blocks),
            *cid,
            deadline,
            self.metrics.clone(),
        ))
    }

    /// The bytes `range` of several files, one after another.
    pub(crate) fn joined_body(&self, blocks: &Blocks, parts: &Joined, range: Range<u64>) -> Body {
        let mut streams = Vec::new();
        let mut begin = 0_u64;
        for (cid, bytes) in parts.iter() {
            let end = begin.saturating_add(*bytes);
            let wanted = range.start.max(begin)..range.end.min(end);
            if wanted.start < wanted.end {
                streams.push((*cid, wanted.start - begin..wanted.end - begin));
            }
            begin = end;
        }
        let (blocks, metrics) = (blocks.clone(), self.metrics.clone());
        let deadline = self.settings.limits.read_deadline;
        let bodies = stream::iter(streams).map(move |(cid, range)| {
            let file = read::stream(&blocks, &cid, Some(range));
            guarded(Box::pin(file), cid, deadline, metrics.clone()).boxed()
        });
        Body::from_stream(bodies.flatten())
    }
}

fn guarded(
    blocks: impl Stream<Item = Result<Bytes, ReadError>> + Unpin + Send + 'static,
    cid: Cid,
    deadline: Duration,
    metrics: Metrics,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    stream::unfold(Some(blocks), move |blocks| {
        let metrics = metrics.clone();
        async move {
            let mut blocks = blocks?;
            let error = match tokio::time::timeout(deadline, blocks.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(bytes))) => return Some((Ok(bytes), Some(blocks))),
                Ok(Some(Err(source))) => BodyError::Read { cid, source },
                Err(_) => BodyError::TooSlow { cid },
            };
            metrics.aborted_bodies.inc();
            tracing::warn!(%cid, error = &error as &dyn std::error::Error, "answer cut off");
            Some((Err(error), None))
        }
    })
}
