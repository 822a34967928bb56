//! Around every request: its bounds, its host check, and what is counted about it.
//!
//! A request holds its permit until its body has been sent or dropped, so the bound covers slow
//! readers too.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::host;
use crate::metrics::{Metrics, RequestLabels, Route, RouteLabels};
use crate::problem::Problem;
use crate::settings::Settings;

/// What the layer needs; made once per router.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    settings: Arc<Settings>,
    metrics: Metrics,
    permits: Arc<Semaphore>,
}

impl Observer {
    pub(crate) fn new(settings: Arc<Settings>, metrics: Metrics) -> Self {
        let permits = Arc::new(Semaphore::new(settings.limits.concurrent_requests));
        Self {
            settings,
            metrics,
            permits,
        }
    }
}

/// The outermost layer of the router.
pub(crate) async fn observe(
    State(observer): State<Observer>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let route = Route::of(request.uri().path());
    let Ok(permit) = Arc::clone(&observer.permits).try_acquire_owned() else {
        return counted(
            &observer.metrics,
            route,
            started,
            Problem::Busy.into_response(),
        );
    };
    let open = InFlight::new(&observer.metrics, route, permit);
    let response = match admit(&observer.settings, request) {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let response = counted(&observer.metrics, route, started, response);
    response.map(|body| open.follow(body))
}

fn admit(settings: &Settings, request: Request) -> Result<Request, Problem> {
    let limit = settings.limits.uri_bytes;
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > limit {
        return Err(Problem::UriTooLong { limit });
    }
    let (parts, body) = request.into_parts();
    host::check(settings, &parts)?;
    Ok(Request::from_parts(parts, body))
}

fn counted(metrics: &Metrics, route: Route, started: Instant, response: Response) -> Response {
    let class = response.status().as_u16() / 100;
    metrics
        .requests
        .get_or_create(&RequestLabels { route, class })
        .inc();
    let seconds = started.elapsed().as_secs_f64();
    metrics
        .response_seconds
        .get_or_create(&RouteLabels { route })
        .observe(seconds);
    response
}

/// One request that is being answered; dropping it ends the request's count and permit.
struct InFlight {
    metrics: Metrics,
    route: Route,
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    fn new(metrics: &Metrics, route: Route, permit: OwnedSemaphorePermit) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics: metrics.clone(),
            route,
            _permit: permit,
        }
    }

    fn follow(self, body: Body) -> Body {
        let sent = self
            .metrics
            .sent_bytes
            .get_or_create_owned(&RouteLabels { route: self.route });
        Body::new(body.map_frame(move |frame| {
            // The closure owns `self`, so the request ends when the connection drops its body.
            let _open = &self;
            if let Some(data) = frame.data_ref() {
                sent.inc_by(data.len() as u64);
            }
            frame
        }))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
