//! `/api/v1/cluster/members`

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::MemberSettings;
use cidcast_cluster::{Liveness, MemberView as Member};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Shared;
use super::super::extract::{Id, Json};
use super::super::problem::{Document, Problem};
use super::RoleName;

/// Everyone in the cluster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterMembers)]
pub(crate) struct MemberList {
    pub(crate) items: Vec<MemberView>,
}

/// A member, as this node sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterMember)]
pub(crate) struct MemberView {
    /// Its peer id.
    pub(crate) peer: String,
    pub(crate) name: String,
    pub(crate) role: RoleName,
    pub(crate) tags: BTreeMap<String, String>,
    /// Its share of pins beside members with as much room, in percent.
    pub(crate) weight: u32,
    /// Whether it is on its way out.
    pub(crate) draining: bool,
    /// Whether it is this node.
    pub(crate) is_me: bool,
    /// alive; returning: back, on probation; silent; lost: its copies are made anew.
    pub(crate) state: String,
    /// When it was last heard of.
    pub(crate) heard_at: u64,
    /// Bytes that it offers.
    pub(crate) capacity: u64,
    /// Bytes that it can still take.
    pub(crate) free: u64,
    /// Roots that it keeps for the cluster.
    pub(crate) pins: u64,
    pub(crate) bytes: u64,
    /// Newest version of the protocol that it speaks; 0: not heard of yet.
    pub(crate) protocol: u32,
    /// Bytes that it has proved to this node since this one started.
    pub(crate) proved_bytes: u64,
    pub(crate) proved_at: Option<u64>,
    /// Challenges that it failed.
    pub(crate) failures: u64,
    /// It has signed two entries with one number: its key is on two machines.
    pub(crate) is_forked: bool,
}

/// What to change; what is not named stays.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MemberPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<RoleName>,
    /// All of the new tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draining: Option<bool>,
}

impl MemberView {
    fn new(member: &Member, me: &str) -> Self {
        let peer = member.node.to_string();
        let state = match member.liveness {
            Liveness::Alive => "alive",
            Liveness::Returning => "returning",
            Liveness::Silent => "silent",
            Liveness::Lost => "lost",
        };
        let settings = &member.settings;
        Self {
            is_me: peer == me,
            peer,
            name: settings.name.clone(),
            role: settings.role.into(),
            tags: settings.tags.clone(),
            weight: settings.weight,
            draining: settings.draining,
            state: state.to_owned(),
            heard_at: member.heard.as_millis(),
            capacity: member.capacity,
            free: member.free,
            pins: member.pins,
            bytes: member.bytes,
            protocol: member.protocol,
            proved_bytes: member.proved,
            proved_at: member.last_proof.map(|at| at.as_millis()),
            failures: member.failures,
            is_forked: member.is_forked,
        }
    }
}

impl MemberPatch {
    fn apply(self, settings: &mut MemberSettings) {
        if let Some(name) = self.name {
            settings.name = name;
        }
        if let Some(role) = self.role {
            settings.role = role.into();
        }
        if let Some(tags) = self.tags {
            settings.tags = tags;
        }
        if let Some(weight) = self.weight {
            settings.weight = weight;
        }
        if let Some(draining) = self.draining {
            settings.draining = draining;
        }
    }
}

/// Lists everyone in the cluster.
#[utoipa::path(get, path = "/api/v1/cluster/members", tag = "cluster",
    operation_id = "list_cluster_members",
    responses((status = 200, body = MemberList), (status = 404, body = Document)))]
pub(crate) async fn list(State(api): State<Shared>) -> Result<Answer<MemberList>, Problem> {
    let me = &api.facts.peer_id;
    let members = api.cluster.members()?;
    let items = members.iter().map(|member| MemberView::new(member, me));
    Ok(Answer(MemberList {
        items: items.collect(),
    }))
}

/// Changes name, role, tags or weight of a member, or has it give away what it keeps (`draining`).
#[utoipa::path(patch, path = "/api/v1/cluster/members/{peer}", tag = "cluster",
    operation_id = "edit_cluster_member", params(("peer" = String, Path)),
    request_body = MemberPatch,
    responses((status = 200, body = MemberView), (status = 404, body = Document),
        (status = 409, body = Document), (status = 422, body = Document)))]
pub(crate) async fn edit(
    State(api): State<Shared>,
    Id(peer): Id<NodeId>,
    Json(patch): Json<MemberPatch>,
) -> Result<Answer<MemberView>, Problem> {
    let change = |settings: &mut MemberSettings| patch.apply(settings);
    api.cluster.set_member(peer, change).await?;
    let members = api.cluster.members()?;
    let changed = members.iter().find(|member| member.node == peer);
    let gone = || Problem::not_found("the member was removed at the same time");
    let changed = changed.ok_or_else(gone)?;
    Ok(Answer(MemberView::new(changed, &api.facts.peer_id)))
}

/// Puts a member out: it is given nothing more, at once, and its copies are made anew.
#[utoipa::path(delete, path = "/api/v1/cluster/members/{peer}", tag = "cluster",
    operation_id = "remove_cluster_member", params(("peer" = String, Path)),
    responses((status = 204), (status = 404, body = Document), (status = 409, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(peer): Id<NodeId>,
) -> Result<StatusCode, Problem> {
    api.cluster.remove_member(peer).await?;
    Ok(StatusCode::NO_CONTENT)
}
