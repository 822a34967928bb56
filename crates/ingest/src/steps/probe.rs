//! Step 1: what is the source, and what will be encoded.
//!
//! Ends by saving the source's description and the plan. A plan that was saved before is kept, so
//! that a job goes on as it began even if the settings changed in between; only another encoder
//! makes a new plan, because the old one's remaining units could not be encoded any more.

use cidcast_catalog::Asset;
use cidcast_media::plan::{PLAN_VERSION, Plan, PlanKey};
use cidcast_media::source::SourceMedia;
use cidcast_types::{AssetState, Cid};

use crate::failure::StepError;
use crate::job::Context;

/// A source that is understood and planned.
pub(crate) struct Probed {
    pub(crate) source: Cid,
    pub(crate) source_bytes: u64,
    pub(crate) media: SourceMedia,
    pub(crate) plan: Plan,
    pub(crate) key: PlanKey,
}

pub(crate) async fn run(context: &Context) -> Result<Probed, StepError> {
    context.check()?;
    let node = &context.node;
    let row = context.row().await?;
    if let Some(probed) = saved(node.tools.encoder(), &row) {
        return Ok(probed);
    }
    context.enter(AssetState::Probing).await?;
    let path = context.source();
    if !path.exists() {
        return Err(StepError::SourceGone);
    }
    let media = node
        .tools
        .probe(&path, &node.settings.probe, &context.cancel)
        .await?;
    let plan = Plan::new(&media, &node.settings.ladder, node.tools.encoder())?;
    node.catalog
        .save_plan(&context.asset, &media, &plan, node.clock.now())
        .await?;
    context.changed();
    Ok(probed(&row, media, plan))
}

fn saved(encoder: &str, row: &Asset) -> Option<Probed> {
    let (media, plan) = (row.media.clone()?, row.plan.clone()?);
    let usable = plan.version == PLAN_VERSION && plan.encoder == encoder;
    usable.then(|| probed(row, media, plan))
}

fn probed(row: &Asset, media: SourceMedia, plan: Plan) -> Probed {
    Probed {
        source: row.source.cid,
        source_bytes: row.source.bytes,
        key: plan.key(),
        media,
        plan,
    }
}
