//! The HTTP API and the web app: one router, made of small modules.
//!
//! A request passes, from the outside in: panic guard → number of requests → `Host` and `Origin`
//! ([`origin`]) → who calls ([`door`]) → scope of its group → time limit → handler. Every refusal
//! is a problem document ([`problem`]). `/openapi.json` is generated from the handlers.

#![allow(
    unused_qualifications,
    reason = "utoipa's macros expand to fully qualified paths"
)]

mod asset_view;
mod assets;
mod cluster;
mod description;
mod door;
mod entry;
mod events;
mod extract;
mod failure;
mod fetch;
mod health;
mod jobs;
mod limits;
mod links;
mod metrics;
mod names;
mod network;
mod node;
mod origin;
mod peers;
mod pins;
mod problem;
mod psa;
mod receive;
mod remotes;
mod store;
mod tus;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::{Extension, Router};
use cidcast_announce::MAX_BLOCK_LIST_BYTES;
use cidcast_catalog::Catalog;
use cidcast_cluster::service::Cluster;
use cidcast_discovery::Discovery;
use cidcast_exchange::Exchange;
use cidcast_ingest::Ingest;
use cidcast_ipfs::Network;
use cidcast_ipfs::names::Names;
use cidcast_ipfs::pinner::Pinner;
use cidcast_ipfs::provide::Provider;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_pinning::remotes::Remotes;
use cidcast_pinning::service::PinningService;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use prometheus_client::registry::Registry;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::{Engine, Scope};

use network::{blocks, deliveries, discover, feeds, follows, publisher, removed, replicas, scores};

pub(crate) use asset_view::{AssetAnnouncement, AssetView};
pub(crate) use assets::AssetList;
pub(crate) use cluster::members::{MemberList, MemberPatch, MemberView};
pub(crate) use cluster::pins::{
    ClusterAudience, ClusterPinRequest, ClusterPinView, FilterName, Pinset,
};
pub(crate) use cluster::{
    AuditRequest, Audited, ClusterView, EventList, FoundRequest, JoinRequest, RoleName,
    TokenRequest, TokenView,
};
pub(crate) use door::Door;
pub(crate) use entry::EntryView;
pub(crate) use fetch::FetchView;
pub(crate) use limits::InFlight;
pub(crate) use links::Gateway;
pub(crate) use metrics::Metrics;
pub(crate) use names::{PublishRequest, PublishedView, ResolvedView};
pub(crate) use network::Retried;
pub(crate) use network::blocks::{BlockListView, BlockLists, BlockRequest};
pub(crate) use network::copies::{CopyView, OutgoingView};
pub(crate) use network::deliveries::{DeliveryList, DeliveryView};
pub(crate) use network::discover::{AnnouncedList, AnnouncedView};
pub(crate) use network::feeds::{FeedDetail, FeedList, FeedView, SnapshotView};
pub(crate) use network::follows::{
    FollowList, FollowPatch, FollowRequest, FollowView, FollowerList,
};
pub(crate) use network::publisher::PublisherView;
pub(crate) use network::removed::RemovedList;
pub(crate) use network::replicas::{ReplicaList, ReplicaView, ReplicationView};
pub(crate) use network::scores::ScoreView;
pub(crate) use node::{NodeView, ProvidingView, StoreView};
pub(crate) use origin::Site;
pub(crate) use peers::{ConnectRequest, PeerList, PeerView, PingRequest, PingTimes, ReachView};
pub(crate) use pins::{AudienceName, MemberPin, PinList, PinRequest, PinStatus, PinView};
pub(crate) use problem::{Document, Problem, type_of};
pub(crate) use remotes::{
    ArchivedList, ArchivedView, RemoteList, RemotePeerList, RemotePeerView, RemotePinList,
    RemotePinRequest, RemotePinView,
};
pub(crate) use store::{Imported, VerifyView};
pub(crate) use web::file as web_file;

