//! `/api/v1/blocks` and `/api/v1/blocklists`: of whom nothing is taken, and whose word that is.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cidcast_announce::Publisher;
use cidcast_catalog::{Blocked, Fate, StoredBlockList, Subject};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::assets::parsed;
use super::super::extract::{Id, Json, Params};
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};
use super::Slice;

/// One page of those who are blocked: the operator's own blocks first, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BlockedList {
    pub(crate) items: Vec<BlockedView>,
    /// Pass it as `skip` for the next page; null on the last one.
    pub(crate) next: Option<u32>,
}

/// Somebody of whom nothing is taken.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Block)]
pub(crate) struct BlockedView {
    /// publisher or peer.
    pub(crate) kind: String,
    /// The publisher's key or the peer id.
    pub(crate) subject: String,
    /// What a publisher calls itself, if it is known here.
    pub(crate) name: String,
    pub(crate) reason: String,
    /// Whose list says so; null: the operator.
    pub(crate) list: Option<String>,
    /// keep, unindex or delete: what becomes of what it had here; null: what the configuration
    /// says.
    pub(crate) fate: Option<String>,
    /// Whether the operator lets it in although a list says so.
    pub(crate) let_in: bool,
    pub(crate) at: u64,
}

/// Whom to block.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockRequest {
    /// publisher or peer.
    pub(crate) kind: String,
    /// The publisher's key or the peer id.
    pub(crate) subject: String,
    /// For the operator, and for those who import this node's list.
    #[serde(default)]
    pub(crate) reason: String,
    /// keep, unindex or delete: what becomes of what a publisher had here.
    #[serde(default)]
    pub(crate) fate: Option<String>,
}

/// Imported block lists.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BlockLists {
    pub(crate) items: Vec<BlockListView>,
}

/// A block list that was imported.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BlockList)]
pub(crate) struct BlockListView {
    /// Who signed it; a publisher has one list.
    pub(crate) publisher: String,
    /// file, or publisher: its nodes are asked for newer ones.
    pub(crate) source: String,
    /// How many it blocks.
    pub(crate) entries: u32,
    /// When it was signed.
    pub(crate) at: u64,
    pub(crate) imported_at: u64,
    /// Why asking for a newer one failed.
    pub(crate) error: Option<String>,
    pub(crate) next_try_at: Option<u64>,
}

/// Lists who is blocked.
#[utoipa::path(get, path = "/api/v1/blocks", tag = "blocks", operation_id = "list_blocks",
    params(Slice), responses((status = 200, body = BlockedList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(slice): Params<Slice>,
) -> Result<Answer<BlockedList>, Problem> {
    let rows = api.catalog.blocked(slice.skip, slice.limit()).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(api.blocked_view(row).await?);
    }
    Ok(Answer(BlockedList {
        next: slice.next(rows.len()),
        items,
    }))
}

/// Lists imported block lists.
#[utoipa::path(get, path = "/api/v1/blocklists", tag = "blocks",
    operation_id = "list_block_lists", responses((status = 200, body = BlockLists)))]
pub(crate) async fn lists(State(api): State<Shared>) -> Result<Answer<BlockLists>, Problem> {
    let lists = api.catalog.block_lists().await?;
    Ok(Answer(BlockLists {
        items: lists.iter().map(BlockListView::new).collect(),
    }))
}

impl Api {
    /// The list of a publisher that was just imported.
    async fn list_of(&self, publisher: &Publisher) -> Result<BlockListView, Problem> {
        let lists = self.catalog.block_lists().await?;
        let stored = lists.iter().find(|list| list.publisher == *publisher);
        let gone = || Problem::not_found("the list was removed at the same time");
        Ok(BlockListView::new(stored.ok_or_else(gone)?))
    }

    async fn blocked_view(&self, blocked: &Blocked) -> Result<BlockedView, Problem> {
        let feed = match &blocked.subject {
            Subject::Publisher(publisher) => self.catalog.feed(publisher).await?,
            Subject::Peer(_) => None,
        };
        Ok(BlockedView {
            kind: blocked.subject.kind().to_owned(),
            subject: blocked.subject.key(),
            name: feed.map(|feed| feed.profile.name).unwrap_or_default(),
            reason: blocked.reason.clone(),
            list: blocked.by.map(|publisher| publisher.to_string()),
            fate: blocked.fate.map(|fate| fate.as_str().to_owned()),
            let_in: blocked.is_let_in,
            at: blocked.at.as_millis(),
        })
    }
}

impl BlockListView {
    pub(super) fn new(list: &StoredBlockList) -> Self {
        Self {
            publisher: list.publisher.to_string(),
            source: list.source.as_str().to_owned(),
            entries: list.entries,
            at: list.at.as_millis(),
            imported_at: list.imported_at.as_millis(),
            error: list.error.clone(),
            next_try_at: list.next_at.map(|at| at.as_millis()),
        }
    }
}

/// Somebody, by kind and key.
pub(super) fn subject(kind: &str, key: &str) -> Result<Subject, Problem> {
    match kind {
        "publisher" => super::publisher_from(key).map(Subject::Publisher),
        "peer" => super::node_from(key).map(Subject::Peer),
        other => Err(Problem::bad_request(format!(
            "`{other}` is neither publisher nor peer"
        ))),
    }
}

