//! `/api/v1/node`: what this node is and holds.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_ipfs::provide::ProviderStatus;
use cidcast_store::Stat;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::links::Links;
use super::peers::ReachView;
use super::problem::Problem;
use super::{Api, Shared};
use crate::config::Engine;

/// One node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeView {
    /// cidcast's version.
    pub(crate) version: String,
    /// Its libp2p identity.
    pub(crate) peer_id: String,
    /// Multiaddresses of the swarm, with the peer id.
    pub(crate) addresses: Vec<String>,
    /// Base URL of the gateway.
    pub(crate) gateway_url: String,
    /// What keeps copies on several nodes: embedded or ipfs-cluster.
    #[schema(value_type = String)]
    pub(crate) cluster_engine: Engine,
    /// What encodes.
    pub(crate) encoder: String,
    /// Largest source, in bytes.
    pub(crate) max_upload_bytes: u64,
    pub(crate) store: StoreView,
    pub(crate) reach: ReachView,
    pub(crate) providing: ProvidingView,
}

/// What the DHT is told that this node has.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = Providing)]
pub(crate) struct ProvidingView {
    /// CIDs that should be found at this node.
    pub(crate) wanted: usize,
    /// Those that the DHT was told of within `network.reprovide_every`.
    pub(crate) provided: usize,
}

/// What the block store holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Store)]
pub(crate) struct StoreView {
    /// Pinned blocks, each counted once.
    pub(crate) blocks: u64,
    /// Their size.
    pub(crate) bytes: u64,
    pub(crate) pins: u64,
    /// Blocks that wait to be deleted.
    pub(crate) pending_deletes: u64,
    /// Room left on the disk.
    pub(crate) free_bytes: u64,
}

impl ProvidingView {
    fn of(status: ProviderStatus) -> Self {
        Self {
            wanted: status.wanted,
            provided: status.provided,
        }
    }
}

impl From<Stat> for StoreView {
    fn from(stat: Stat) -> Self {
        Self {
            blocks: stat.blocks,
            bytes: stat.bytes,
            pins: stat.pins,
            pending_deletes: stat.pending_deletes,
            free_bytes: stat.free_bytes,
        }
    }
}

/// Shows the node: identity, addresses, versions, store.
#[utoipa::path(get, path = "/api/v1/node", tag = "node", operation_id = "show_node",
    responses((status = 200, body = NodeView)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    links: Links,
) -> Result<Answer<NodeView>, Problem> {
    let stat = api.store_stat().await?;
    Ok(Answer(NodeView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        peer_id: api.facts.peer_id.clone(),
        addresses: api.facts.swarm.clone(),
        gateway_url: links.base().to_owned(),
        cluster_engine: api.facts.engine,
        encoder: api.facts.encoder.clone(),
        max_upload_bytes: api.facts.max_upload_bytes,
        store: stat.into(),
        reach: ReachView::new(api.swarm.reach().await, api.swarm.peers().len()),
        providing: ProvidingView::of(*api.provider.status().borrow()),
    }))
}

impl Api {
    /// Counts of the store.
    pub(super) async fn store_stat(&self) -> Result<Stat, Problem> {
        let store = self.store.clone();
        let stat = blocking(move || store.stat()).await?;
        stat.map_err(|error| Problem::internal(&error))
    }
}

/// Runs work that may block on the thread pool for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&error))
}
