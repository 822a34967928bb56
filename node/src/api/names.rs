//! `/api/v1/names`: names that can change what they stand for.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_ipfs::names::{PublishError, Published, Reach, ResolveNameError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{Json, Params};
use super::problem::{Document, Problem};

/// What to publish.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishRequest {
    /// A path `/ipfs/…` or `/ipns/…`.
    pub(crate) value: String,
    /// A named key, made at its first use; none: the node's own.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// A published name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PublishedView {
    /// The IPNS name, `k51…`.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) value: String,
    /// How often it has changed.
    pub(crate) sequence: u64,
    /// Whether another peer has the record; if not, it is sent as soon as one takes it.
    pub(crate) in_network: bool,
}

impl From<Published> for PublishedView {
    fn from(published: Published) -> Self {
        Self {
            name: published.name.to_string(),
            value: published.value,
            sequence: published.sequence,
            in_network: published.reach == Reach::Network,
        }
    }
}

/// Which name to resolve.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResolveParams {
    /// An IPNS name, a DNS name, or a path `/ipns/…`.
    name: String,
}

/// What a name stands for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ResolvedView {
    /// A path `/ipfs/…`.
    pub(crate) path: String,
}

/// Makes a key's name stand for a path, and keeps it published.
#[utoipa::path(post, path = "/api/v1/names", tag = "names", operation_id = "publish_name",
    request_body = PublishRequest,
    responses((status = 200, body = PublishedView), (status = 422, body = Document)))]
pub(crate) async fn publish(
    State(api): State<Shared>,
    Json(request): Json<PublishRequest>,
) -> Result<Answer<PublishedView>, Problem> {
    let published = api.names.publish(request.key.as_deref(), &request.value);
    match published.await {
        Ok(published) => Ok(Answer(published.into())),
        Err(error) => Err(refused(error)),
    }
}

/// Follows a name to the path that it stands for.
#[utoipa::path(get, path = "/api/v1/names", tag = "names", operation_id = "resolve_name",
    params(ResolveParams),
    responses((status = 200, body = ResolvedView), (status = 404, body = Document)))]
pub(crate) async fn resolve(
    State(api): State<Shared>,
    Params(params): Params<ResolveParams>,
) -> Result<Answer<ResolvedView>, Problem> {
    match api.names.resolve(&params.name).await {
        Ok(path) => Ok(Answer(ResolvedView { path })),
        Err(error) => Err(unresolved(error)),
    }
}

fn refused(error: PublishError) -> Problem {
    match error {
        PublishError::Value { .. } | PublishError::KeyName { .. } => Problem::invalid(error),
        PublishError::Stopping => Problem::busy(error),
        PublishError::Key(_) | PublishError::Saved(_) | PublishError::Record(_) => {
            Problem::internal(&error)
        }
    }
}

fn unresolved(error: ResolveNameError) -> Problem {
    match error {
        ResolveNameError::Syntax { .. } => Problem::bad_request(error),
        ResolveNameError::NoRecord { .. } | ResolveNameError::Dnslink(_) => {
            Problem::not_found(error)
        }
        ResolveNameError::Circle { .. } => Problem::invalid(error),
    }
}
