//! `/api/v1/remotes`: services that keep pins for this node, and what they keep.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cidcast_catalog::{RemoteCount, RemotePin};
use cidcast_pinning::remotes::{Archived, Assets, Language, RemoteError, ServiceSettings};
use cidcast_store::Holder;
use cidcast_types::{Cid, PinState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{Json, Params};
use super::problem::{Document, Problem};

/// The longest name of a pin (the Pinning Service API's).
const NAME: usize = 255;

/// Services that the configuration names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemoteList {
    pub(crate) items: Vec<RemoteView>,
}

/// A service that keeps pins for this node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Remote)]
pub(crate) struct RemoteView {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    /// psa, ipfs-cluster or s3.
    pub(crate) kind: String,
    /// Assets that are pinned there without anybody asking: none, public, shared (public and
    /// unlisted) or all.
    pub(crate) assets: String,
    /// Pins that it has.
    pub(crate) pinned: u64,
    /// Pins that it is to have, or to let go of.
    pub(crate) waiting: u64,
    /// Pins whose last attempt failed.
    pub(crate) failed: u64,
}

/// Pins at services.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemotePinList {
    /// The newest first, at most 10,000.
    pub(crate) items: Vec<RemotePinView>,
}

/// A pin at a service.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = RemotePin)]
pub(crate) struct RemotePinView {
    /// The service.
    pub(crate) service: String,
    /// The root's CID.
    pub(crate) cid: String,
    /// What it is called there.
    pub(crate) name: String,
    /// The asset that it is for; null if somebody asked for it.
    pub(crate) asset: Option<String>,
    /// queued, pinning, pinned, unpinning, or error.
    pub(crate) state: String,
    /// What the service calls it.
    pub(crate) request: Option<String>,
    /// What went wrong the last time.
    pub(crate) error: Option<String>,
    /// Attempts in a row that failed.
    pub(crate) failures: u32,
    /// When the service is asked next, in milliseconds since the Unix epoch; null: not by itself.
    pub(crate) next_at: Option<u64>,
}

/// Which pins.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemotePinParams {
    /// Only those of this root.
    cid: Option<String>,
    /// Only those at this service.
    service: Option<String>,
}

/// What to pin at a service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemotePinRequest {
    /// The root's CID.
    pub(crate) cid: String,
    /// What it is to be called there.
    #[serde(default)]
    pub(crate) name: String,
}

impl RemoteView {
    fn new(service: &ServiceSettings, counts: &[RemoteCount]) -> Self {
        let kind = match service.language {
            Language::Psa => "psa",
            Language::IpfsCluster => "ipfs-cluster",
            Language::S3 => "s3",
        };
        let assets = match service.assets {
            Assets::None => "none",
            Assets::Public => "public",
            Assets::Shared => "shared",
            Assets::All => "all",
        };
        let of = |states: &[PinState]| {
            let counts = counts.iter().filter(|count| count.service == service.name);
            let counts = counts.filter(|count| states.contains(&count.state));
            counts.map(|count| count.pins).sum()
        };
        Self {
            name: service.name.clone(),
            endpoint: service.endpoint.clone(),
            kind: kind.to_owned(),
            assets: assets.to_owned(),
            pinned: of(&[PinState::Pinned]),
            waiting: of(&[PinState::Queued, PinState::Pinning, PinState::Unpinning]),
            failed: of(&[PinState::Error]),
        }
    }
}

impl From<RemotePin> for RemotePinView {
    fn from(pin: RemotePin) -> Self {
        Self {
            service: pin.service,
            cid: pin.cid.to_string(),
            name: pin.name,
            asset: pin.asset.map(|asset| asset.to_string()),
            state: pin.state.to_string(),
            request: pin.request,
            error: pin.error,
            failures: pin.failures,
            next_at: pin.next_at.map(|at| at.as_millis()),
        }
    }
}

/// Lists the services that the configuration names, with what they have.
#[utoipa::path(get, path = "/api/v1/remotes", tag = "store", operation_id = "list_remotes",
    responses((status = 200, body = RemoteList)))]
