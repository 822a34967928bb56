//! `/api/v1/assets`: list, show, edit, publish, retry, delete.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_catalog::{Asset, ListQuery, Patch};
use cidcast_types::{AssetId, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asset_view::AssetView;
use super::extract::{Id, Json, Params};
use super::links::Links;
use super::problem::{Document, Problem};
use super::{Api, Shared};

/// Assets on a page unless the caller says otherwise.
const PAGE: u32 = 50;

/// Which assets to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Words to find in title, description and tags.
    q: Option<String>,
    /// Only those in this state.
    state: Option<String>,
    /// Only those with this visibility.
    visibility: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// One page of assets, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AssetList {
    pub(crate) items: Vec<AssetView>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// Changes to an asset; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AssetPatch {
    title: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    /// private, unlisted or public.
    visibility: Option<String>,
}

/// Lists assets, newest first.
#[utoipa::path(get, path = "/api/v1/assets", tag = "assets", operation_id = "list_assets",
    params(ListParams),
    responses((status = 200, body = AssetList), (status = 400, body = Document)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    links: Links,
    Params(params): Params<ListParams>,
) -> Result<Answer<AssetList>, Problem> {
    let page = api.catalog.list(&query(&params)?).await?;
    let items = page
        .items
        .iter()
        .map(|asset| AssetView::new(asset, &links))
        .collect();
    Ok(Answer(AssetList {
        items,
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

fn query(params: &ListParams) -> Result<ListQuery, Problem> {
    Ok(ListQuery {
        search: params.q.clone().filter(|words| !words.trim().is_empty()),
        state: parsed(params.state.as_deref())?,
        visibility: parsed(params.visibility.as_deref())?,
        cursor: parsed(params.cursor.as_deref())?,
        limit: params.limit.unwrap_or(PAGE),
    })
}

/// Parses a parameter; an empty one counts as left out.
pub(crate) fn parsed<T>(text: Option<&str>) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let given = text.filter(|text| !text.is_empty());
    given
        .map(|text| text.parse().map_err(Problem::bad_request))
        .transpose()
}

/// Shows one asset.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "show_asset",
    params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = 404, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    links: Links,
    Id(id): Id<AssetId>,
) -> Result<Answer<AssetView>, Problem> {
    let asset = api.asset(&id).await?;
    Ok(Answer(api.asset_view(&asset, &links).await?))
}

/// Changes title, description, tags or visibility.
#[utoipa::path(patch, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "edit_asset",
    params(("id" = String, Path)), request_body = AssetPatch,
    responses((status = 200, body = AssetView), (status = 404, body = Document),
        (status = 422, body = Document)))]
pub(crate) async fn edit(
    State(api): State<Shared>,
    links: Links,
    Id(id): Id<AssetId>,
    Json(patch): Json<AssetPatch>,
) -> Result<Answer<AssetView>, Problem> {
    let visibility = parsed(patch.visibility.as_deref())?;
    let AssetPatch {
        title,
        description,
        tags,
        ..
    } = patch;
    let patch = Patch {
        title,
        description,
        tags,
        visibility,
    };
    let asset = api.ingest.edit(&id, patch).await?;
    api.discovery.feeds().changed();
    Ok(Answer(api.asset_view(&asset, &links).await?))
}

/// Makes an asset public.
#[utoipa::path(post, path = "/api/v1/assets/{id}/publish", tag = "assets",
    operation_id = "publish_asset", params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = 404, body = Document)))]
pub(crate) async fn publish(
    State(api): State<Shared>,
    links: Links,
    Id(id): Id<AssetId>,
) -> Result<Answer<AssetView>, Problem> {
    let patch = Patch {
        visibility: Some(Visibility::Public),
        ..Patch::default()
    };
    let asset = api.ingest.edit(&id, patch).await?;
    api.discovery.feeds().changed();
    Ok(Answer(api.asset_view(&asset, &links).await?))
}

/// Why something is retracted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetractRequest {
    /// Told to everyone; may be empty.
    reason: String,
}

/// Takes back an announcement: the asset becomes private, nodes that index or hold it are asked to
/// drop it, and the asset shows who did.
#[utoipa::path(post, path = "/api/v1/assets/{id}/retract", tag = "assets",
    operation_id = "retract_asset", params(("id" = String, Path)), request_body = RetractRequest,
    responses((status = 200, body = AssetView), (status = 404, body = Document),
        (status = 409, description = "It is not public", body = Document)))]
pub(crate) async fn retract(
    State(api): State<Shared>,
    links: Links,
    Id(id): Id<AssetId>,
    Json(request): Json<RetractRequest>,
) -> Result<Answer<AssetView>, Problem> {
    if api.asset(&id).await?.visibility != Visibility::Public {
        return Err(Problem::conflict(
            "not-public",
            "it is not public, so there is nothing to retract",
        ));
    }
    let feeds = api.discovery.feeds();
    feeds.retract_because(&id, &request.reason).await?;
    let patch = Patch {
        visibility: Some(Visibility::Private),
        ..Patch::default()
    };
    let asset = api.ingest.edit(&id, patch).await?;
    api.discovery.feeds().changed();
    Ok(Answer(api.asset_view(&asset, &links).await?))
}

/// Puts a failed asset back into the queue.
#[utoipa::path(post, path = "/api/v1/assets/{id}/retry", tag = "assets",
    operation_id = "retry_asset", params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = 404, body = Document),
        (status = 409, description = "It has not failed", body = Document)))]
pub(crate) async fn retry(
    State(api): State<Shared>,
    links: Links,
    Id(id): Id<AssetId>,
) -> Result<Answer<AssetView>, Problem> {
    api.ingest.retry(&id).await?;
    let asset = api.asset(&id).await?;
    Ok(Answer(api.asset_view(&asset, &links).await?))
}

/// Deletes an asset in any state, with its blocks and files.
#[utoipa::path(delete, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "delete_asset",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(id): Id<AssetId>,
) -> Result<StatusCode, Problem> {
    api.ingest.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// The asset of that id, or the problem that there is none.
    pub(super) async fn asset(&self, id: &AssetId) -> Result<Asset, Problem> {
        let missing = || Problem::not_found(format!("there is no asset {id}: it may be deleted"));
        self.catalog.get(id).await?.ok_or_else(missing)
    }
}
