//! `/api/v1/cluster/pins`

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Copies, PinAudience, PinSpec};
use cidcast_cluster::{PinFilter, PinView as Pin, ProofView};
use cidcast_types::{Cid, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Shared;
use super::super::extract::{Id, Json, Params};
use super::super::problem::{Document, Problem};

/// Roots on a page unless the caller says otherwise, and at most.
const PAGE: usize = 50;
const MOST: usize = 1000;
/// Unless the caller says otherwise.
const PRIORITY: u8 = 128;

/// Which roots.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PinsetParams {
    /// all, under-replicated or troubled (a member reports an error).
    #[param(value_type = String)]
    filter: FilterName,
    /// Roots to leave out at the start.
    offset: usize,
    /// 1 to 1,000; 50 unless given.
    limit: Option<usize>,
}

/// Which roots.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FilterName {
    /// All of them
    #[default]
    All,
    /// With fewer copies than they need
    UnderReplicated,
    /// Of which a member reports an error
    Troubled,
}

/// Part of the pinset: those with the fewest copies of what they need first, then the newest.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pinset {
    /// How many there are in all.
    pub(crate) total: usize,
    pub(crate) items: Vec<ClusterPinView>,
}

/// A root that the cluster keeps.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterPin)]
pub(crate) struct ClusterPinView {
    pub(crate) cid: String,
    pub(crate) name: Option<String>,
    /// Fewer copies are repaired; null: every member keeps it.
    pub(crate) replicas_min: Option<u16>,
    /// More are let go of; null: every member keeps it.
    pub(crate) replicas_max: Option<u16>,
    /// Copies that count.
    pub(crate) copies: usize,
    /// Fewer are too few.
    pub(crate) needed: usize,
    /// That many there should be.
    pub(crate) wanted: usize,
    /// Higher goes first.
    pub(crate) priority: u8,
    /// It is let go of after this time.
    pub(crate) expires: Option<u64>,
    /// members or anyone.
    pub(crate) audience: String,
    /// A tag: copies go to members with different values of it.
    pub(crate) spread: Option<String>,
    /// Multiaddresses of peers that have it.
    pub(crate) origins: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
    /// Members that are to keep it.
    pub(crate) allocated: Vec<String>,
    /// Where it stands with each.
    pub(crate) members: Vec<CopyAt>,
    /// Services outside the cluster that keep it: each is a copy.
    pub(crate) elsewhere: Vec<CopyElsewhere>,
}

/// A root at a service outside the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterCopyElsewhere)]
pub(crate) struct CopyElsewhere {
    /// Its address.
    pub(crate) service: String,
    /// Peer id of the member that says so.
    pub(crate) peer: String,
}

/// A root at one member.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterCopy)]
pub(crate) struct CopyAt {
    /// Its peer id.
    pub(crate) peer: String,
    /// queued, pinning, pinned, error or unpinning.
    pub(crate) state: String,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
    /// Bytes of it that it has proved to this node.
    pub(crate) proved_bytes: u64,
    pub(crate) proved_at: Option<u64>,
}

/// What the cluster is to keep, and how.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterPinRequest {
    /// The root's CID.
    pub(crate) cid: String,
    /// Fewer copies are repaired; what the configuration says unless given.
    #[serde(default)]
    pub(crate) replicas_min: Option<u16>,
    /// More are let go of; as many as `replicas_min` unless given.
    #[serde(default)]
    pub(crate) replicas_max: Option<u16>,
    /// Every member keeps it.
    #[serde(default)]
    pub(crate) everywhere: bool,
    /// 0 to 255, higher goes first; 128 unless given.
    #[serde(default)]
    pub(crate) priority: Option<u8>,
    /// It is let go of after this time.
    #[serde(default)]
    pub(crate) expires: Option<u64>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// members or anyone; members unless given.
    #[serde(default)]
    pub(crate) audience: ClusterAudience,
    /// A tag: copies go to members with different values of it.
    #[serde(default)]
    pub(crate) spread: Option<String>,
    /// Multiaddresses of peers that have it, with /p2p/.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    #[serde(default)]
    pub(crate) meta: BTreeMap<String, String>,
}

/// Who may have the blocks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClusterAudience {
    /// Members of the cluster
    #[default]
    Members,
    /// Anyone
    Anyone,
}

impl From<FilterName> for PinFilter {
    fn from(name: FilterName) -> Self {
        match name {
            FilterName::All => Self::All,
            FilterName::UnderReplicated => Self::UnderReplicated,
            FilterName::Troubled => Self::Troubled,
        }
    }
}

