//! Step 2: encode what is not encoded yet.
//!
//! Work is cut into units: one per chunk of picture, one per sound rendition. Each finished unit is
//! in the store, pinned, and has a row; the rows are the saved state of this step. Units run side by
//! side, as many as there are encoder slots. The first chunk and the sound go first, because with
//! them playback can start.

mod audio;
mod chunk;
mod deposit;
mod progress;

use bytes::Bytes;
use cidcast_catalog::UnitName;
use cidcast_media::plan::{AudioRendition, ChunkSpan};
use cidcast_store::PinError;
use cidcast_types::AssetState;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::failure::StepError;
use crate::ingest::blocking;
use crate::job::Context;
use crate::steps::probe::Probed;
pub(crate) use deposit::{init_name, segment_name};
use progress::Meter;

/// A source with all its units in the store, and a picture of it.
pub(crate) struct Transcoded {
    pub(crate) probed: Probed,
    pub(crate) poster: Option<Bytes>,
}

/// Widest poster in pixels.
const POSTER_WIDTH: u32 = 1280;

pub(crate) async fn run(context: &Context, probed: Probed) -> Result<Transcoded, StepError> {
    context.enter(AssetState::Transcoding).await?;
    let meter = Meter::new(&probed);
    let units = units(&probed);
    let encode = encode_all(context, &probed, units, &meter);
    let poster = meter.watch(context, encode).await?;
    Ok(Transcoded { poster, probed })
}

/// Encodes every unit, and takes the poster when the last one has begun: nobody waits for it, and
/// a core that runs out of units has time for it. When one fails the others are stopped and waited
/// for, so that nothing of this asset is still being written when the job ends.
async fn encode_all(
    context: &Context,
    probed: &Probed,
    units: Vec<Work<'_>>,
    meter: &Meter,
) -> Result<Option<Bytes>, StepError> {
    let context = context.part();
    let order = Order::of(&units);
    let encode = async |work: Work<'_>| {
        order.turn(work).await;
        let encoded = encode(&context, probed, work, meter, &order).await;
        order.leader_begun(work);
        encoded.map(|()| None)
    };
    let mut works: Vec<BoxFuture<'_, Result<Option<Bytes>, StepError>>> = Vec::new();
    for work in units {
        works.push(encode(work).boxed());
    }
    works.push(poster(&context, probed).boxed());
    // A unit that waits for a slot costs nothing; the slots are the real bound.
    let side_by_side = context.node.settings.parallel.saturating_add(1);
    let mut ended = std::pin::pin!(stream::iter(works).buffer_unordered(side_by_side));
    let mut outcome = Ok(None);
    while let Some(result) = ended.next().await {
        match (&outcome, result) {
            (Ok(_), Ok(Some(poster))) => outcome = Ok(Some(poster)),
            (Ok(_), Err(error)) => {
                context.cancel.cancel();
                outcome = Err(error);
            }
            _ => {}
        }
    }
    outcome
}

/// Who asks for encoder slots first: all processes of the first chunk, then everybody else. Slots
/// are given in the order in which they are asked for.
pub(super) struct Order(CancellationToken);

impl Order {
    fn of(units: &[Work<'_>]) -> Self {
        let order = Self(CancellationToken::new());
        if !units.iter().any(Work::leads) {
            order.0.cancel();
        }
        order
    }

    async fn turn(&self, work: Work<'_>) {
        if !work.leads() {
            self.0.cancelled().await;
        }
    }

    /// The first chunk has all the slots that it needs, or is done.
    pub(super) fn leader_begun(&self, work: Work<'_>) {
        if work.leads() {
            self.0.cancel();
        }
    }
}

/// One unit of work.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    Chunk(&'a ChunkSpan),
    Audio(&'a AudioRendition),
}

impl Work<'_> {
    /// Whether a viewer waits for it first.
    fn leads(&self) -> bool {
        matches!(self, Self::Chunk(span) if span.index == 0)
    }

    pub(super) fn name(&self) -> UnitName {
        match self {
            Self::Chunk(span) => UnitName::Chunk(span.index),
            Self::Audio(rendition) => UnitName::Audio(rendition.name.clone()),
        }
    }
}

/// All units, in the order in which a viewer needs them.
fn units(probed: &Probed) -> Vec<Work<'_>> {
    let mut chunks = probed.plan.chunks.iter().map(Work::Chunk);
    let first = chunks.next();
    let audio = probed.plan.audio.iter().map(Work::Audio);
    first.into_iter().chain(audio).chain(chunks).collect()
}

/// Makes sure that one unit is in the store, pinned for this asset, and has its row.
async fn encode(
    context: &Context,
    probed: &Probed,
    work: Work<'_>,
    meter: &Meter,
    order: &Order,
) -> Result<(), StepError> {
    let node = &context.node;
    let name = work.name();
    let _turn = node
        .units
        .lock(&probed.source, &probed.key, &name.to_string())
        .await;
    context.check()?;
    if reuse(context, probed, &name).await? {
        node.metrics.units_reused.inc();
        meter.finish(work);
        return Ok(());
    }
    match work {
        Work::Chunk(span) => chunk::encode(context, probed, span, meter, order).await?,
        Work::Audio(rendition) => audio::encode(context, probed, rendition, meter).await?,
    }
    node.metrics.units_encoded.inc();
    meter.finish(work);
    context.changed();
    Ok(())
}

/// Takes a finished unit for this asset too, if there is one and its blocks are all here.
async fn reuse(context: &Context, probed: &Probed, name: &UnitName) -> Result<bool, StepError> {
    let node = &context.node;
    let Some(unit) = node.catalog.unit(&probed.source, &probed.key, name).await? else {
        return Ok(false);
    };
    let (store, holder, audience) = (
        node.store.clone(),
        context.holder.clone(),
        context.audience().await?,
    );
    match blocking(move || store.pin(&holder, &unit.root, audience)).await {
        Ok(_) => Ok(true),
        Err(PinError::Missing { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn poster(context: &Context, probed: &Probed) -> Result<Option<Bytes>, StepError> {
    let _slot = context.slot().await?;
    let tools = &context.node.tools;
    let picture = tools
        .poster(
            &context.source(),
            &probed.media,
            POSTER_WIDTH,
            &context.cancel,
        )
        .await?;
    Ok(picture)
}
