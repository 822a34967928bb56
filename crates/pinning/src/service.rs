//! Pins that others ask for.
//!
//! Reconcile: the rows of the catalog say what was asked for; whenever somebody looks, when
//! something changes and by a timer, they are compared with the pinner and the store.
//!
//! Owns: one loop. Ends: with the `Shutdown` that it was started under; every row stays. Cancel
//! safety: a call that is dropped half-way leaves a row that the loop finishes.

mod metrics;
mod settle;
mod work;

use std::fmt;
use std::sync::Arc;

use cidcast_catalog::{
    Catalog, CatalogError, PinRequest, RequestError, RequestPage, RequestQuery, Requested,
};
use cidcast_ipfs::pinner::{Pinner, PinnerError};
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_runtime::{Clock, Shutdown, random_u128};
use cidcast_store::{Audience, Holder, ParseHolderError, Store};
use cidcast_types::PinRequestId;
use tokio::sync::{Mutex, Notify, watch};

pub use metrics::ServiceMetrics;

/// Attempts after which a pin has `failed`. With the pinner's waits between them, about four hours:
/// a peer that was restarted or moved is back by then. What has arrived is let go.
pub const TRIES: u32 = 10;
/// Most delegates that the specification allows.
const DELEGATES: usize = 20;
/// Holders of these pins begin so; the id of the request follows.
pub const HOLDER: &str = "psa/";
/// In `meta`: who may have the blocks. Without it, anyone.
pub const AUDIENCE: &str = "cidcast-audience";

/// The pinning service of a node. Clones are the same service.
#[derive(Clone)]
pub struct PinningService {
    inner: Arc<Inner>,
}

/// What it works with.
#[derive(Debug)]
pub struct ServiceParts {
    /// Keeps the requests.
    pub catalog: Catalog,
    /// Says what is pinned.
    pub store: Store,
    /// Completes pins.
    pub pinner: Pinner,
    /// Dials origins.
    pub swarm: SwarmHandle,
    /// When requests are made.
    pub clock: Clock,
    /// Counts.
    pub metrics: ServiceMetrics,
}

struct Inner {
    parts: ServiceParts,
    /// Held by whoever changes rows together with pins, so that nothing is pinned for a request
    /// that is given up meanwhile.
    turn: Mutex<()>,
    news: Notify,
    /// How often requests have become complete or have gone.
    changes: watch::Sender<u64>,
}

/// The service could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such request, or no room for one.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The pinner or its database failed.
    #[error(transparent)]
    Pinner(#[from] PinnerError),
    /// The pin database failed.
    #[error(transparent)]
    Database(#[from] cidcast_store::DatabaseError),
    /// An id that is no holder: never, by the form of both.
    #[error(transparent)]
    Holder(#[from] ParseHolderError),
    /// The node is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
}

impl From<CatalogError> for ServiceError {
    fn from(error: CatalogError) -> Self {
        Self::Request(error.into())
    }
}

impl PinningService {
    /// Goes on with the requests that an earlier process left, under `shutdown`.
    pub fn start(parts: ServiceParts, shutdown: &Shutdown) -> Self {
        let inner = Arc::new(Inner {
            parts,
            turn: Mutex::new(()),
            news: Notify::new(),
            changes: watch::Sender::new(0),
        });
        let (worker, token) = (Arc::clone(&inner), shutdown.token().clone());
        shutdown.spawn("pinning service", async move {
            token
                .run_until_cancelled_owned(worker.keep_settling())
                .await
        });
        Self { inner }
    }

    /// Takes a request, in place of `replaced` if there is one. Once this returns it is
    /// remembered, whatever happens to the process.
    ///
    /// # Errors
    ///
    /// [`ServiceError`]; nothing has changed.
    pub async fn add(
        &self,
        wanted: &Requested,
        replaced: Option<PinRequestId>,
    ) -> Result<PinRequest, ServiceError> {
        let Inner {
            parts, turn, news, ..
        } = &*self.inner;
        let now = parts.clock.now();
        let id = PinRequestId::from_parts(now, random_u128());
        let turn = turn.lock().await;
        let request = parts.catalog.request_pin(id, wanted, replaced, now).await?;
        drop(turn);
        // The loop pins it, and dials its origins; what is here already is pinned at once.
        news.notify_one();
        Ok(request)
    }

    /// One request, as it stands now.
    ///
    /// # Errors
    ///
    /// [`ServiceError`], also if there is no such request.
    pub async fn get(&self, id: PinRequestId) -> Result<PinRequest, ServiceError> {
        self.inner.settle().await?;
        let found = self.inner.parts.catalog.pin_request(id).await?;
        Ok(found.ok_or(RequestError::NoSuchRequest(id))?)
    }

    /// Requests as they stand now, the newest first.
    ///
    /// # Errors
    ///
    /// [`ServiceError`]
    pub async fn list(&self, query: &RequestQuery) -> Result<RequestPage, ServiceError> {
        self.inner.settle().await?;
        Ok(self.inner.parts.catalog.pin_requests(query).await?)
    }

    /// Gives up a request and its pin.
    ///
    /// # Errors
    ///
    /// [`ServiceError`], also if there is no such request.
    pub async fn remove(&self, id: PinRequestId) -> Result<(), ServiceError> {
        let Inner {
            parts, turn, news, ..
        } = &*self.inner;
        let turn = turn.lock().await;
        if !parts.catalog.give_up_pin_request(id).await? {
            return Err(RequestError::NoSuchRequest(id).into());
        }
        drop(turn);
        // From here on nobody sees it; the pin goes in the loop, also after a restart.
        news.notify_one();
        Ok(())
    }

    /// Changes whenever requests have become complete or have gone.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Multiaddresses at which this node takes blocks.
    pub async fn delegates(&self) -> Vec<String> {
        let mut all = self.inner.parts.swarm.own_addresses().await;
        all.truncate(DELEGATES);
        all
    }
}

/// Who holds the pin of a request.
pub fn holder(id: PinRequestId) -> Result<Holder, ParseHolderError> {
    format!("{HOLDER}{id}").parse()
}

/// Whom a request opens its blocks to; `None` if it names nobody that there is.
pub fn audience(wanted: &Requested) -> Option<Audience> {
    match wanted.meta.get(AUDIENCE).map(String::as_str) {
        None | Some("anyone") => Some(Audience::Anyone),
        Some("members") => Some(Audience::Members),
        Some("writers") => Some(Audience::Writers),
        Some(_) => None,
    }
}

impl fmt::Debug for PinningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinningService").finish_non_exhaustive()
    }
}
