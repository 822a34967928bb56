//! One chunk of picture: encode, split, deposit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use cidcast_catalog::UnitName;
use cidcast_media::plan::{ChunkSpan, Plan, VideoRendition};
use cidcast_transcode::{ChunkJob, Progress};
use cidcast_types::RenditionName;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::deposit::{Deposit, Track};
use super::progress::Meter;
use super::{Order, Work};
use crate::failure::StepError;
use crate::files::remove_tree;
use crate::ingest::blocking;
use crate::job::Context;
use crate::steps::probe::Probed;

/// How much of an encoder's file is read at a time.
const READ_BYTES: usize = 1 << 20;

pub(super) async fn encode(
    context: &Context,
    probed: &Probed,
    span: &ChunkSpan,
    meter: &Meter,
    order: &Order,
) -> Result<(), StepError> {
    let node = &context.node;
    let name = UnitName::Chunk(span.index);
    let folder = Folder(node.files.fresh_work(&context.asset, &name.to_string())?);
    let files = encode_shares(context, probed, span, &folder.0, meter, order).await?;
    context.check()?;
    let (store, holder, audience) = (
        node.store.clone(),
        context.holder.clone(),
        context.audience().await?,
    );
    let (first, limit) = (span.first_segment, span.end.map(|_| span.segments));
    let unit = blocking(move || {
        let mut deposit = Deposit::new(store);
        for (rendition, path) in files {
            read_track(&mut deposit, &rendition, &path, first, limit)?;
        }
        drop(folder);
        deposit.save(name, &holder, audience)
    })
    .await?;
    node.catalog
        .save_unit(&probed.source, &probed.key, &unit.row)
        .await?;
    Ok(())
}

/// Encodes every rendition of a chunk. One process decodes once for all of them, as a rule; what a
/// viewer waits for is shared between two processes, each with an encoder slot of its own.
async fn encode_shares(
    context: &Context,
    probed: &Probed,
    span: &ChunkSpan,
    folder: &Path,
    meter: &Meter,
    order: &Order,
) -> Result<Vec<(RenditionName, PathBuf)>, StepError> {
    let work = Work::Chunk(span);
    let shares = shares(&probed.plan, span);
    let context = context.part();
    let waiting = AtomicUsize::new(shares.len());
    let encodes = shares.iter().map(|plan| {
        async {
            let _slot = context.slot().await?;
            if waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
                order.leader_begun(work);
            }
            let on_progress = |progress: Progress| meter.advance(work, progress);
            encode_share(&context, probed, plan, span, folder, on_progress).await
        }
        .boxed()
    });
    let mut ended: FuturesUnordered<_> = encodes.collect();
    let mut files = Ok(Vec::new());
    while let Some(share) = ended.next().await {
        match (&mut files, share) {
            (Ok(files), Ok(more)) => files.extend(more),
            (Ok(_), Err(error)) => {
                // The other share is of no use alone.
                context.cancel.cancel();
                files = Err(error);
            }
            (Err(_), _) => {}
        }
    }
    files
}

async fn encode_share(
    context: &Context,
    probed: &Probed,
    plan: &Plan,
    span: &ChunkSpan,
    folder: &Path,
    on_progress: impl FnMut(Progress) + Send,
) -> Result<Vec<(RenditionName, PathBuf)>, StepError> {
    let source = context.source();
    let job = ChunkJob {
        source: &source,
        media: &probed.media,
        plan,
        span,
        out_dir: folder,
    };
    Ok(context
        .node
        .tools
        .encode_chunk(job, on_progress, &context.cancel)
        .await?)
}

/// The renditions that each process encodes. A rendition's bytes do not depend on its company.
fn shares(plan: &Plan, span: &ChunkSpan) -> Vec<Plan> {
    match plan.video.split_first() {
        Some((top, rest)) if span.index == 0 && !rest.is_empty() => {
            let share = |video: &[VideoRendition]| Plan {
                video: video.to_vec(),
                ..plan.clone()
            };
            vec![share(std::slice::from_ref(top)), share(rest)]
        }
        _ => vec![plan.clone()],
    }
}

fn read_track(
    deposit: &mut Deposit,
    rendition: &RenditionName,
    path: &Path,
    first: u32,
    limit: Option<u32>,
) -> Result<(), StepError> {
    let mut track = Track::new(rendition.clone(), first);
    let mut file = File::open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        track.push(buffer.get(..read).unwrap_or_default(), deposit)?;
    }
    track.end(deposit)?;
    match limit {
        // More would take the numbers of the next chunk's segments.
        Some(limit) if track.segments() > limit => Err(StepError::TooManySegments {
            rendition: rendition.clone(),
            wanted: limit,
            got: track.segments(),
        }),
        _ => Ok(()),
    }
}

/// The encoder's output folder, removed when its files are in the store or the work stops.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "could not remove a work folder");
        }
    }
}
