//! One sound rendition: encoded in one pass over the whole source, deposited as it comes.
//!
//! One pass, because an AAC encoder primes itself: cut in chunks, each border would have a gap.
//! What exists so far is saved from time to time under its own unit name, so that a long asset
//! plays long before its sound is done; the finished unit replaces it.

use bytes::Bytes;
use cidcast_catalog::UnitName;
use cidcast_media::plan::AudioRendition;
use cidcast_transcode::{AudioJob, Progress};
use tokio::sync::mpsc;

use super::Work;
use super::deposit::{Deposit, Deposited, Track};
use super::progress::Meter;
use crate::failure::StepError;
use crate::ingest::blocking;
use crate::job::Context;
use crate::steps::probe::Probed;

/// Reads of the encoder's output that may wait to be deposited (64 KiB each, as a pipe gives).
const PARTS_IN_FLIGHT: usize = 32;

/// Segments at which the first part is saved; each later part is saved at four times as many, so
/// that all saving together costs a third of one complete save.
const FIRST_PART: u32 = 2;

pub(super) async fn encode(
    context: &Context,
    probed: &Probed,
    rendition: &AudioRendition,
    meter: &Meter,
) -> Result<(), StepError> {
    let _slot = context.slot().await?;
    let tools = &context.node.tools;
    let source = context.source();
    let (sender, parts) = mpsc::channel(PARTS_IN_FLIGHT);
    let segment_duration = probed.plan.segments.duration;
    let job = AudioJob {
        source: &source,
        media: &probed.media,
        rendition,
        segment_duration,
    };
    let on_progress = |progress: Progress| meter.advance(Work::Audio(rendition), progress);
    let encoding = async {
        tools
            .encode_audio(job, sender, on_progress, &context.cancel)
            .await
            .map_err(StepError::from)
    };
    // The depositor ends first with the better reason if both fail: a full store, not a closed pipe.
    let depositing = deposit(context, probed, rendition, parts);
    let (deposited, encoded) = futures::future::join(depositing, encoding).await;
    let mut taken = deposited?;
    encoded?;
    context.check()?;
    taken.track.end(&mut taken.deposit)?;
    save(
        context,
        probed,
        taken,
        UnitName::Audio(rendition.name.clone()),
    )
    .await?;
    Ok(())
}

/// What has been taken from the encoder so far.
struct Taken {
    deposit: Deposit,
    track: Track,
    /// The part that is saved now.
    saved: Option<Deposited>,
}

async fn deposit(
    context: &Context,
    probed: &Probed,
    rendition: &AudioRendition,
    mut parts: mpsc::Receiver<Bytes>,
) -> Result<Taken, StepError> {
    let mut taken = Taken {
        deposit: Deposit::new(context.node.store.clone()),
        track: Track::new(rendition.name.clone(), 0),
        saved: None,
    };
    let mut next = FIRST_PART;
    while let Some(part) = parts.recv().await {
        taken =
            blocking(move || taken.track.push(&part, &mut taken.deposit).map(|()| taken)).await?;
        if taken.track.segments() >= next {
            next = taken.track.segments().saturating_mul(4);
            let name = UnitName::AudioSoFar(rendition.name.clone());
            taken = save(context, probed, taken, name).await?;
            context.changed();
        }
    }
    Ok(taken)
}

/// Pins and records what was taken, and releases the part that was saved before.
async fn save(
    context: &Context,
    probed: &Probed,
    taken: Taken,
    name: UnitName,
) -> Result<Taken, StepError> {
    let node = &context.node;
    let (holder, audience) = (context.holder.clone(), context.audience().await?);
    let (mut taken, unit) = blocking(move || {
        let unit = taken.deposit.save(name, &holder, audience)?;
        Ok::<_, StepError>((taken, unit))
    })
    .await?;
    node.catalog
        .save_unit(&probed.source, &probed.key, &unit.row)
        .await?;
    let root = unit.row.root;
    if let Some(before) = taken
        .saved
        .replace(unit)
        .filter(|before| before.row.root != root)
    {
        let (store, holder) = (node.store.clone(), context.holder.clone());
        blocking(move || store.unpin(&holder, Some(&before.row.root))).await?;
    }
    Ok(taken)
}
