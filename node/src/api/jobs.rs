//! `/api/v1/jobs`: assets on their way to ready.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_catalog::{Asset, ListQuery, MAX_PAGE};
use cidcast_types::AssetState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::asset_view::ErrorView;
use super::problem::Problem;

/// Jobs that have not settled, oldest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobList {
    pub(crate) items: Vec<JobView>,
}

/// The job of one asset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// The asset's id.
    pub(crate) asset: String,
    pub(crate) title: String,
    pub(crate) state: String,
    /// Percent, 0 to 100.
    pub(crate) progress: f32,
    /// Media seconds per second, while transcoding.
    pub(crate) speed: Option<f32>,
    /// Failed attempts since it was queued.
    pub(crate) attempt: u32,
    /// Milliseconds since the Unix epoch: it waits until then.
    pub(crate) next_attempt_at: Option<u64>,
    /// Why the last attempt failed.
    pub(crate) error: Option<ErrorView>,
}

/// Lists the jobs that have not settled: at most 200 of each state.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "assets", operation_id = "list_jobs",
    responses((status = 200, body = JobList)))]
pub(crate) async fn list(State(api): State<Shared>) -> Result<Answer<JobList>, Problem> {
    let mut jobs = Vec::new();
    for state in AssetState::ALL
        .into_iter()
        .filter(|state| !state.is_settled())
    {
        let query = ListQuery {
            state: Some(state),
            limit: MAX_PAGE,
            ..ListQuery::default()
        };
        jobs.extend(api.catalog.list(&query).await?.items);
    }
    // An id begins with the time of its making.
    jobs.sort_by_key(|asset| asset.id);
    Ok(Answer(JobList {
        items: jobs.iter().map(JobView::new).collect(),
    }))
}

impl JobView {
    fn new(asset: &Asset) -> Self {
        Self {
            asset: asset.id.to_string(),
            title: asset.title.clone(),
            state: asset.state.to_string(),
            progress: asset.progress,
            speed: asset.speed,
            attempt: asset.attempt,
            next_attempt_at: asset.next_attempt_at.map(|time| time.as_millis()),
            error: asset.failure.as_ref().map(ErrorView::new),
        }
    }
}
