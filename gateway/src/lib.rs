//! The HTTP read path: IPFS gateway and playback.
//!
//! [`router`] answers `/ipfs/{cid}/…` (files, directories, raw blocks), `/play/{asset or root
//! CID}/…` (HLS playlists whose segments are immutable `/ipfs/{cid}` URLs, also while the asset is
//! being transcoded) and `/embed/{asset or root CID}` (a player page).
//! `/feeds/{publisher}.rss` and `/oembed` tell other programs what there is. A request goes through
//! route → resolve → respond: a route parses its target, `resolve` turns a root and names into
//! content that the caller may see, `respond` makes the answer.
//!
//! It never writes to the catalog or to pins (invariant 4 of the architecture), and never opens a
//! socket: `node` does.
//!
//! Invariants:
//! - Private content is answered only to a trusted request (a valid token, or a loopback peer
//!   while the gateway is on loopback). For anyone else private, unpinned and absent content read
//!   the same.
//! - An answer that began is either complete or cut off: a block that vanishes half-way ends the
//!   connection with an error, never the body with success.
//! - What is not here is read over the network as it arrives, if the blocks have one; nothing of it
//!   is pinned, and a stranger's reading never reaches what is private.
//! - Files are streamed; what is held in memory is bounded by `Limits`.
//! - Every refusal is a problem document with a stable `type` ([`Problem`]).
//!
//! Segment links carry no name (`/ipfs/{cid}`, nothing behind it), so that every cache keeps one
//! copy under one key whichever asset it belongs to; their type is known by their first bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::get;
use cidcast_catalog::Catalog;
use cidcast_ipfs::Blocks;
use cidcast_store::Store;
use cidcast_types::Cid;
use tower_http::cors::{Any, CorsLayer};

mod access;
mod cache;
mod conditional;
mod content_path;
mod content_type;
mod host;
mod metrics;
mod observe;
mod openness;
mod play;
mod problem;
mod query;
mod range;
mod resolve;
mod respond;
mod route;
mod settings;
mod stream;
mod syndication;
mod views;

pub use access::Access;
pub use metrics::{Lookup, LookupLabels, Metrics, RequestLabels, Route, RouteLabels};
pub use play::Subject;
pub use problem::{PROBLEM_JSON, Problem};
pub use settings::{Limits, Reach, Settings};
pub use views::Views;

use cache::Cache;
use observe::Observer;
use play::{Joined, KnownPart, Playlist};

/// Packages of segments that are remembered: about 200 bytes each.
const REMEMBERED_PARENTS: usize = 64 * 1024;

/// Packages of which is remembered whether they are here in part: about 100 bytes each.
const REMEMBERED_PARTS: usize = 16 * 1024;

/// Content types that are remembered, by CID: about 150 bytes each.
const REMEMBERED_TYPES: usize = 32 * 1024;

/// Memory for the lists of files that are sent as one, in bytes: 100 bytes a segment, so about a
/// hundred hours of media.
const REMEMBERED_JOINED_BYTES: usize = 8 << 20;

/// What the router needs of the node.
#[derive(Debug, Clone)]
pub struct State {
    /// Assets and the segments of those in progress; only read.
    pub catalog: Catalog,
    /// Blocks by CID.
    pub blocks: Blocks,
    /// Who may see a block; only read.
    pub store: Store,
    /// Who is trusted.
    pub access: Access,
    /// Pages and scripts of the player.
    pub site: StaticSite,
    /// Bounds and names.
    pub settings: Settings,
    /// Where to count.
    pub metrics: Metrics,
    /// Where to count views.
    pub views: Views,
}

/// The bytes of a built file and its media type.
pub type SiteFile = (Cow<'static, [u8]>, &'static str);

/// The built web app, by path inside its folder (`embed.html`, `assets/player-1a2b.js`).
#[derive(Clone, Copy)]
pub struct StaticSite {
    /// Bytes and media type of a file, if there is one.
    pub get: fn(&str) -> Option<SiteFile>,
}

impl fmt::Debug for StaticSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticSite").finish_non_exhaustive()
    }
}

/// What every request shares.
#[derive(Debug)]
struct Gateway {
    catalog: Catalog,
    blocks: Blocks,
    store: Store,
    access: Access,
    site: StaticSite,
    settings: Arc<Settings>,
    metrics: Metrics,
    views: Views,
    types: Cache<Cid, HeaderValue>,
    /// The package in whose playlist a segment was seen.
    parents: Cache<Cid, Cid>,
    playlists: Cache<(Cid, String), Playlist>,
    /// The files of a rendition's folder.
    joined: Cache<Cid, Joined>,
    /// Which packages are here in part.
    parts: Cache<Cid, KnownPart>,
}

/// The gateway as a router. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`:
/// without a peer address no request counts as coming from loopback.
pub fn router(state: State) -> Router {
    let settings = Arc::new(state.settings);
    let observer = Observer::new(Arc::clone(&settings), state.metrics.clone());
    let gateway = Arc::new(Gateway {
        catalog: state.catalog,
        blocks: state.blocks,
        store: state.store,
        access: state.access,
        site: state.site,
        metrics: state.metrics,
        views: state.views,
        types: Cache::new(REMEMBERED_TYPES),
        parents: Cache::new(REMEMBERED_PARENTS),
        playlists: Cache::new(settings.limits.playlist_cache_bytes),
        joined: Cache::new(REMEMBERED_JOINED_BYTES),
        parts: Cache::new(REMEMBERED_PARTS),
        settings,
    });
    Router::new()
        .route("/ipfs/", get(route::ipfs::get))
        .route("/ipfs/{*path}", get(route::ipfs::get))
        .route("/play/{*path}", get(route::play::get))
        .route("/embed/{subject}", get(route::embed::page))
        .route("/embed-assets/{*path}", get(route::embed::asset))
        .route("/feeds/{file}", get(route::feeds::get))
        .route("/oembed", get(route::oembed::get))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .fallback(async || Problem::NoRoute)
        .with_state(gateway)
        .layer(cors())
        .layer(axum::middleware::from_fn_with_state(
            observer,
            observe::observe,
        ))
}

/// Content is for every page (IPFS path gateway specification, §3.2.9 to §3.2.11). Private
/// content stays closed to them: `Access` does not trust a request of a foreign page.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::OPTIONS])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::RANGE,
            header::USER_AGENT,
            HeaderName::from_static("x-requested-with"),
        ])
        .expose_headers([
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            HeaderName::from_static("x-ipfs-path"),
            HeaderName::from_static("x-ipfs-roots"),
        ])
        // Open answers are the same for every page: one copy in a cache serves them all.
        .vary([])
        .max_age(std::time::Duration::from_secs(86_400))
}
