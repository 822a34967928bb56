//! `/api/v1/pins`: what the store keeps, what is on its way there, and for whom.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_cluster::ProofView;
use cidcast_ipfs::pinner::{PinJob, PinJobState, PinnerError};
use cidcast_pinning::remotes::ClusterCopy;
use cidcast_pinning::service::HOLDER;
use cidcast_store::{Audience, Holder, PartialError, Pin};
use cidcast_types::{AssetId, Cid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Id, Json, Params};
use super::fetch::FetchView;
use super::node::blocking;
use super::problem::{Document, Problem};
use super::{Api, Shared};
use crate::config::{CLUSTER_SERVICE, Engine};

/// Pins in one answer at most.
const MOST: usize = 10_000;
/// Holder of pins that a person asked for.
const BY_HAND: &str = "pin";
/// Holders of the node's own begin so.
pub(super) const RESERVED: &str = "cidcast:";

/// How many to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PinParams {
    /// Only those of this holder: an asset's id, or a name.
    holder: Option<String>,
    /// At most this many, up to 10,000.
    limit: Option<usize>,
}

/// Pins of this node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PinList {
    pub(crate) items: Vec<PinView>,
    /// How many there are in all, listed or not.
    pub(crate) total: usize,
}

/// A root that is kept with every block below it, or will be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Pin)]
pub(crate) struct PinView {
    /// The root's CID.
    pub(crate) cid: String,
    /// Who asked for it: an asset's id, or a name.
    pub(crate) holder: String,
    /// queued; pinning: blocks are on their way; pinned: every block is on disk; error: it will be
    /// tried again.
    pub(crate) state: String,
    /// writers, members or anyone.
    pub(crate) audience: String,
    /// Blocks of it that are here.
    pub(crate) blocks: u64,
    /// Their bytes; while it is on its way, those that came over the network.
    pub(crate) bytes: u64,
    /// How far it is, while blocks are on their way.
    pub(crate) progress: Option<FetchView>,
    /// What went wrong the last time.
    pub(crate) error: Option<String>,
    /// When it is tried again, in milliseconds since the Unix epoch.
    pub(crate) retry_at: Option<u64>,
}

/// What to pin.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinRequest {
    /// The root's CID.
    pub(crate) cid: String,
    /// A name to find the pin by; `pin` unless given. A root stays while anyone holds it.
    #[serde(default)]
    pub(crate) holder: Option<String>,
    /// Who may have the blocks.
    #[serde(default)]
    pub(crate) audience: AudienceName,
}

/// Who may have the blocks of a pin.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AudienceName {
    /// Members of the cluster that may read: not those that only store
    Writers,
    /// Members of the cluster
    #[default]
    Members,
    /// Anyone
    Anyone,
}

/// Whose pin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HolderParams {
    /// The name under which it was pinned; `pin` unless given.
    holder: Option<String>,
}

/// How a root is kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PinStatus {
    /// The root's CID.
    pub(crate) cid: String,
    /// Nodes that keep it, or are to.
    pub(crate) members: Vec<MemberPin>,
    /// Every holder's pin on this node.
    pub(crate) pins: Vec<PinView>,
}

/// How one node keeps a root.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MemberPin {
    /// Its peer id.
    pub(crate) peer: String,
    /// queued, pinning, pinned or error.
    pub(crate) state: String,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
}

impl From<AudienceName> for Audience {
    fn from(name: AudienceName) -> Self {
        match name {
            AudienceName::Writers => Self::Writers,
            AudienceName::Members => Self::Members,
            AudienceName::Anyone => Self::Anyone,
        }
    }
}

impl MemberPin {
    /// At a peer of an IPFS Cluster, which does not say how many bytes there are.
    fn of_cluster(copy: ClusterCopy) -> Self {
        Self {
            peer: copy.peer,
            state: copy.state.to_string(),
            bytes: 0,
            error: copy.error,
        }
    }

    fn of_copy(copy: ProofView) -> Self {
        Self {
            peer: copy.node.to_string(),
            state: copy.state.to_string(),
            bytes: copy.bytes,
            error: copy.error,
        }
    }
}

impl PinView {
    fn of_pin(pin: &Pin) -> Self {
        Self {
            cid: pin.root.to_string(),
            holder: pin.holder.to_string(),
            state: "pinned".to_owned(),
            audience: name_of(pin.audience),
            blocks: pin.blocks,
            bytes: pin.bytes,
            progress: None,
            error: None,
            retry_at: None,
        }
    }

    fn of_job(job: &PinJob) -> Self {
        let (state, progress, failure) = match &job.state {
            PinJobState::Queued => ("queued", None, None),
            PinJobState::Pinning(progress) => ("pinning", Some(FetchView::from(*progress)), None),
            PinJobState::Error { message, retry_at } => {
                ("error", None, Some((message.clone(), retry_at.as_millis())))
            }
        };
        let (error, retry_at) = failure.unzip();
        Self {
            cid: job.root.to_string(),
            holder: job.holder.to_string(),
            state: state.to_owned(),
            audience: name_of(job.audience),
            blocks: progress.map_or(0, |progress| progress.blocks),
            bytes: progress.map_or(0, |progress| progress.bytes),
            progress,
            error,
            retry_at,
        }
    }
}

fn name_of(audience: Audience) -> String {
    let name = match audience {
        Audience::Writers => "writers",
        Audience::Members => "members",
        Audience::Anyone => "anyone",
    };
    name.to_owned()
}

