//! `/api/v1/follows` and `/api/v1/followers`: whose announcements are wanted here, and with what
//! policy; and who wants ours.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_announce::NodeId;
use cidcast_catalog::{Follow, FollowPolicy, Follower, TransferPace};
use cidcast_discovery::follow::Target;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::{Id, Json, Params};
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};
use super::Slice;

/// Everybody who is followed, oldest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FollowList {
    pub(crate) items: Vec<FollowView>,
}

/// A follow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Follow)]
pub(crate) struct FollowView {
    pub(crate) id: i64,
    /// As it was given: a key, an address, a name or a URL.
    pub(crate) target: String,
    /// operator, or follow-back: it follows this node.
    pub(crate) origin: String,
    /// Whom the target led to; null until it has been looked up.
    pub(crate) publisher: Option<String>,
    /// Somebody else whom it leads to now: nothing changes until that is accepted.
    pub(crate) offered: Option<String>,
    /// What the publisher calls itself, as the target said.
    pub(crate) name: String,
    /// Multiaddresses of its nodes, as the target said.
    pub(crate) nodes: Vec<String>,
    /// resolved, resolving or failed.
    pub(crate) state: String,
    /// Why looking it up failed the last time.
    pub(crate) error: Option<String>,
    /// When it is looked up again; null: there is nothing to look up.
    pub(crate) next_try_at: Option<u64>,
    pub(crate) created_at: u64,
    #[serde(flatten)]
    pub(crate) policy: PolicyView,
}

/// What a follow wants of its publisher.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = FollowPolicy)]
pub(crate) struct PolicyView {
    /// none, newest:N, budget:SIZE or all.
    pub(crate) replicate: String,
    /// Only these renditions; empty: all.
    pub(crate) renditions: Vec<String>,
    /// What comes first: newest, watched or rare.
    pub(crate) strategy: String,
    /// Seconds before a copy may be given up for another.
    pub(crate) min_lifetime: u64,
    /// Nothing is fetched until the operator says so; what is here stays.
    pub(crate) paused: bool,
}

/// Whom to follow. What is left out of the policy is as in a follow that only indexes.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowRequest {
    /// A publisher's key (k51…), an address of a node (/ip4/…/p2p/…), a name (example.org or
    /// /ipns/…), or the URL of a cidcast's web app.
    pub(crate) target: String,
    /// none, newest:N, budget:SIZE or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replicate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renditions: Option<Vec<String>>,
    /// newest, watched or rare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_lifetime: Option<u64>,
}

/// Changes to a follow; what is left out stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FollowPatch {
    /// none, newest:N, budget:SIZE or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replicate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) renditions: Option<Vec<String>>,
    /// newest, watched or rare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_lifetime: Option<u64>,
    /// Whether nothing is fetched for now, also after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<bool>,
}

/// One page of nodes that follow this one, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FollowerList {
    pub(crate) items: Vec<FollowerView>,
    /// Pass it as `skip` for the next page; null on the last one.
    pub(crate) next: Option<u32>,
}

/// A node that said, signed, that it follows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Follower)]
pub(crate) struct FollowerView {
    /// The node's peer id.
    pub(crate) peer: String,
    /// On whose behalf, as it says; not proven.
    pub(crate) publisher: Option<String>,
    /// What that publisher calls itself, if it is known here.
    pub(crate) name: String,
    /// following or left.
    pub(crate) state: String,
    /// Since when this node knows of it.
    pub(crate) since: u64,
    /// When it last said so.
    pub(crate) last_seen: u64,
}

/// Lists who is followed.
#[utoipa::path(get, path = "/api/v1/follows", tag = "follows", operation_id = "list_follows",
    responses((status = 200, body = FollowList)))]
pub(crate) async fn list(State(api): State<Shared>) -> Result<Answer<FollowList>, Problem> {
    let follows = api.catalog.follows().await?;
    Ok(Answer(FollowList {
        items: follows.iter().map(FollowView::new).collect(),
    }))
}

/// Lists who follows this node's publisher.
#[utoipa::path(get, path = "/api/v1/followers", tag = "follows", operation_id = "list_followers",
    params(Slice), responses((status = 200, body = FollowerList)))]
pub(crate) async fn followers(
    State(api): State<Shared>,
    Params(slice): Params<Slice>,
) -> Result<Answer<FollowerList>, Problem> {
    let rows = api.catalog.followers(slice.skip, slice.limit()).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(api.follower_view(row).await?);
    }
    Ok(Answer(FollowerList {
        next: slice.next(rows.len()),
        items,
    }))
}

/// Forgets a follower. One that says again that it follows is a new one.
#[utoipa::path(delete, path = "/api/v1/followers/{peer}", tag = "follows",
    operation_id = "forget_follower",
    params(("peer" = String, Path, description = "The node's peer id")),
    responses((status = 204), (status = 400, body = Document), (status = 404, body = Document)))]
pub(crate) async fn forget_follower(
    State(api): State<Shared>,
    Id(node): Id<NodeId>,
) -> Result<StatusCode, Problem> {
    match api.discovery.follows().forget_follower(&node).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("{node} does not follow"))),
    }
}