/// What the handlers work with.
pub(crate) struct Api {
    pub(crate) ingest: Ingest,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) swarm: SwarmHandle,
    pub(crate) exchange: Exchange,
    pub(crate) network: Network,
    pub(crate) names: Names,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) clock: Clock,
    pub(crate) pinner: Pinner,
    pub(crate) service: PinningService,
    pub(crate) cluster: Cluster,
    pub(crate) remotes: Remotes,
    pub(crate) provider: Provider,
    pub(crate) gateway: Gateway,
    pub(crate) registry: Arc<Registry>,
    pub(crate) shutdown: Shutdown,
    pub(crate) facts: Facts,
}

/// What a node knows about itself from its start on.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// libp2p peer id.
    pub(crate) peer_id: String,
    /// Multiaddresses with the peer id.
    pub(crate) swarm: Vec<String>,
    /// What keeps copies on several nodes.
    pub(crate) engine: Engine,
    /// ffmpeg and x264 versions.
    pub(crate) encoder: String,
    /// Largest source in bytes.
    pub(crate) max_upload_bytes: u64,
    /// Free bytes below which the node is not ready.
    pub(crate) min_free_bytes: u64,
    /// Where the publisher's private key lies.
    pub(crate) publisher_key_file: PathBuf,
}

/// Who and how many may call, and for how long.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) door: Door,
    pub(crate) site: Site,
    pub(crate) in_flight: InFlight,
    pub(crate) deadline: Duration,
    pub(crate) metrics: Metrics,
}

/// Handlers take this as their state.
pub(crate) type Shared = Arc<Api>;

/// The whole API listener. Serve it with the peer's address as `ConnectInfo`.
pub(crate) fn router(api: Shared, rules: Rules) -> Router {
    let (routes, description) = described(&rules).split_for_parts();
    let description = description::Finished(Arc::new(description));
    routes
        .fallback(web::get)
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "this method is not offered here: see /openapi.json",
            )
        })
        .layer(Extension(description))
        .layer(DefaultBodyLimit::max(limits::JSON_BYTES))
        .layer(from_fn_with_state(rules.door, door::identify))
        .layer(from_fn_with_state(rules.site, origin::check))
        .layer(from_fn_with_state(rules.in_flight, limits::bound))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
        .layer(from_fn(psa::speak))
        .layer(from_fn(web::guard_headers))
        .layer(from_fn_with_state(rules.metrics, metrics::count))
        .with_state(api)
}

/// Every route that `/openapi.json` describes.
fn described(rules: &Rules) -> OpenApiRouter<Shared> {
    let quick = |group: OpenApiRouter<Shared>| {
        group.route_layer(from_fn_with_state(rules.deadline, limits::deadline))
    };
    let with_scope = |group: OpenApiRouter<Shared>, scope: Scope| {
        group.route_layer(from_fn_with_state(scope, door::require))
    };
    OpenApiRouter::with_openapi(description::Description::openapi())
        .merge(with_scope(quick(readable()), Scope::Read))
        .merge(with_scope(quick(writable()), Scope::Write))
        .merge(with_scope(sending(), Scope::Write))
        .merge(with_scope(quick(connections()), Scope::Admin))
        .merge(with_scope(administrative(), Scope::Admin))
        .merge(with_scope(membership(), Scope::Admin))
        .merge(quick(open()))
        .route_layer(from_fn(metrics::note_route))
}

/// Anyone whose host and origin are right: nothing here is secret.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(description::show))
        .routes(routes!(tus::options))
        .routes(routes!(tus::options_of_one))
        .routes(routes!(publisher::show))
}

fn readable() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(assets::list))
        .routes(routes!(assets::show))
        .routes(routes!(jobs::list))
        .routes(routes!(pins::list))
        .routes(routes!(pins::show))
        .routes(routes!(psa::list))
        .routes(routes!(psa::show))
        .routes(routes!(remotes::list))
        .routes(routes!(remotes::pins))
        .routes(routes!(remotes::archive))
        .routes(routes!(remotes::peers))
        .routes(routes!(peers::list))
        .routes(routes!(events::stream))
        .routes(routes!(node::show))
        .routes(routes!(metrics::show))
        .routes(routes!(names::resolve))
        .routes(routes!(store::export))
        .routes(routes!(store::file))
        .routes(routes!(entry::entry))
        .merge(network_readable())
        .merge(cluster_readable())
}

