//! `/api/v1/pins`: what the store keeps, and for whom.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_store::{Audience, Pin};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::Params;
use super::node::blocking;
use super::problem::Problem;

/// Pins in one answer at most.
const MOST: usize = 10_000;

/// How many to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PinParams {
    /// Only those of this holder: an asset's id.
    holder: Option<String>,
    /// At most this many, up to 10,000.
    limit: Option<usize>,
}

/// Pins of this node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PinList {
    pub(crate) items: Vec<PinView>,
    /// How many there are in all, listed or not.
    pub(crate) total: usize,
}

/// A root that is kept with every block below it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Pin)]
pub(crate) struct PinView {
    /// The root's CID.
    pub(crate) cid: String,
    /// Who asked for it: an asset's id, or the name of an import.
    pub(crate) holder: String,
    /// pinned: every block is on disk.
    pub(crate) state: String,
    /// members or anyone.
    pub(crate) audience: String,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

impl PinView {
    pub(crate) fn new(pin: &Pin) -> Self {
        let audience = match pin.audience {
            Audience::Members => "members",
            Audience::Anyone => "anyone",
        };
        Self {
            cid: pin.root.to_string(),
            holder: pin.holder.to_string(),
            state: "pinned".to_owned(),
            audience: audience.to_owned(),
            blocks: pin.blocks,
            bytes: pin.bytes,
        }
    }
}

/// Lists pins.
#[utoipa::path(get, path = "/api/v1/pins", tag = "store", operation_id = "list_pins",
    params(PinParams), responses((status = 200, body = PinList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(params): Params<PinParams>,
) -> Result<Answer<PinList>, Problem> {
    let store = api.store.clone();
    let pins = blocking(move || store.pins()).await?;
    let pins = pins.map_err(|error| Problem::internal(&error))?;
    let wanted: Vec<&Pin> = pins
        .iter()
        .filter(|pin| {
            params
                .holder
                .as_ref()
                .is_none_or(|holder| *holder == pin.holder.to_string())
        })
        .collect();
    let shown = wanted.iter().take(params.limit.unwrap_or(MOST).min(MOST));
    let items = shown.map(|pin| PinView::new(pin)).collect();
    Ok(Answer(PinList {
        items,
        total: wanted.len(),
    }))
}
