//! `/api/v1/peers/{id}/score` and `/api/v1/feeds/{publisher}/score`: what somebody has earned by
//! what was delivered, and why.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::{Refusal, Score, Subject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::Id;
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};

/// Scores that are read for a list of peers.
const SHOWN: u32 = 1000;

/// What somebody has earned.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Score)]
pub(crate) struct ScoreView {
    /// 0 (revoked) to 1000; everybody begins at 100.
    pub(crate) value: u16,
    /// What the last change was for.
    pub(crate) why: Option<String>,
    /// How often something good was delivered.
    pub(crate) delivered: u64,
    /// How often something bad, or nothing.
    pub(crate) failed: u64,
    /// Nothing is taken of it, because the score is 0.
    pub(crate) revoked: bool,
    /// Nothing is taken of it, because the operator or a list says so.
    pub(crate) blocked: bool,
    /// The last changes, newest first; empty in lists.
    pub(crate) reasons: Vec<ReasonView>,
}

/// One change of a score.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ScoreReason)]
pub(crate) struct ReasonView {
    pub(crate) at: u64,
    /// The score after it.
    pub(crate) score: u16,
    pub(crate) why: String,
}

/// Shows what a peer has earned, and why.
#[utoipa::path(get, path = "/api/v1/peers/{id}/score", tag = "peers", operation_id = "show_score",
    params(("id" = String, Path, description = "Peer id")),
    responses((status = 200, body = ScoreView), (status = 400, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    Id(node): Id<NodeId>,
) -> Result<Answer<ScoreView>, Problem> {
    Ok(Answer(api.score_view(&Subject::Peer(node)).await?))
}

/// Shows what a publisher has earned, and why.
#[utoipa::path(get, path = "/api/v1/feeds/{publisher}/score", tag = "feeds",
    operation_id = "show_publisher_score",
    params(("publisher" = String, Path, description = "The publisher's key, k51…")),
    responses((status = 200, body = ScoreView), (status = 400, body = Document)))]
pub(crate) async fn show_publisher(
    State(api): State<Shared>,
    Id(publisher): Id<Publisher>,
) -> Result<Answer<ScoreView>, Problem> {
    let subject = Subject::Publisher(publisher);
    Ok(Answer(api.score_view(&subject).await?))
}

/// Lets a peer begin anew, revoked or not.
#[utoipa::path(post, path = "/api/v1/peers/{id}/score/reset", tag = "peers",
    operation_id = "reset_score", params(("id" = String, Path, description = "Peer id")),
    responses((status = 200, body = ScoreView), (status = 400, body = Document)))]
pub(crate) async fn reset(
    State(api): State<Shared>,
    Id(node): Id<NodeId>,
) -> Result<Answer<ScoreView>, Problem> {
    Ok(Answer(api.begin_anew(&Subject::Peer(node)).await?))
}

/// Lets a publisher begin anew, revoked or not.
#[utoipa::path(post, path = "/api/v1/feeds/{publisher}/score/reset", tag = "feeds",
    operation_id = "reset_publisher_score",
    params(("publisher" = String, Path, description = "The publisher's key, k51…")),
    responses((status = 200, body = ScoreView), (status = 400, body = Document)))]
pub(crate) async fn reset_publisher(
    State(api): State<Shared>,
    Id(publisher): Id<Publisher>,
) -> Result<Answer<ScoreView>, Problem> {
    let subject = Subject::Publisher(publisher);
    Ok(Answer(api.begin_anew(&subject).await?))
}

impl ScoreView {
    fn new(score: &Score, refusal: Option<Refusal>) -> Self {
        let reasons = score.reasons.iter().map(|reason| ReasonView {
            at: reason.at.as_millis(),
            score: reason.score,
            why: reason.why.clone(),
        });
        Self {
            value: score.score,
            why: score.reasons.first().map(|reason| reason.why.clone()),
            delivered: score.delivered,
            failed: score.failed,
            revoked: score.score == 0,
            blocked: refusal == Some(Refusal::Blocked),
            reasons: reasons.collect(),
        }
    }

    /// Without the history, for lists.
    fn brief(self) -> Self {
        Self {
            reasons: Vec::new(),
            ..self
        }
    }
}

impl Api {
    async fn score_view(&self, subject: &Subject) -> Result<ScoreView, Problem> {
        let score = self.catalog.score(subject).await?;
        let refusal = self.catalog.refusal(subject).await?;
        Ok(ScoreView::new(&score, refusal))
    }

    async fn begin_anew(&self, subject: &Subject) -> Result<ScoreView, Problem> {
        let score = self.discovery.trust().reset_score(subject).await?;
        let refusal = self.catalog.refusal(subject).await?;
        Ok(ScoreView::new(&score, refusal))
    }

    /// The scores of peers, by peer id: of those that are connected, and of everybody who has
    /// earned or lost anything.
    pub(crate) async fn peer_scores(
        &self,
        connected: &[String],
    ) -> Result<BTreeMap<String, ScoreView>, Problem> {
        let listed = self.catalog.scores(SHOWN).await?;
        let nodes = listed.into_iter().filter_map(|score| match score.subject {
            Subject::Peer(node) => Some(node),
            Subject::Publisher(_) => None,
        });
        let here = connected.iter().filter_map(|id| id.parse::<NodeId>().ok());
        let mut scores = BTreeMap::new();
        for node in nodes.chain(here) {
            let score = self.score_view(&Subject::Peer(node)).await?;
            scores.insert(node.to_string(), score.brief());
        }
        Ok(scores)
    }
}