/// The cluster, its members and its pinset.
fn cluster_readable() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(cluster::show))
        .routes(routes!(cluster::events))
        .routes(routes!(cluster::members::list))
        .routes(routes!(cluster::pins::list))
        .routes(routes!(cluster::pins::show))
}

/// What is known of publishers, peers and copies.
fn network_readable() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(feeds::list))
        .routes(routes!(feeds::show))
        .routes(routes!(discover::list))
        .routes(routes!(discover::show))
        .routes(routes!(follows::list))
        .routes(routes!(follows::followers))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::lists))
        .routes(routes!(scores::show))
        .routes(routes!(scores::show_publisher))
        .routes(routes!(removed::list))
        .routes(routes!(deliveries::list))
        .routes(routes!(replicas::list))
        .routes(routes!(replicas::show))
}

fn writable() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(assets::edit))
        .routes(routes!(assets::remove))
        .routes(routes!(assets::retry))
        .routes(routes!(assets::publish))
        .routes(routes!(assets::retract))
        .routes(routes!(publisher::edit))
        .routes(routes!(discover::remove))
        .routes(routes!(removed::allow))
        .routes(routes!(replicas::remove))
        .routes(routes!(names::publish))
        .routes(routes!(fetch::fetch))
        .routes(routes!(pins::add))
        .routes(routes!(pins::remove))
        .routes(routes!(psa::add))
        .routes(routes!(psa::replace, psa::remove))
        .routes(routes!(cluster::pins::add))
        .routes(routes!(cluster::pins::remove))
        .routes(routes!(cluster::audit))
        .routes(routes!(remotes::add))
        .routes(routes!(remotes::remove))
        .routes(routes!(remotes::retry))
        .routes(routes!(remotes::restore))
        .routes(routes!(tus::status))
        .routes(routes!(tus::terminate))
}

/// Bodies of any length: bounded by silence instead of time.
fn sending() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(receive::post))
        .routes(routes!(receive::put))
        .routes(routes!(tus::create))
        .routes(routes!(tus::append))
        .routes(routes!(tus::overridden))
        .layer(DefaultBodyLimit::disable())
}

/// Makes this node talk to addresses of the caller's choice.
fn connections() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(peers::connect))
        .routes(routes!(peers::disconnect))
        .routes(routes!(peers::ping))
        .merge(relations())
}

/// Whom this node has to do with, and what it gives room to.
fn relations() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(follows::add))
        .routes(routes!(follows::edit))
        .routes(routes!(follows::accept))
        .routes(routes!(follows::remove))
        .routes(routes!(follows::forget_follower))
        .routes(routes!(blocks::add))
        .routes(routes!(blocks::remove))
        .routes(routes!(blocks::export, blocks::share, blocks::unshare))
        .routes(routes!(blocks::import_of, blocks::remove_list))
        .routes(routes!(scores::reset))
        .routes(routes!(scores::reset_publisher))
        .routes(routes!(deliveries::retry_all))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::remove))
        .routes(routes!(publisher::confirm))
        .routes(routes!(replicas::pause))
        .routes(routes!(replicas::resume))
        .routes(routes!(replicas::retry_all))
        .routes(routes!(replicas::retry))
        .routes(routes!(cluster::invite))
        .routes(routes!(cluster::members::edit))
        .routes(routes!(cluster::members::remove))
        .merge(block_list_bodies())
}

/// A block list is larger than any JSON body.
fn block_list_bodies() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(blocks::import))
        .layer(DefaultBodyLimit::max(MAX_BLOCK_LIST_BYTES))
}

/// Coming and going: logs of any length are fetched, copies of any number let go of.
fn membership() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(cluster::found))
        .routes(routes!(cluster::join))
        .routes(routes!(cluster::leave))
}

/// Long work over the whole store.
fn administrative() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(store::verify))
        .routes(routes!(store::import))
        .layer(DefaultBodyLimit::disable())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the layer calls"
)]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = said, "a request handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Internal error",
        "something failed inside the node: its log says what",
    )
    .into_response()
}

#[cfg(test)]
mod tests;