pub(crate) async fn list(State(api): State<Shared>) -> Result<Answer<RemoteList>, Problem> {
    let counts = api.remotes.counts().await?;
    let services = api.remotes.services();
    let items = services.map(|service| RemoteView::new(service, &counts));
    Ok(Answer(RemoteList {
        items: items.collect(),
    }))
}

/// Lists pins at services.
#[utoipa::path(get, path = "/api/v1/remotes/pins", tag = "store",
    operation_id = "list_remote_pins", params(RemotePinParams),
    responses((status = 200, body = RemotePinList)))]
pub(crate) async fn pins(
    State(api): State<Shared>,
    Params(params): Params<RemotePinParams>,
) -> Result<Answer<RemotePinList>, Problem> {
    let service = params.service.as_deref();
    let found = match &params.cid {
        Some(cid) => {
            let root: Cid = cid.parse().map_err(Problem::bad_request)?;
            let mut found = api.remotes.of(&root).await?;
            found.retain(|pin| service.is_none_or(|service| pin.service == service));
            found
        }
        None => api.remotes.list(service).await?,
    };
    let items = found.into_iter().map(RemotePinView::from).collect();
    Ok(Answer(RemotePinList { items }))
}

/// Pins a root at a service; it is asked in the background, also after a restart. It stays until
/// it is removed, whatever becomes of an asset.
#[utoipa::path(post, path = "/api/v1/remotes/{service}/pins", tag = "store",
    operation_id = "add_remote_pin", params(("service" = String, Path)),
    request_body = RemotePinRequest,
    responses((status = 202, body = RemotePinView), (status = 404, body = Document)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Path(service): Path<String>,
    Json(request): Json<RemotePinRequest>,
) -> Result<(StatusCode, Answer<RemotePinView>), Problem> {
    let root: Cid = request.cid.parse().map_err(Problem::bad_request)?;
    if request.name.chars().count() > NAME {
        let detail = format!("a name has at most {NAME} characters");
        return Err(Problem::invalid(detail));
    }
    let pin = api.remotes.add(&service, root, &request.name).await?;
    Ok((StatusCode::ACCEPTED, Answer(pin.into())))
}

/// Gives up a pin at a service; it is told in the background.
#[utoipa::path(delete, path = "/api/v1/remotes/{service}/pins/{cid}", tag = "store",
    operation_id = "remove_remote_pin", params(("service" = String, Path), ("cid" = String, Path)),
    responses((status = 202), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Path((service, cid)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let root: Cid = cid.parse().map_err(Problem::bad_request)?;
    api.remotes.remove(&service, root).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Has a service asked again now about a pin that has failed; any other stays as it is.
#[utoipa::path(post, path = "/api/v1/remotes/{service}/pins/{cid}/retry", tag = "store",
    operation_id = "retry_remote_pin", params(("service" = String, Path), ("cid" = String, Path)),
    responses((status = 202, body = RemotePinView), (status = 404, body = Document)))]
pub(crate) async fn retry(
    State(api): State<Shared>,
    Path((service, cid)): Path<(String, String)>,
) -> Result<(StatusCode, Answer<RemotePinView>), Problem> {
    let root: Cid = cid.parse().map_err(Problem::bad_request)?;
    let pin = api.remotes.retry(&service, root).await?;
    Ok((StatusCode::ACCEPTED, Answer(pin.into())))
}

/// What object storage has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ArchivedList {
    /// The newest first.
    pub(crate) items: Vec<ArchivedView>,
}

/// A root in object storage.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Archived)]
pub(crate) struct ArchivedView {
    /// The root's CID.
    pub(crate) cid: String,
    /// What it was called when it was pinned there.
    pub(crate) name: String,
    /// Bytes of its CARs.
    pub(crate) bytes: u64,
    /// How many they are.
    pub(crate) cars: usize,
    /// Peer id of the node that pinned it there.
    pub(crate) node: String,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) created: u64,
}

