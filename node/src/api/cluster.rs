//! `/api/v1/cluster`: the members that keep content alive together, and what they keep.

pub(crate) mod members;
pub(crate) mod pins;

use std::fmt;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_announce::cluster::Role;
use cidcast_catalog::ClusterRowsError;
use cidcast_cluster::CommandError;
use cidcast_cluster::service::{ClusterError, INVITATION, Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{Json, Params};
use super::problem::{Document, Problem};

/// Longest time that an invitation may be good for.
const LONGEST: u64 = 365 * 86_400;
/// Events on a page unless the caller says otherwise, and at most.
const EVENTS: u32 = 50;
const MOST_EVENTS: u32 = 200;

/// The cluster in short.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Cluster)]
pub(crate) struct ClusterView {
    /// Its id.
    pub(crate) id: String,
    pub(crate) name: String,
    /// This node's peer id.
    pub(crate) me: String,
    /// writer, follower (it only stores) or removed.
    pub(crate) role: String,
    pub(crate) joined_at: u64,
    /// Members, this node included.
    pub(crate) members: usize,
    /// Of them, those that can be counted on.
    pub(crate) alive: usize,
    /// Roots in the pinset.
    pub(crate) pins: u64,
    /// Of them, those with fewer copies than they need.
    pub(crate) under_replicated: u64,
    /// Of them, those of which no copy is known.
    pub(crate) without_copy: u64,
    /// Roots that are kept here.
    pub(crate) held: u64,
    pub(crate) held_bytes: u64,
    /// Roots that are to be here and are not begun.
    pub(crate) queued: usize,
    /// Roots on their way here.
    pub(crate) running: usize,
}

/// How to call a new cluster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundRequest {
    /// Up to 64 characters.
    pub(crate) name: String,
}

/// A token of a member.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinRequest {
    /// `cidcast-join-…`
    pub(crate) token: String,
    /// What this node is called among the members.
    #[serde(default)]
    pub(crate) name: String,
}

/// What a new member may do.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleName {
    /// It changes pins and members, and may read everything
    #[default]
    Writer,
    /// It only stores
    Follower,
}

/// Whom to invite.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokenRequest {
    pub(crate) role: RoleName,
    /// Seconds for which it is good; a day unless given.
    pub(crate) expires_in: Option<u64>,
}

/// Lets one node in, once. A secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterToken)]
pub(crate) struct TokenView {
    pub(crate) token: String,
    pub(crate) role: RoleName,
    /// It is void after this time.
    pub(crate) until: u64,
}

/// Whether to leave even if nobody hears of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LeaveParams {
    force: bool,
}

/// What to challenge.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditRequest {
    /// Only this root; everything unless given.
    pub(crate) cid: Option<String>,
}

/// What was challenged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Audited {
    /// Challenges that are sent now; how they end shows at the members and pins.
    pub(crate) challenges: usize,
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Those before this one.
    before: Option<u64>,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// What happened, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterEvents)]
pub(crate) struct EventList {
    pub(crate) items: Vec<EventView>,
}

/// Something that happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterEvent)]
pub(crate) struct EventView {
    pub(crate) id: u64,
    pub(crate) at: u64,
    /// One word.
    pub(crate) kind: String,
    /// A sentence.
    pub(crate) text: String,
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "writer",
            Self::Follower => "follower",
        })
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Writer => Self::Writer,
            RoleName::Follower => Self::Follower,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Writer => Self::Writer,
            Role::Follower => Self::Follower,
        }
    }
}

impl From<&Status> for ClusterView {
    fn from(status: &Status) -> Self {
        let health = &status.health;
        let role = match status.role {
            Some(Role::Writer) => "writer",
            Some(Role::Follower) => "follower",
            None => "removed",
        };
        Self {
            id: status.cluster.to_string(),
            name: status.name.clone(),
            me: status.me.to_string(),
            role: role.to_owned(),
            joined_at: status.joined_at.as_millis(),
            members: health.members,
            alive: health.alive,
            pins: health.pins,
            under_replicated: health.under_replicated,
            without_copy: health.without_copy,
            held: health.held,
            held_bytes: health.held_bytes,
            queued: health.queued,
            running: health.running,
        }
    }
}

impl From<ClusterError> for Problem {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::NotInCluster => Self::not_found(error),
            ClusterError::OtherEngine => Self::conflict("other-engine", error),
            ClusterError::InCluster | ClusterError::Rows(ClusterRowsError::OtherCluster { .. }) => {
                Self::conflict("in-cluster", error)
            }
            ClusterError::Command(CommandError::NoSuchMember(_) | CommandError::NotPinned(_)) => {
                Self::not_found(error)
            }
            ClusterError::Command(_) => Self::conflict("not-in-this-cluster", error),
            ClusterError::Token(_) | ClusterError::Sign(_) => Self::invalid(error),
            ClusterError::Refused(_) => Self::forbidden("not-let-in", error),
            ClusterError::Unreachable(_) | ClusterError::Answer(_) => Self::new(
                StatusCode::BAD_GATEWAY,
                "no-member",
                "No member answers",
                error,
            ),
            ClusterError::Stopping => Self::busy(error),
            ClusterError::Rows(_)
            | ClusterError::Database(_)
            | ClusterError::Pinner(_)
            | ClusterError::Holder(_) => Self::internal(&error),
        }
    }
}

