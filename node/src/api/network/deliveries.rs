//! `/api/v1/deliveries`: notices that have not arrived.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_catalog::Delivery;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Shared;
use super::super::extract::{Id, Params};
use super::super::problem::{Document, Problem};
use super::{Retried, Slice};

/// One page of notices that wait or were given up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryList {
    pub(crate) items: Vec<DeliveryView>,
    /// Pass it as `skip` for the next page; null on the last one.
    pub(crate) next: Option<u32>,
    /// Those that are tried again.
    pub(crate) waiting: u64,
    /// Those that were given up after ten tries.
    pub(crate) given_up: u64,
}

/// A notice on its way to a node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    pub(crate) id: i64,
    /// To which node.
    pub(crate) peer: String,
    /// What it is about.
    pub(crate) what: String,
    /// How often it was tried in vain.
    pub(crate) attempts: u32,
    /// Why the last time.
    pub(crate) error: Option<String>,
    /// When it is tried next; null: it was given up.
    pub(crate) next_try_at: Option<u64>,
    pub(crate) created_at: u64,
}

/// Lists notices that have not arrived.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "peers", operation_id = "list_deliveries",
    params(Slice), responses((status = 200, body = DeliveryList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(slice): Params<Slice>,
) -> Result<Answer<DeliveryList>, Problem> {
    let rows = api.catalog.deliveries(slice.skip, slice.limit()).await?;
    let counts = api.catalog.delivery_counts().await?;
    Ok(Answer(DeliveryList {
        next: slice.next(rows.len()),
        items: rows.iter().map(DeliveryView::new).collect(),
        waiting: counts.waiting,
        given_up: counts.given_up,
    }))
}

/// Tries every notice again now, those that were given up too.
#[utoipa::path(post, path = "/api/v1/deliveries/retry", tag = "peers",
    operation_id = "retry_deliveries", responses((status = 200, body = Retried)))]
pub(crate) async fn retry_all(State(api): State<Shared>) -> Result<Answer<Retried>, Problem> {
    let retried = api.discovery.deliveries().retry(None).await?;
    Ok(Answer(Retried { retried }))
}

/// Tries a notice again now, with all its tries before it.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "peers",
    operation_id = "retry_delivery", params(("id" = i64, Path)),
    responses((status = 200, body = Retried), (status = 404, body = Document)))]
pub(crate) async fn retry(
    State(api): State<Shared>,
    Id(id): Id<i64>,
) -> Result<Answer<Retried>, Problem> {
    match api.discovery.deliveries().retry(Some(id)).await? {
        0 => Err(unknown(id)),
        retried => Ok(Answer(Retried { retried })),
    }
}

/// Drops a notice: it is not sent any more.
#[utoipa::path(delete, path = "/api/v1/deliveries/{id}", tag = "peers",
    operation_id = "drop_delivery", params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(id): Id<i64>,
) -> Result<StatusCode, Problem> {
    match api.discovery.deliveries().drop_notice(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(id)),
    }
}

fn unknown(id: i64) -> Problem {
    Problem::not_found(format!(
        "no notice {id} waits: it has arrived, or was dropped"
    ))
}

impl DeliveryView {
    fn new(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            peer: delivery.node.to_string(),
            what: delivery.about.clone(),
            attempts: delivery.failures,
            error: delivery.error.clone(),
            next_try_at: delivery.next_at.map(|at| at.as_millis()),
            created_at: delivery.created_at.as_millis(),
        }
    }
}
