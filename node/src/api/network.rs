//! `/api/v1/…` about publishers: the own one, feeds, what they announce, follows, trust, copies.
//!
//! Lists are read from the catalog's rows, where discovery keeps all of its state; what changes
//! something goes through the handles of discovery.

pub(crate) mod blocks;
pub(crate) mod copies;
pub(crate) mod deliveries;
pub(crate) mod discover;
pub(crate) mod feeds;
pub(crate) mod follows;
pub(crate) mod publisher;
pub(crate) mod removed;
pub(crate) mod replicas;
pub(crate) mod scores;

use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::assets::parsed;
use super::problem::Problem;

/// Rows on a page unless the caller says otherwise.
const PAGE: u32 = 50;

/// Rows on a page at most.
pub(crate) const MOST: u32 = 200;

/// Where a list that is kept by position goes on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Slice {
    /// Rows to leave out at the start.
    skip: u32,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

impl Slice {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, MOST)
    }

    /// Where the next page begins, after one of this many rows.
    fn next(&self, rows: usize) -> Option<u32> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        (rows >= self.limit()).then(|| self.skip.saturating_add(rows))
    }
}

/// Where a list that is kept by arrival goes on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

impl After {
    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        parsed(self.cursor.as_deref())
    }

    fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, MOST)
    }
}

/// How many were set going again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(crate) struct Retried {
    pub(crate) retried: u64,
}

/// Keys in a body as text: parsed where they come in, so that the answer says what is wrong.
fn publisher_from(text: &str) -> Result<Publisher, Problem> {
    text.parse().map_err(Problem::bad_request)
}

fn node_from(text: &str) -> Result<NodeId, Problem> {
    text.parse().map_err(Problem::bad_request)
}
