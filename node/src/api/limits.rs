//! Bounds on requests: how many at a time, and how long until an answer begins.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::problem::Problem;

/// A JSON body is at most this long: the longest description is 10,000 characters.
pub(crate) const JSON_BYTES: usize = 128 * 1024;

/// Requests that are being answered at the same time, uploads included.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(Arc<Semaphore>);

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }
}

/// Refuses what exceeds the number of requests at a time.
pub(crate) async fn bound(State(limit): State<InFlight>, request: Request, next: Next) -> Response {
    match limit.0.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::busy("too many requests at a time: try again").into_response(),
    }
}

/// Gives up on an answer that does not begin in time.
pub(crate) async fn deadline(
    State(longest): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "too-slow",
            "No answer in time",
            "the node did not answer in time: try again, and see its log",
        )
        .into_response(),
    }
}
