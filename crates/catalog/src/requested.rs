//! Pins that others asked for through the pinning service, as values.

use std::collections::BTreeMap;

use cidcast_types::{Cid, PinRequestId, Timestamp};

use crate::spelled::spelled;

/// Requests that are kept at most. A request without its blocks takes about a kilobyte here.
pub const MAX_REQUESTED: u64 = 200_000;

spelled! {
    /// Where a request stands.
    pub enum RequestState as "queued, pinning, pinned or failed" {
        /// It waits for its turn.
        Queued = "queued",
        /// Blocks are on their way.
        Pinning = "pinning",
        /// Every block is here.
        Pinned = "pinned",
        /// It could not be completed.
        Failed = "failed",
    }
}

/// What somebody wants pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The root of the DAG.
    pub cid: Cid,
    /// What it is called.
    pub name: Option<String>,
    /// Multiaddresses of peers that have it.
    pub origins: Vec<String>,
    /// Whatever its owner wants to remember.
    pub meta: BTreeMap<String, String>,
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRequest {
    /// Its own id.
    pub id: PinRequestId,
    /// What was asked for.
    pub wanted: Requested,
    /// When; no two have the same time.
    pub created: Timestamp,
    /// Where it stands.
    pub state: RequestState,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// A request whose pin is being given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The request.
    pub id: PinRequestId,
    /// What it had pinned.
    pub cid: Cid,
}

/// How a name is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NameMatch {
    /// All of it.
    #[default]
    Exact,
    /// All of it, in upper or lower case.
    ExactInAnyCase,
    /// Any part.
    Part,
    /// Any part, in upper or lower case.
    PartInAnyCase,
}

/// Which requests; what is empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Of one of these roots.
    pub cids: Vec<Cid>,
    /// Of such a name.
    pub name: Option<(String, NameMatch)>,
    /// In one of these states.
    pub states: Vec<RequestState>,
    /// Made before this time.
    pub before: Option<Timestamp>,
    /// Made after this time.
    pub after: Option<Timestamp>,
    /// With all of these in `meta`.
    pub meta: BTreeMap<String, String>,
    /// At most so many.
    pub limit: u32,
}

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// How many there are, listed or not.
    pub total: u64,
    /// The newest first.
    pub items: Vec<PinRequest>,
}

/// A request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There are too many.
    #[error("{MAX_REQUESTED} pins are kept for others already: delete some first")]
    Full,
    /// There is no such request, or no longer.
    #[error("there is no pin request {0}: list them to see which there are")]
    NoSuchRequest(PinRequestId),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] crate::CatalogError),
}

impl From<sqlx::Error> for RequestError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}