/// Shows the cluster that this node is in.
#[utoipa::path(get, path = "/api/v1/cluster", tag = "cluster", operation_id = "show_cluster",
    responses((status = 200, body = ClusterView), (status = 404, body = Document)))]
pub(crate) async fn show(State(api): State<Shared>) -> Result<Answer<ClusterView>, Problem> {
    Ok(Answer((&api.cluster.status().await?).into()))
}

/// Founds a cluster; this node is its first member.
#[utoipa::path(post, path = "/api/v1/cluster", tag = "cluster", operation_id = "found_cluster",
    request_body = FoundRequest,
    responses((status = 201, body = ClusterView), (status = 409, body = Document)))]
pub(crate) async fn found(
    State(api): State<Shared>,
    Json(request): Json<FoundRequest>,
) -> Result<(StatusCode, Answer<ClusterView>), Problem> {
    let status = api.cluster.found(&request.name).await?;
    Ok((StatusCode::CREATED, Answer((&status).into())))
}

/// Joins the cluster that a token is for.
#[utoipa::path(post, path = "/api/v1/cluster/join", tag = "cluster", operation_id = "join_cluster",
    request_body = JoinRequest,
    responses((status = 201, body = ClusterView), (status = 403, body = Document),
        (status = 409, body = Document), (status = 422, body = Document),
        (status = 502, body = Document)))]
pub(crate) async fn join(
    State(api): State<Shared>,
    Json(request): Json<JoinRequest>,
) -> Result<(StatusCode, Answer<ClusterView>), Problem> {
    let status = api.cluster.join(&request.token, &request.name).await?;
    Ok((StatusCode::CREATED, Answer((&status).into())))
}

/// Leaves the cluster: a writer is told, and what this node keeps for the cluster is let go of.
#[utoipa::path(delete, path = "/api/v1/cluster", tag = "cluster", operation_id = "leave_cluster",
    params(LeaveParams),
    responses((status = 204), (status = 404, body = Document), (status = 502, body = Document)))]
pub(crate) async fn leave(
    State(api): State<Shared>,
    Params(params): Params<LeaveParams>,
) -> Result<StatusCode, Problem> {
    api.cluster.leave(params.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token that lets one node in, once.
#[utoipa::path(post, path = "/api/v1/cluster/tokens", tag = "cluster",
    operation_id = "invite_to_cluster", request_body = TokenRequest,
    responses((status = 201, body = TokenView), (status = 404, body = Document),
        (status = 409, body = Document), (status = 422, body = Document)))]
pub(crate) async fn invite(
    State(api): State<Shared>,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, Answer<TokenView>), Problem> {
    let seconds = request.expires_in.unwrap_or(INVITATION.as_secs());
    if !(1..=LONGEST).contains(&seconds) {
        let detail = format!("expires_in has to be 1 to {LONGEST} seconds");
        return Err(Problem::invalid(detail));
    }
    let good_for = Duration::from_secs(seconds);
    let invitation = api.cluster.invite(request.role.into(), good_for).await?;
    let view = TokenView {
        token: invitation.to_string(),
        role: request.role,
        until: invitation.says().until.as_millis(),
    };
    Ok((StatusCode::CREATED, Answer(view)))
}

/// Challenges members to prove what they keep, now, and checks what is here.
#[utoipa::path(post, path = "/api/v1/cluster/audit", tag = "cluster",
    operation_id = "audit_cluster", request_body = AuditRequest,
    responses((status = 202, body = Audited), (status = 404, body = Document)))]
pub(crate) async fn audit(
    State(api): State<Shared>,
    Json(request): Json<AuditRequest>,
) -> Result<(StatusCode, Answer<Audited>), Problem> {
    let root = request.cid.map(|cid| cid.parse()).transpose();
    let root = root.map_err(Problem::bad_request)?;
    if let Some(root) = &root {
        api.cluster.pin_view(root)?;
    }
    let challenges = api.cluster.audit(root.as_ref())?;
    Ok((StatusCode::ACCEPTED, Answer(Audited { challenges })))
}

/// Lists what happened in the cluster, as this node saw it.
#[utoipa::path(get, path = "/api/v1/cluster/events", tag = "cluster",
    operation_id = "list_cluster_events", params(EventParams),
    responses((status = 200, body = EventList)))]
pub(crate) async fn events(
    State(api): State<Shared>,
    Params(params): Params<EventParams>,
) -> Result<Answer<EventList>, Problem> {
    let limit = params.limit.unwrap_or(EVENTS).clamp(1, MOST_EVENTS);
    let events = api.catalog.cluster_events(params.before, limit).await?;
    let items = events.into_iter().map(|event| EventView {
        id: event.id,
        at: event.at.as_millis(),
        kind: event.kind,
        text: event.text,
    });
    Ok(Answer(EventList {
        items: items.collect(),
    }))
}
