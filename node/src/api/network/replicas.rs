//! `/api/v1/replicas` and `/api/v1/replication`: copies of others' assets here, copies of ours
//! elsewhere, and what room there is.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cidcast_announce::NodeId;
use cidcast_catalog::{AssetOf, Replica};
use cidcast_discovery::replication::Pace;
use cidcast_discovery::replication::schedule::Rate;
use cidcast_types::{AssetId, PinState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Params;
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};
use super::copies::{CopyView, OutgoingView, names};
use super::discover::asset_of;
use super::{MOST, PAGE, Retried};

/// How long the worker may take to hear of a pause.
const HEARD: Duration = Duration::from_secs(2);

/// Publishers that are shown with what is held of them.
const FILLS: u32 = 1000;

/// Where the list of copies goes on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplicaParams {
    /// The `next` of the page before.
    after: i64,
    /// The `outgoing_next` of the page before.
    outgoing_after: Option<String>,
    /// 1 to 200 of each; 50 unless given.
    limit: Option<u32>,
}

/// Copies here and copies elsewhere.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReplicaList {
    /// One page of what others published and this node holds or is fetching, oldest first.
    pub(crate) incoming: Vec<ReplicaView>,
    /// Pass it as `after` for the next page of `incoming`; null on the last one.
    pub(crate) next: Option<i64>,
    /// One page of who holds what this node published, by their signed notices, by asset and node.
    pub(crate) outgoing: Vec<OutgoingView>,
    /// Pass it as `outgoing_after` for the next page of `outgoing`; null on the last one.
    pub(crate) outgoing_next: Option<String>,
}

/// A copy that is here or on its way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Replica)]
pub(crate) struct ReplicaView {
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) publisher_name: String,
    /// The asset's id there.
    pub(crate) asset: String,
    /// Empty once it is not announced any more.
    pub(crate) title: String,
    /// The root CID.
    pub(crate) root: String,
    /// queued, pinning, pinned, error or unpinning.
    pub(crate) state: String,
    /// Bytes that came over the network in this attempt.
    pub(crate) done: u64,
    /// Bytes in all: as announced while it is on its way, as pinned once it is here.
    pub(crate) bytes: u64,
    /// Blocks that are here, of those that are known to belong to it.
    pub(crate) blocks: u64,
    pub(crate) blocks_known: u64,
    /// Names of renditions; null: all of them.
    pub(crate) renditions: Option<Vec<String>>,
    /// Why it is wanted: lifetime, frozen, wish, newest, watched or rare.
    pub(crate) reason: String,
    /// Why the last attempt failed.
    pub(crate) error: Option<String>,
    /// How often in a row.
    pub(crate) failures: u32,
    pub(crate) next_try_at: Option<u64>,
    /// Since when it is here whole.
    pub(crate) held_at: Option<u64>,
    /// Until when the publisher has been told of it.
    pub(crate) told_until: Option<u64>,
}

/// Lists copies here and copies elsewhere.
#[utoipa::path(get, path = "/api/v1/replicas", tag = "replicas", operation_id = "list_replicas",
    params(ReplicaParams), responses((status = 200, body = ReplicaList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(params): Params<ReplicaParams>,
) -> Result<Answer<ReplicaList>, Problem> {
    let limit = params.limit.unwrap_or(PAGE).clamp(1, MOST);
    let rows = api.catalog.replicas(params.after, limit).await?;
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= limit);
    let assets: Vec<AssetOf> = rows.iter().map(|row| row.wanted.of).collect();
    let mut titles = api.catalog.titles(&assets).await?;
    let incoming = rows.iter().map(|row| {
        let (name, title) = titles.remove(&row.wanted.of).unwrap_or_default();
        ReplicaView::new(row, name, title)
    });
    let incoming = incoming.collect();
    let (outgoing, outgoing_next) = api.outgoing(params.outgoing_after, limit).await?;
    Ok(Answer(ReplicaList {
        incoming,
        next: rows.last().filter(|_| is_full).map(|row| row.id),
        outgoing,
        outgoing_next,
    }))
}