impl Api {
    async fn follower_view(&self, follower: &Follower) -> Result<FollowerView, Problem> {
        let feed = match &follower.by {
            Some(publisher) => self.catalog.feed(publisher).await?,
            None => None,
        };
        Ok(FollowerView {
            peer: follower.node.to_string(),
            publisher: follower.by.map(|publisher| publisher.to_string()),
            name: feed.map(|feed| feed.profile.name).unwrap_or_default(),
            state: follower.state.as_str().to_owned(),
            since: follower.first_seen.as_millis(),
            last_seen: follower.last_seen.as_millis(),
        })
    }
}

impl FollowView {
    pub(crate) fn new(follow: &Follow) -> Self {
        let state = match (&follow.publisher, &follow.error) {
            (Some(_), _) => "resolved",
            (None, Some(_)) => "failed",
            (None, None) => "resolving",
        };
        Self {
            id: follow.id,
            target: follow.target.clone(),
            origin: follow.origin.as_str().to_owned(),
            publisher: follow.publisher.map(|publisher| publisher.to_string()),
            offered: follow.offered.map(|publisher| publisher.to_string()),
            name: follow.name.clone(),
            nodes: follow.nodes.clone(),
            state: state.to_owned(),
            error: follow.error.clone(),
            next_try_at: follow.next_at.map(|at| at.as_millis()),
            created_at: follow.created_at.as_millis(),
            policy: PolicyView::new(&follow.policy),
        }
    }
}

impl PolicyView {
    fn new(policy: &FollowPolicy) -> Self {
        Self {
            replicate: policy.replicate.to_string(),
            renditions: policy.renditions.iter().map(ToString::to_string).collect(),
            strategy: policy.strategy.as_str().to_owned(),
            min_lifetime: policy.min_lifetime.as_secs(),
            paused: policy.pace == TransferPace::Paused,
        }
    }
}

impl FollowPatch {
    /// `before` with these changes.
    fn applied(&self, before: &FollowPolicy) -> Result<FollowPolicy, Problem> {
        let mut policy = before.clone();
        if let Some(replicate) = &self.replicate {
            policy.replicate = replicate.parse().map_err(Problem::invalid)?;
        }
        if let Some(names) = &self.renditions {
            let names = names.iter().map(|name| name.parse());
            policy.renditions = names.collect::<Result<_, _>>().map_err(Problem::invalid)?;
        }
        if let Some(strategy) = &self.strategy {
            policy.strategy = strategy.parse().map_err(Problem::invalid)?;
        }
        if let Some(seconds) = self.min_lifetime {
            policy.min_lifetime = Duration::from_secs(seconds);
        }
        policy.pace = match self.paused {
            None => policy.pace,
            Some(true) => TransferPace::Paused,
            Some(false) => TransferPace::Running,
        };
        Ok(policy)
    }
}

impl FollowRequest {
    fn policy(&self) -> Result<FollowPolicy, Problem> {
        let patch = FollowPatch {
            replicate: self.replicate.clone(),
            renditions: self.renditions.clone(),
            strategy: self.strategy.clone(),
            min_lifetime: self.min_lifetime,
            paused: None,
        };
        patch.applied(&FollowPolicy::default())
    }
}

/// Begins to follow. That the target leads to nobody yet is no error: the follow says so, and
/// looking it up goes on.
#[utoipa::path(post, path = "/api/v1/follows", tag = "follows", operation_id = "follow",
    request_body = FollowRequest,
    responses((status = 201, body = FollowView), (status = 400, body = Document),
        (status = 409, description = "It is followed already", body = Document),
        (status = 422, body = Document)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Json(request): Json<FollowRequest>,
) -> Result<(StatusCode, Answer<FollowView>), Problem> {
    let target: Target = request
        .target
        .trim()
        .parse()
        .map_err(Problem::bad_request)?;
    let policy = request.policy()?;
    let follow = api.discovery.follows().follow(&target, policy).await?;
    Ok((StatusCode::CREATED, Answer(FollowView::new(&follow))))
}

/// Changes what a follow wants.
#[utoipa::path(patch, path = "/api/v1/follows/{id}", tag = "follows",
    operation_id = "edit_follow", params(("id" = i64, Path)), request_body = FollowPatch,
    responses((status = 200, body = FollowView), (status = 404, body = Document),
        (status = 422, body = Document)))]
pub(crate) async fn edit(
    State(api): State<Shared>,
    Id(id): Id<i64>,
    Json(patch): Json<FollowPatch>,
) -> Result<Answer<FollowView>, Problem> {
    let follows = api.discovery.follows();
    let before = follows.get(id).await?;
    let follow = follows.edit(id, &patch.applied(&before.policy)?).await?;
    Ok(Answer(FollowView::new(&follow)))
}

/// Accepts that a follow's target leads to another publisher than before.
#[utoipa::path(post, path = "/api/v1/follows/{id}/accept", tag = "follows",
    operation_id = "accept_follow", params(("id" = i64, Path)),
    responses((status = 200, body = FollowView), (status = 404, body = Document),
        (status = 409, description = "It leads to nobody else", body = Document)))]
pub(crate) async fn accept(
    State(api): State<Shared>,
    Id(id): Id<i64>,
) -> Result<Answer<FollowView>, Problem> {
    let follow = api.discovery.follows().accept(id).await?;
    Ok(Answer(FollowView::new(&follow)))
}

/// Ends a follow. Copies that its policy brought here go.
#[utoipa::path(delete, path = "/api/v1/follows/{id}", tag = "follows", operation_id = "unfollow",
    params(("id" = i64, Path)), responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(id): Id<i64>,
) -> Result<StatusCode, Problem> {
    api.discovery.follows().unfollow(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
