//! `/api/v1/events`: what happens to assets, as server-sent events.
//!
//! Owns: one subscription per client. Ends: when the client goes away or the node stops. A client
//! that reads too slowly misses events and is told so by `lagged`; it should list again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use cidcast_ingest::{Event, EventKind};
use cidcast_types::AssetId;
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::asset_view::AssetView;
use super::assets::parsed;
use super::extract::Params;
use super::links::Links;
use super::problem::{Document, Problem};

/// Proxies cut connections that are silent for a minute; the web app gives up after 45 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of this asset, beginning with how it is now.
    asset: Option<String>,
}

/// Data of `event: deleted`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    id: String,
}

/// Data of `event: lagged`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lagged {
    /// Events that were not sent.
    missed: u64,
}

/// Sends `event: asset` with the asset, `event: deleted` with its id, and `event: lagged`.
#[utoipa::path(get, path = "/api/v1/events", tag = "assets", operation_id = "events",
    params(Filter),
    responses((status = 200, content_type = "text/event-stream", body = AssetView),
        (status = 400, body = Document)))]
pub(crate) async fn stream(
    State(api): State<Shared>,
    links: Links,
    Params(filter): Params<Filter>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let only: Option<AssetId> = parsed(filter.asset.as_deref())?;
    // Subscribed before the first look, so that nothing falls in between.
    let receiver = api.ingest.events();
    let first = match only {
        Some(id) => changed(&api, &links, &id).await,
        None => None,
    };
    let stop = api.shutdown.token().clone().cancelled_owned();
    let listener = Listener {
        api,
        links,
        only,
        receiver,
    };
    let news = futures::stream::unfold(listener, Listener::next);
    let messages = futures::stream::iter(first)
        .chain(news)
        .map(Ok)
        .take_until(stop);
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Listener {
    api: Shared,
    links: Links,
    only: Option<AssetId>,
    receiver: Receiver<Event>,
}

impl Listener {
    async fn next(mut self) -> Option<(Message, Self)> {
        loop {
            let message = match self.receiver.recv().await {
                Ok(event) if self.only.is_some_and(|id| id != event.asset) => continue,
                Ok(Event {
                    asset,
                    kind: EventKind::Changed,
                }) => changed(&self.api, &self.links, &asset).await,
                Ok(Event {
                    asset,
                    kind: EventKind::Deleted,
                }) => message(
                    "deleted",
                    &Deleted {
                        id: asset.to_string(),
                    },
                ),
                Err(RecvError::Lagged(missed)) => message("lagged", &Lagged { missed }),
                Err(RecvError::Closed) => return None,
            };
            if let Some(message) = message {
                return Some((message, self));
            }
        }
    }
}

/// The asset as it is now; nothing if it is gone (its own event says so).
async fn changed(api: &Shared, links: &Links, id: &AssetId) -> Option<Message> {
    match api.catalog.get(id).await {
        Ok(asset) => message("asset", &api.asset_view(&asset?, links).await.ok()?),
        Err(error) => {
            tracing::warn!(asset = %id, %error, "could not read an asset for an event");
            None
        }
    }
}

fn message(name: &str, data: &impl Serialize) -> Option<Message> {
    Message::default().event(name).json_data(data).ok()
}
