//! `/api/v1/removed`: assets that the operator removed here, and that do not come back by themselves.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cidcast_catalog::Removed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Shared;
use super::super::extract::Params;
use super::super::problem::{Document, Problem};
use super::Slice;
use super::discover::asset_of;

/// One page of removed assets, the last first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemovedList {
    pub(crate) items: Vec<RemovedView>,
    /// Pass it as `skip` for the next page; null on the last one.
    pub(crate) next: Option<u32>,
}

/// An asset that the operator removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = RemovedAsset)]
pub(crate) struct RemovedView {
    /// The publisher's key, `k51…`.
    pub(crate) publisher: String,
    /// The asset's id there.
    pub(crate) asset: String,
    /// Its root CID at that time, if it was known.
    pub(crate) root: Option<String>,
    /// What the operator said; may be empty.
    pub(crate) reason: String,
    pub(crate) at: u64,
}

/// Lists what the operator removed here.
#[utoipa::path(get, path = "/api/v1/removed", tag = "discover", operation_id = "list_removed",
    params(Slice), responses((status = 200, body = RemovedList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(slice): Params<Slice>,
) -> Result<Answer<RemovedList>, Problem> {
    let replicas = api.discovery.replicas();
    let rows = replicas.removed(slice.skip, slice.limit()).await?;
    Ok(Answer(RemovedList {
        next: slice.next(rows.len()),
        items: rows.iter().map(RemovedView::new).collect(),
    }))
}

/// Lets a removed asset be listed and copied again.
#[utoipa::path(delete, path = "/api/v1/removed/{publisher}/{asset}", tag = "discover",
    operation_id = "allow_removed",
    params(("publisher" = String, Path, description = "The publisher's key, k51…"),
        ("asset" = String, Path)),
    responses((status = 204), (status = 400, body = Document), (status = 404, body = Document)))]
pub(crate) async fn allow(
    State(api): State<Shared>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let of = asset_of(path)?;
    match api.discovery.replicas().allow(&of).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("{of} was not removed here"))),
    }
}

impl RemovedView {
    fn new(removed: &Removed) -> Self {
        Self {
            publisher: removed.of.publisher.to_string(),
            asset: removed.of.asset.to_string(),
            root: removed.root.map(|root| root.to_string()),
            reason: removed.reason.clone(),
            at: removed.at.as_millis(),
        }
    }
}