impl ReplicaView {
    fn new(replica: &Replica, publisher_name: String, title: String) -> Self {
        let of = &replica.wanted.of;
        let bytes = replica.held.as_ref().map(|held| held.bytes);
        Self {
            publisher: of.publisher.to_string(),
            publisher_name,
            asset: of.asset.to_string(),
            title,
            root: replica.wanted.root.to_string(),
            state: replica.state.to_string(),
            done: replica.progress.bytes,
            bytes: match replica.state {
                PinState::Pinned => bytes.unwrap_or(replica.wanted.bytes),
                _ => replica.wanted.bytes,
            },
            blocks: replica.progress.blocks,
            blocks_known: replica.progress.blocks_known,
            renditions: names(&replica.wanted.renditions),
            reason: replica.wanted.reason.as_str().to_owned(),
            error: replica.error.clone(),
            failures: replica.failures,
            next_try_at: replica.next_at.map(|at| at.as_millis()),
            held_at: replica.held.as_ref().map(|held| held.at.as_millis()),
            told_until: replica.told_until.map(|at| at.as_millis()),
        }
    }
}

impl Api {
    /// One page, and where the next one begins.
    async fn outgoing(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<(Vec<OutgoingView>, Option<String>), Problem> {
        let after = after.as_deref().map(place).transpose()?;
        let own = self.own_publisher();
        let copies = self.catalog.copies_away(&own, after, limit).await?;
        let is_full = u32::try_from(copies.len()).is_ok_and(|rows| rows >= limit);
        let last = copies.last().filter(|_| is_full);
        let next = last.map(|away| format!("{}/{}", away.copy.of.asset, away.copy.node));
        let views = copies.into_iter().map(|away| OutgoingView {
            asset: away.copy.of.asset.to_string(),
            title: away.title,
            copy: CopyView::new(&away.copy, away.outcome),
        });
        Ok((views.collect(), next))
    }
}

/// An asset and a node, as `outgoing_next` has them.
fn place(text: &str) -> Result<(AssetId, NodeId), Problem> {
    let parsed = text
        .split_once('/')
        .and_then(|(asset, node)| Some((asset.parse().ok()?, node.parse().ok()?)));
    parsed.ok_or_else(|| {
        Problem::invalid(format!(
            "outgoing_after: `{text}` is not what an answer had as outgoing_next"
        ))
    })
}

/// How replication goes, and what fills its room.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Replication)]
pub(crate) struct ReplicationView {
    /// Bytes that copies may take; null: as many as there are.
    pub(crate) budget: Option<u64>,
    /// Bytes of what is held.
    pub(crate) used: u64,
    /// Bytes of all that should be here by the last plan.
    pub(crate) planned: u64,
    /// Stopped by the operator.
    pub(crate) paused: bool,
    /// Transfers that run.
    pub(crate) transfers: usize,
    /// Bytes a second at most now, as the schedule says; null: no limit.
    pub(crate) rate: Option<u64>,
    /// Copies that are held, that wait, and that failed, among those that wait.
    pub(crate) pinned: u64,
    pub(crate) waiting: u64,
    pub(crate) failed: u64,
    /// What is held of whom, most first.
    pub(crate) fills: Vec<FillView>,
}

/// What is held of one publisher.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ReplicationFill)]
pub(crate) struct FillView {
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) assets: u64,
}

/// Shows how replication goes.
#[utoipa::path(get, path = "/api/v1/replication", tag = "replicas",
    operation_id = "show_replication", responses((status = 200, body = ReplicationView)))]
pub(crate) async fn show(State(api): State<Shared>) -> Result<Answer<ReplicationView>, Problem> {
    Ok(Answer(api.replication_view().await?))
}

/// Stops every transfer. What has arrived stays.
#[utoipa::path(post, path = "/api/v1/replication/pause", tag = "replicas",
    operation_id = "pause_replication", responses((status = 200, body = ReplicationView)))]
pub(crate) async fn pause(State(api): State<Shared>) -> Result<Answer<ReplicationView>, Problem> {
    api.discovery.replicas().pause().await?;
    api.pace(Pace::Paused).await;
    Ok(Answer(api.replication_view().await?))
}

