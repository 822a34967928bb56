//! One chunk of picture: encode, split, deposit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use cidcast_catalog::UnitName;
use cidcast_media::plan::ChunkSpan;
use cidcast_transcode::{ChunkJob, Progress};
use cidcast_types::RenditionName;

use super::Work;
use super::deposit::{Deposit, Track};
use super::progress::Meter;
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
) -> Result<(), StepError> {
    let node = &context.node;
    let name = UnitName::Chunk(span.index);
    let folder = Folder(node.files.fresh_work(&context.asset, &name.to_string())?);
    let job = ChunkJob {
        source: &context.source(),
        media: &probed.media,
        plan: &probed.plan,
        span,
        out_dir: &folder.0,
    };
    let on_progress = |progress: Progress| meter.advance(Work::Chunk(span), progress);
    let files = node
        .tools
        .encode_chunk(job, on_progress, &context.cancel)
        .await?;
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