/// For whom to keep what is restored.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RestoreParams {
    /// Name under which the root is pinned; `import` unless given.
    holder: Option<String>,
}

impl From<Archived> for ArchivedView {
    fn from(archived: Archived) -> Self {
        Self {
            cid: archived.cid.to_string(),
            name: archived.name,
            bytes: archived.bytes,
            cars: archived.cars,
            node: archived.node,
            created: archived.created.as_millis(),
        }
    }
}

/// Peers of an IPFS Cluster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemotePeerList {
    pub(crate) items: Vec<RemotePeerView>,
}

/// A peer of an IPFS Cluster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RemotePeer)]
pub(crate) struct RemotePeerView {
    /// Its peer id in the cluster.
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it runs.
    pub(crate) version: String,
    /// Why it does not answer.
    pub(crate) error: Option<String>,
}

/// Lists the peers of a service that is an IPFS Cluster.
#[utoipa::path(get, path = "/api/v1/remotes/{service}/peers", tag = "store",
    operation_id = "list_remote_peers", params(("service" = String, Path)),
    responses((status = 200, body = RemotePeerList), (status = 404, body = Document),
        (status = 422, body = Document), (status = 502, body = Document)))]
pub(crate) async fn peers(
    State(api): State<Shared>,
    Path(service): Path<String>,
) -> Result<Answer<RemotePeerList>, Problem> {
    let peers = api.remotes.peers(&service).await?;
    let peers = peers.ok_or_else(|| {
        Problem::invalid(format!("{service} is no IPFS Cluster: it shows no peers"))
    })?;
    let items = peers.into_iter().map(|peer| RemotePeerView {
        id: peer.id,
        name: peer.name,
        version: peer.version,
        error: peer.error,
    });
    Ok(Answer(RemotePeerList {
        items: items.collect(),
    }))
}

/// Lists what a service of object storage has, also what other nodes have pinned there.
#[utoipa::path(get, path = "/api/v1/remotes/{service}/archive", tag = "store",
    operation_id = "list_archive", params(("service" = String, Path)),
    responses((status = 200, body = ArchivedList), (status = 404, body = Document),
        (status = 422, body = Document), (status = 502, body = Document)))]
pub(crate) async fn archive(
    State(api): State<Shared>,
    Path(service): Path<String>,
) -> Result<Answer<ArchivedList>, Problem> {
    let found = api.remotes.archived(&service).await?;
    let items = found.into_iter().map(ArchivedView::from).collect();
    Ok(Answer(ArchivedList { items }))
}

/// Reads a root back from object storage, checks every block, and pins it. Answers when it is here.
#[utoipa::path(post, path = "/api/v1/remotes/{service}/archive/{cid}/restore", tag = "store",
    operation_id = "restore_archived",
    params(("service" = String, Path), ("cid" = String, Path), RestoreParams),
    responses((status = 200, body = ArchivedView), (status = 404, body = Document),
        (status = 422, body = Document), (status = 502, body = Document)))]
pub(crate) async fn restore(
    State(api): State<Shared>,
    Path((service, cid)): Path<(String, String)>,
    Params(params): Params<RestoreParams>,
) -> Result<Answer<ArchivedView>, Problem> {
    let root: Cid = cid.parse().map_err(Problem::bad_request)?;
    let holder = params.holder.as_deref().unwrap_or("import");
    let holder: Holder = holder.parse().map_err(Problem::bad_request)?;
    let restored = api.remotes.restore(&service, root, holder).await?;
    Ok(Answer(restored.into()))
}

impl From<RemoteError> for Problem {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::NoSuchService(_)
            | RemoteError::NoSuchPin { .. }
            | RemoteError::NotArchived { .. } => Self::not_found(error),
            RemoteError::NoArchive(_) => Self::invalid(error),
            RemoteError::Call(call) => Self::new(
                StatusCode::BAD_GATEWAY,
                "remote-failed",
                "The service did not do it",
                call,
            ),
            RemoteError::Catalog(catalog) => catalog.into(),
        }
    }
}
