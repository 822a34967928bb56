//! `/api/v1/deliveries`: notices that have not arrived.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_catalog::Delivery;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Shared;
use super::super::extract::Params;
use super::super::problem::Problem;
use super::Slice;

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