/// Blocks a publisher or a peer; a second time, reason and fate are replaced.
#[utoipa::path(post, path = "/api/v1/blocks", tag = "blocks", operation_id = "block",
    request_body = BlockRequest,
    responses((status = 204), (status = 400, body = Document),
        (status = 409, description = "It is this node itself", body = Document)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Json(request): Json<BlockRequest>,
) -> Result<StatusCode, Problem> {
    let subject = subject(&request.kind, request.subject.trim())?;
    let fate: Option<Fate> = parsed(request.fate.as_deref())?;
    let trust = api.discovery.trust();
    trust.block(&subject, &request.reason, fate).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes back the operator's block, and lets in whom an imported list blocks.
#[utoipa::path(delete, path = "/api/v1/blocks/{kind}/{subject}", tag = "blocks",
    operation_id = "unblock",
    params(("kind" = String, Path, description = "publisher or peer"),
        ("subject" = String, Path, description = "The publisher's key or the peer id")),
    responses((status = 204), (status = 400, body = Document), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Path((kind, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let subject = subject(&kind, &key)?;
    match api.discovery.trust().unblock(&subject).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("{subject} is not blocked"))),
    }
}

/// What is known of a list when it is exported or imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// What the list is called.
    title: String,
}

/// The operator's own blocks as a list that is signed by this node's publisher.
#[utoipa::path(get, path = "/api/v1/blocklists/own", tag = "blocks",
    operation_id = "export_block_list", params(ExportParams),
    responses((status = 200, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 422, body = Document)))]
pub(crate) async fn export(
    State(api): State<Shared>,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let key = api.signing_key().await?;
    let list = api
        .discovery
        .block_lists()
        .export(&key, &params.title)
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.ipld.dag-cbor"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"cidcast.blocklist\"",
        ),
    ];
    Ok((headers, list.bytes().clone()).into_response())
}

/// Imports a signed block list; the body is its bytes, as an export gives them.
#[utoipa::path(post, path = "/api/v1/blocklists", tag = "blocks",
    operation_id = "import_block_list",
    request_body(content_type = "application/vnd.ipld.dag-cbor"),
    responses((status = 201, body = BlockListView), (status = 409, body = Document),
        (status = 422, description = "It is not a signed block list", body = Document)))]
pub(crate) async fn import(
    State(api): State<Shared>,
    body: Bytes,
) -> Result<(StatusCode, Answer<BlockListView>), Problem> {
    let author = api.discovery.block_lists().import(&body).await?.author();
    Ok((StatusCode::CREATED, Answer(api.list_of(&author).await?)))
}

/// Imports the list that a publisher shares, from its nodes or from whoever has it; it is asked for
/// again every day.
#[utoipa::path(post, path = "/api/v1/blocklists/{publisher}", tag = "blocks",
    operation_id = "import_block_list_of",
    params(("publisher" = String, Path, description = "Who signed it")),
    responses((status = 201, body = BlockListView),
        (status = 404, description = "Nobody who was asked has it", body = Document),
        (status = 409, body = Document)))]
pub(crate) async fn import_of(
    State(api): State<Shared>,
    Id(publisher): Id<Publisher>,
) -> Result<(StatusCode, Answer<BlockListView>), Problem> {
    let lists = api.discovery.block_lists();
    Box::pin(lists.import_from(&publisher)).await?;
    Ok((StatusCode::CREATED, Answer(api.list_of(&publisher).await?)))
}

/// Shares the operator's own blocks: other nodes that ask for this publisher's list get it as it is
/// now.
#[utoipa::path(put, path = "/api/v1/blocklists/own", tag = "blocks",
    operation_id = "share_block_list", params(ExportParams),
    responses((status = 204), (status = 422, body = Document)))]
pub(crate) async fn share(
    State(api): State<Shared>,
    Params(params): Params<ExportParams>,
) -> Result<StatusCode, Problem> {
    let key = api.signing_key().await?;
    let lists = api.discovery.block_lists();
    lists.share(&key, &params.title).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shares the operator's own blocks no longer.
#[utoipa::path(delete, path = "/api/v1/blocklists/own", tag = "blocks",
    operation_id = "unshare_block_list", responses((status = 204)))]
pub(crate) async fn unshare(State(api): State<Shared>) -> Result<StatusCode, Problem> {
    api.discovery.block_lists().unshare().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes back an imported list, and every block that only it said.
#[utoipa::path(delete, path = "/api/v1/blocklists/{publisher}", tag = "blocks",
    operation_id = "remove_block_list",
    params(("publisher" = String, Path, description = "Who signed it")),
    responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn remove_list(
    State(api): State<Shared>,
    Id(publisher): Id<Publisher>,
) -> Result<StatusCode, Problem> {
    let lists = api.catalog.block_lists().await?;
    let list = lists.iter().find(|list| list.publisher == publisher);
    let unknown = || Problem::not_found(format!("no list of {publisher} is imported"));
    let id = list.ok_or_else(unknown)?.id;
    api.discovery.trust().remove_block_list(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
