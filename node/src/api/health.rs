//! `/healthz` (is the process alive?) and `/readyz` (can it do its work?).

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Shared};

/// What was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether every check is fine.
    ready: bool,
    checks: Vec<Check>,
}

/// One thing that must work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    /// catalog, store, disk or node.
    name: &'static str,
    ok: bool,
    /// What is wrong, in words that tell nothing secret.
    detail: Option<&'static str>,
}

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "node", operation_id = "healthz",
    responses((status = 200, body = String)))]
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Says whether the node can take and serve assets.
#[utoipa::path(get, path = "/readyz", tag = "node", operation_id = "readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(api): State<Shared>) -> (StatusCode, Answer<Readiness>) {
    let checks = vec![
        api.check_catalog().await,
        api.check_store().await,
        api.check_running(),
    ];
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Answer(Readiness { ready, checks }))
}

impl Api {
    async fn check_catalog(&self) -> Check {
        let ok = self.catalog.counts().await.is_ok();
        Check::new(
            "catalog",
            ok,
            "the catalog does not answer: see the node's log",
        )
    }

    async fn check_store(&self) -> Check {
        match self.store_stat().await {
            Ok(stat) => {
                let roomy = stat.free_bytes >= self.facts.min_free_bytes;
                Check::new(
                    "store",
                    roomy,
                    "less free space than upload.min_free: make room",
                )
            }
            Err(_) => Check::new(
                "store",
                false,
                "the store does not answer: see the node's log",
            ),
        }
    }

    fn check_running(&self) -> Check {
        Check::new(
            "node",
            !self.shutdown.is_triggered(),
            "the node is stopping",
        )
    }
}

impl Check {
    fn new(name: &'static str, ok: bool, detail: &'static str) -> Self {
        Self {
            name,
            ok,
            detail: (!ok).then_some(detail),
        }
    }
}
