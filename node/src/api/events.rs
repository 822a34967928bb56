//! `/api/v1/events`: what happens to assets, publishers, peers and copies, as server-sent events.
//!
//! Owns: one subscription per client. Ends: when the client goes away or the node stops. A client
//! that reads too slowly misses events and is told so by `lagged`; it should list again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use cidcast_discovery::Discovery;
use cidcast_ingest::{Event, EventKind};
use cidcast_types::AssetId;
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::{BroadcastStream, WatchStream};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::asset_view::AssetView;
use super::assets::parsed;
use super::extract::Params;
use super::links::Links;
use super::problem::{Document, Problem};

/// Proxies cut connections that are silent for a minute; the web app gives up after 45 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a client hears that something of discovery has changed.
const BURST: Duration = Duration::from_secs(1);

/// Changes that make one message: more than wait in any of the channels.
const MAX_BURST: usize = 8192;

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

/// Data of `event: network`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NetworkChange {
    /// feeds, follows, trust or replicas: what to read again.
    areas: BTreeSet<&'static str>,
}

/// Sends `event: asset` with the asset, `event: deleted` with its id, `event: network` with what to
/// read again of publishers, peers and copies (at most once a second), and `event: lagged`.
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
    let elsewhere = network_news(&api.discovery);
    let listener = Listener {
        api,
        links,
        only,
        receiver,
    };
    let news = futures::stream::unfold(listener, Listener::next);
    let news = match only {
        Some(_) => news.boxed(),
        None => futures::stream::select(news, elsewhere).boxed(),
    };
    let messages = futures::stream::iter(first)
        .chain(news)
        .map(Ok)
        .take_until(stop);
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What changes in the rows of discovery: only where, because pages read again what they show.
fn network_news(discovery: &Discovery) -> impl Stream<Item = Message> + Send + use<> {
    let feeds = BroadcastStream::new(discovery.feeds().events()).map(|_| "feeds");
    let follows = WatchStream::from_changes(discovery.follows().changes()).map(|_| "follows");
    let trust = WatchStream::from_changes(discovery.trust().changes()).map(|_| "trust");
    let replicas = WatchStream::from_changes(discovery.replicas().status()).map(|_| "replicas");
    let all = futures::stream::select(
        futures::stream::select(feeds, follows),
        futures::stream::select(trust, replicas),
    );
    // Catching up brings thousands in a second: all that are there make one message.
    let bursts = tokio_stream::StreamExt::throttle(all.ready_chunks(MAX_BURST), BURST);
    bursts.filter_map(|areas| {
        let areas = areas.into_iter().collect();
        std::future::ready(message("network", &NetworkChange { areas }))
    })
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