impl From<&Pin> for ClusterPinView {
    fn from(pin: &Pin) -> Self {
        let (replicas_min, replicas_max) = match pin.spec.copies {
            Copies::Everywhere => (None, None),
            Copies::Between { min, max } => (Some(min), Some(max)),
        };
        let audience = match pin.spec.audience {
            PinAudience::Members => "members",
            PinAudience::Anyone => "anyone",
        };
        Self {
            cid: pin.root.to_string(),
            name: pin.spec.name.clone(),
            replicas_min,
            replicas_max,
            copies: pin.copies,
            needed: pin.needed,
            wanted: pin.wanted,
            priority: pin.spec.priority,
            expires: pin.spec.expires.map(Timestamp::as_millis),
            audience: audience.to_owned(),
            spread: pin.spec.spread.clone(),
            origins: pin.spec.origins.clone(),
            meta: pin.spec.meta.clone(),
            allocated: pin.allocated.iter().map(ToString::to_string).collect(),
            members: pin.members.iter().map(CopyAt::from).collect(),
            elsewhere: pin.elsewhere.iter().map(CopyElsewhere::new).collect(),
        }
    }
}

impl CopyElsewhere {
    fn new((node, service): &(NodeId, String)) -> Self {
        Self {
            service: service.clone(),
            peer: node.to_string(),
        }
    }
}

impl From<&ProofView> for CopyAt {
    fn from(copy: &ProofView) -> Self {
        Self {
            peer: copy.node.to_string(),
            state: copy.state.to_string(),
            bytes: copy.bytes,
            error: copy.error.clone(),
            proved_bytes: copy.proved,
            proved_at: copy.last_proof.map(Timestamp::as_millis),
        }
    }
}

impl ClusterPinRequest {
    /// How it is to be kept; what is not said is as `copies` says.
    fn spec(self, copies: Copies) -> Result<PinSpec, Problem> {
        let copies = match (self.everywhere, self.replicas_min, self.replicas_max) {
            (true, None, None) => Copies::Everywhere,
            (true, ..) => {
                let detail = "everywhere and a number of replicas exclude each other";
                return Err(Problem::invalid(detail));
            }
            (false, None, None) => copies,
            (false, min, max) => {
                let one = min.or(max).unwrap_or(1);
                Copies::Between {
                    min: min.unwrap_or(one),
                    max: max.unwrap_or(one),
                }
            }
        };
        let spec = PinSpec {
            priority: self.priority.unwrap_or(PRIORITY),
            expires: self.expires.map(Timestamp::from_millis),
            name: self.name,
            meta: self.meta,
            spread: self.spread,
            origins: self.origins,
            audience: match self.audience {
                ClusterAudience::Members => PinAudience::Members,
                ClusterAudience::Anyone => PinAudience::Anyone,
            },
            ..PinSpec::new(copies)
        };
        spec.check().map_err(Problem::invalid)?;
        Ok(spec)
    }
}

/// Lists the pinset.
#[utoipa::path(get, path = "/api/v1/cluster/pins", tag = "cluster",
    operation_id = "list_cluster_pins", params(PinsetParams),
    responses((status = 200, body = Pinset), (status = 404, body = Document)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(params): Params<PinsetParams>,
) -> Result<Answer<Pinset>, Problem> {
    let limit = params.limit.unwrap_or(PAGE).clamp(1, MOST);
    let (pins, total) = api
        .cluster
        .pins(params.filter.into(), params.offset, limit)?;
    let items = pins.iter().map(ClusterPinView::from).collect();
    Ok(Answer(Pinset { total, items }))
}

/// Shows how the cluster keeps one root.
#[utoipa::path(get, path = "/api/v1/cluster/pins/{cid}", tag = "cluster",
    operation_id = "show_cluster_pin", params(("cid" = String, Path)),
    responses((status = 200, body = ClusterPinView), (status = 404, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
) -> Result<Answer<ClusterPinView>, Problem> {
    Ok(Answer((&api.cluster.pin_view(&root)?).into()))
}

/// Has the cluster keep a root. Repeat it to change how.
#[utoipa::path(post, path = "/api/v1/cluster/pins", tag = "cluster",
    operation_id = "add_cluster_pin", request_body = ClusterPinRequest,
    responses((status = 202, body = ClusterPinView), (status = 404, body = Document),
        (status = 409, body = Document), (status = 422, body = Document)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Json(request): Json<ClusterPinRequest>,
) -> Result<(StatusCode, Answer<ClusterPinView>), Problem> {
    let root: Cid = request.cid.parse().map_err(Problem::bad_request)?;
    let spec = request.spec(api.cluster.default_copies())?;
    api.cluster.pin(root, spec).await?;
    let view = api.cluster.pin_view(&root)?;
    Ok((StatusCode::ACCEPTED, Answer((&view).into())))
}

/// Has the cluster let go of a root.
#[utoipa::path(delete, path = "/api/v1/cluster/pins/{cid}", tag = "cluster",
    operation_id = "remove_cluster_pin", params(("cid" = String, Path)),
    responses((status = 204), (status = 404, body = Document), (status = 409, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
) -> Result<StatusCode, Problem> {
    api.cluster.unpin(root).await?;
    Ok(StatusCode::NO_CONTENT)
}
