//! `/api/v1/store/fetch`: bringing a DAG here, with progress.
//!
//! Owns: one fetch per request. Ends: with the client, whatever happens first. What was fetched
//! stays in the store until the answer is closed, so that the client can read or pin it. What a
//! fetch that is cut off has got stays a day, also across restarts, so that it can go on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use cidcast_ipfs::fetch::{Fetch, FetchError, FetchProgress, FetchSettings, Fetched};
use cidcast_ipfs::{Class, WantError};
use cidcast_runtime::Clock;
use cidcast_store::{Holder, Partial, PartialError};
use cidcast_types::{Cid, Timestamp};
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::Shared;
use super::extract::Id;
use super::node::blocking;
use super::pins::RESERVED;
use super::problem::{Document, Problem};

/// Progress is told this often: as often as a person can read.
const BEAT: Duration = Duration::from_millis(200);
/// Proxies cut connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a fetched DAG is held for a client that does not go away. Downloading may take as
/// long; whoever wants it longer pins it.
const HELD: Duration = Duration::from_secs(6 * 3600);
/// How long the blocks of a fetch that was cut off are kept for the next try.
const KEPT: Duration = Duration::from_secs(86_400);

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FetchProgress)]
pub(crate) struct FetchView {
    /// Blocks that are here.
    pub(crate) blocks: u64,
    /// Blocks that are known to belong to the DAG; grows until every directory is here.
    pub(crate) blocks_known: u64,
    /// Bytes that came over the network.
    pub(crate) bytes: u64,
    /// Peers that gave something.
    pub(crate) peers: usize,
}

impl From<FetchProgress> for FetchView {
    fn from(progress: FetchProgress) -> Self {
        Self {
            blocks: progress.blocks,
            blocks_known: progress.blocks_known,
            bytes: progress.bytes,
            peers: progress.peers,
        }
    }
}

/// Fetches a DAG: `event: progress` now and then, at last `event: done`, both with the progress,
/// or `event: problem` with a problem document. After `done`, the blocks stay until the client
/// closes the answer.
#[utoipa::path(post, path = "/api/v1/store/fetch/{cid}", tag = "store", operation_id = "fetch",
    params(("cid" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = FetchView),
        (status = 404, body = Document)))]
pub(crate) async fn fetch(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let store = api.store.clone();
    let is_here = blocking(move || store.has(&root)).await?;
    let is_here = is_here.map_err(|error| Problem::internal(&error))?;
    if !is_here && api.network.is_alone().await {
        return Err(Problem::not_found(format!(
            "{root} is not on this node, and it knows nobody to ask: connect to a peer that has it \
             (`cidcast peer connect`), or set network.routers or network.http_gateways"
        )));
    }
    let kept = Kept::of(&api, root)?;
    let row = kept.row(Clock::System.now());
    let store = api.store.clone();
    let guard = blocking(move || store.keep_partial(&row)).await?;
    let settings = FetchSettings::new(Class::Replication);
    let fetch = api.network.fetch(root, settings);
    let fetch = fetch.keeping(guard.map_err(not_kept)?);
    let stop = api.shutdown.token().clone().cancelled_owned();
    let messages = messages(fetch, kept).map(Ok).take_until(stop);
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The row that keeps what a fetch has got.
struct Kept {
    api: Shared,
    holder: Holder,
    root: Cid,
}

impl Kept {
    fn of(api: &Shared, root: Cid) -> Result<Self, Problem> {
        let holder = format!("{RESERVED}fetch").parse();
        Ok(Self {
            api: Arc::clone(api),
            holder: holder.map_err(|error| Problem::internal(&error))?,
            root,
        })
    }

    fn row(&self, now: Timestamp) -> Partial {
        Partial {
            holder: self.holder.clone(),
            root: self.root,
            until: now.after(KEPT),
            note: "fetch".to_owned(),
        }
    }

    /// It is complete, or nothing of it has come: the next try loses nothing.
    async fn drop(self) {
        let store = self.api.store.clone();
        let dropped = blocking(move || store.drop_partial(&self.holder, &self.root)).await;
        if let Ok(Err(error)) = dropped {
            tracing::warn!(%error, "a fetch's row stays until it expires");
        }
    }
}

fn messages(mut fetch: Fetch, kept: Kept) -> impl Stream<Item = Message> {
    async_stream::stream! {
        let mut progress = fetch.progress();
        let mut work = std::pin::pin!(fetch.finish());
        let end = loop {
            tokio::select! {
                end = &mut work => break end,
                () = beat(&mut progress) => {
                    let view = FetchView::from(*progress.borrow_and_update());
                    if let Some(message) = message("progress", &view) {
                        yield message;
                    }
                }
            }
        };
        let is_worthless = end.is_err() && progress.borrow().blocks == 0;
        if end.is_ok() || is_worthless {
            kept.drop().await;
        }
        let (told, held) = told(end);
        if let Some(message) = told {
            yield message;
        }
        if held.is_some() {
            tokio::time::sleep(HELD).await;
        }
    }
}

/// Waits until there is progress to tell, and for a while.
async fn beat(progress: &mut watch::Receiver<FetchProgress>) {
    tokio::time::sleep(BEAT).await;
    if progress.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The last message, and what holds the blocks.
fn told(end: Result<Fetched, FetchError>) -> (Option<Message>, Option<Fetched>) {
    match end {
        Ok(fetched) => {
            let view = FetchView::from(fetched.progress);
            (message("done", &view), Some(fetched))
        }
        Err(error) => (message("problem", &problem(&error).document()), None),
    }
}

fn message(name: &str, data: &impl Serialize) -> Option<Message> {
    Message::default().event(name).json_data(data).ok()
}

fn not_kept(error: PartialError) -> Problem {
    match error {
        PartialError::TooMany { .. } => Problem::busy(error),
        PartialError::Database(_) | PartialError::Folder(_) => Problem::internal(&error),
    }
}

fn problem(error: &FetchError) -> Problem {
    match error {
        FetchError::Want(want) if want.is_no_space() => Problem::no_space(want),
        FetchError::Want(WantError::Deadline { .. }) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "unreachable",
            "Nobody has it",
            error,
        ),
        FetchError::Want(WantError::Stopping | WantError::TooManyWants { .. }) => {
            Problem::busy(error)
        }
        FetchError::Walk(_) => Problem::invalid(error),
        FetchError::Want(_) | FetchError::Store(_) => Problem::internal(error),
    }
}