/// Lets transfers run again.
#[utoipa::path(post, path = "/api/v1/replication/resume", tag = "replicas",
    operation_id = "resume_replication", responses((status = 200, body = ReplicationView)))]
pub(crate) async fn resume(State(api): State<Shared>) -> Result<Answer<ReplicationView>, Problem> {
    api.discovery.replicas().resume().await?;
    api.pace(Pace::Scheduled).await;
    Ok(Answer(api.replication_view().await?))
}

/// Removes a copy, and the asset from this node's index: neither comes back by itself.
#[utoipa::path(delete, path = "/api/v1/replicas/{publisher}/{asset}", tag = "replicas",
    operation_id = "remove_replica",
    params(("publisher" = String, Path, description = "The publisher's key, k51…"),
        ("asset" = String, Path)),
    responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let of = asset_of(path)?;
    let unknown = || Problem::not_found(format!("there is no copy of {of} here"));
    api.catalog.replica(&of).await?.ok_or_else(unknown)?;
    api.remove_here(&of).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries every failed copy again now.
#[utoipa::path(post, path = "/api/v1/replication/retry", tag = "replicas",
    operation_id = "retry_replication", responses((status = 200, body = Retried)))]
pub(crate) async fn retry_all(State(api): State<Shared>) -> Result<Answer<Retried>, Problem> {
    let retried = api.discovery.replicas().retry(None).await?;
    Ok(Answer(Retried { retried }))
}

/// Tries a failed copy again now.
#[utoipa::path(post, path = "/api/v1/replicas/{publisher}/{asset}/retry", tag = "replicas",
    operation_id = "retry_replica",
    params(("publisher" = String, Path, description = "The publisher's key, k51…"),
        ("asset" = String, Path)),
    responses((status = 200, body = Retried),
        (status = 409, description = "It has not failed", body = Document)))]
pub(crate) async fn retry(
    State(api): State<Shared>,
    path: Path<(String, String)>,
) -> Result<Answer<Retried>, Problem> {
    let of = asset_of(path)?;
    match api.discovery.replicas().retry(Some(&of)).await? {
        0 => Err(Problem::conflict(
            "not-failed",
            format!("no copy of {of} has failed: see the list of copies"),
        )),
        retried => Ok(Answer(Retried { retried })),
    }
}

impl Api {
    /// Removes an announced asset from index and disk, for good.
    pub(crate) async fn remove_here(&self, of: &AssetOf) -> Result<(), Problem> {
        Ok(self.discovery.replicas().remove(of, "").await?)
    }

    /// Waits until the worker has heard of it, so that the answer says so too.
    async fn pace(&self, pace: Pace) {
        let mut status = self.discovery.replicas().status();
        let heard = status.wait_for(|status| status.pace == pace);
        // One that is busy hears of it later.
        let _ = tokio::time::timeout(HEARD, heard).await;
    }

    async fn replication_view(&self) -> Result<ReplicationView, Problem> {
        let status = *self.discovery.replicas().status().borrow();
        let totals = self.catalog.replica_totals().await?;
        Ok(ReplicationView {
            budget: Some(status.budget),
            used: totals.held_bytes,
            planned: status.planned_bytes,
            paused: status.pace == Pace::Paused,
            transfers: status.running,
            rate: match status.rate {
                Rate::Unlimited => None,
                Rate::Bytes(bytes) => Some(bytes),
                Rate::Paused => Some(0),
            },
            pinned: totals.pinned,
            waiting: totals.waiting,
            failed: totals.failed,
            fills: self.fills().await?,
        })
    }

    async fn fills(&self) -> Result<Vec<FillView>, Problem> {
        let fills = self.catalog.fills(FILLS).await?.into_iter();
        Ok(fills
            .map(|fill| FillView {
                publisher: fill.publisher.to_string(),
                name: fill.name,
                bytes: fill.bytes,
                assets: fill.assets,
            })
            .collect())
    }
}