/// Lists pins: those on their way first.
#[utoipa::path(get, path = "/api/v1/pins", tag = "store", operation_id = "list_pins",
    params(PinParams), responses((status = 200, body = PinList)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(params): Params<PinParams>,
) -> Result<Answer<PinList>, Problem> {
    let mut items = api.pins().await?;
    items.retain(|pin| {
        let wanted = params.holder.as_ref();
        wanted.is_none_or(|holder| *holder == pin.holder)
    });
    let total = items.len();
    items.truncate(params.limit.unwrap_or(MOST).min(MOST));
    Ok(Answer(PinList { items, total }))
}

/// Shows how one root is kept.
#[utoipa::path(get, path = "/api/v1/pins/{cid}", tag = "store", operation_id = "show_pin",
    params(("cid" = String, Path)),
    responses((status = 200, body = PinStatus), (status = 404, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
) -> Result<Answer<PinStatus>, Problem> {
    let cid = root.to_string();
    let mut pins = api.pins().await?;
    pins.retain(|pin| pin.cid == cid);
    // Where there is no cluster, or it does not keep this, there is this node alone.
    let elsewhere = api.cluster.pin_view(&root).map(|pin| pin.members);
    let elsewhere = elsewhere.unwrap_or_default().into_iter();
    let mut members: Vec<MemberPin> = elsewhere.map(MemberPin::of_copy).collect();
    if api.facts.engine == Engine::IpfsCluster {
        let copies = api.remotes.copies(CLUSTER_SERVICE, &root).await?;
        members.extend(copies.into_iter().map(MemberPin::of_cluster));
    }
    // One complete pin is enough for all of them.
    let best = pins.iter().find(|pin| pin.state == "pinned");
    let own = &api.facts.peer_id;
    if let Some(best) = best.or(pins.first())
        && members.iter().all(|member| member.peer != *own)
    {
        members.push(MemberPin {
            peer: own.clone(),
            state: best.state.clone(),
            bytes: best.bytes,
            error: best.error.clone(),
        });
    }
    if members.is_empty() {
        return Err(unpinned(&root));
    }
    Ok(Answer(PinStatus { cid, members, pins }))
}

/// Pins a root: at once if it is here, otherwise it is fetched in the background, also after a
/// restart. Repeat it to change the audience, or to try a failed one again now.
#[utoipa::path(post, path = "/api/v1/pins", tag = "store", operation_id = "add_pin",
    request_body = PinRequest,
    responses((status = 202, body = PinView), (status = 422, body = Document)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Json(request): Json<PinRequest>,
) -> Result<(StatusCode, Answer<PinView>), Problem> {
    let root: Cid = request.cid.parse().map_err(Problem::bad_request)?;
    let holder = holder(request.holder.as_deref())?;
    let added = api
        .pinner
        .add(holder.clone(), root, request.audience.into());
    added.await.map_err(refused)?;
    let pins = api.pins().await?.into_iter();
    let (cid, holder) = (root.to_string(), holder.to_string());
    let found = pins
        .into_iter()
        .find(|pin| pin.cid == cid && pin.holder == holder);
    // Somebody may have removed it in the meantime.
    let view = found.ok_or_else(|| unpinned(&root))?;
    Ok((StatusCode::ACCEPTED, Answer(view)))
}

/// Lets go of a root. Blocks that nobody else holds are deleted in the background.
#[utoipa::path(delete, path = "/api/v1/pins/{cid}", tag = "store", operation_id = "remove_pin",
    params(("cid" = String, Path), HolderParams),
    responses((status = 204), (status = 404, body = Document), (status = 422, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
    Params(params): Params<HolderParams>,
) -> Result<StatusCode, Problem> {
    let holder = holder(params.holder.as_deref())?;
    let removed = api.pinner.remove(holder, root).await.map_err(refused)?;
    if !removed.was_on_its_way && removed.unpinned.pins == 0 {
        return Err(unpinned(&root));
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// Every pin of this node: those on their way, then the complete ones.
    async fn pins(&self) -> Result<Vec<PinView>, Problem> {
        // In this order: one that becomes complete in between is seen twice, not missed.
        let jobs = self.pinner.jobs();
        let store = self.store.clone();
        let pins = blocking(move || store.pins()).await?;
        let pins = pins.map_err(|error| Problem::internal(&error))?;
        let is_complete = |job: &&PinJob| {
            let mut pins = pins.iter();
            pins.any(|pin| pin.holder == job.holder && pin.root == job.root)
        };
        let jobs = jobs.iter().filter(|job| !is_complete(job));
        Ok(jobs
            .map(PinView::of_job)
            .chain(pins.iter().map(PinView::of_pin))
            .collect())
    }
}

/// A holder that is a person's to name.
fn holder(name: Option<&str>) -> Result<Holder, Problem> {
    let name = name.unwrap_or(BY_HAND);
    if name.parse::<AssetId>().is_ok() {
        return Err(Problem::invalid(
            "this holder is an asset: delete it, or change its visibility, instead",
        ));
    }
    if name.starts_with(RESERVED) {
        let detail = format!("holders that begin with {RESERVED} are the node's own");
        return Err(Problem::invalid(detail));
    }
    if name.starts_with(HOLDER) {
        return Err(Problem::invalid(
            "this holder is a request of the pinning service: delete it at /psa/pins instead",
        ));
    }
    name.parse().map_err(Problem::bad_request)
}

fn unpinned(root: &Cid) -> Problem {
    Problem::not_found(format!(
        "{root} is not pinned here under this name: `cidcast pin ls` lists what is"
    ))
}

fn refused(error: PinnerError) -> Problem {
    match error {
        PinnerError::Partial(PartialError::TooMany { .. }) | PinnerError::Stopping => {
            Problem::busy(error)
        }
        PinnerError::Partial(_) | PinnerError::Database(_) => Problem::internal(&error),
    }
}
