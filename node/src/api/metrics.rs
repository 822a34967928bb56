//! `/metrics`: the whole node's numbers in the Prometheus text format, and the API's own.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Shared;
use super::problem::Problem;

/// What the API counts. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// `cidcast_api_requests_total`: answers by route, method and status.
    requests: Family<Answered, Counter>,
    /// `cidcast_api_requests_in_flight`: requests whose answer has not begun.
    in_flight: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

impl Metrics {
    /// Makes the metrics and adds them to `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let under = registry.sub_registry_with_prefix("cidcast_api");
        under.register("requests", "Answered requests", metrics.requests.clone());
        let help = "Requests whose answer has not begun";
        under.register("requests_in_flight", help, metrics.in_flight.clone());
        metrics
    }
}

/// Gauges go down again even if the client hangs up.
struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request by its route, never by its path: labels must be few.
pub(crate) async fn count(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let method = method_name(request.method());
    metrics.in_flight.inc();
    let held = Held(metrics.in_flight.clone());
    let response = next.run(request).await;
    drop(held);
    let route = response
        .extensions()
        .get::<Matched>()
        .map_or("other", |matched| &matched.0);
    let labels = Answered {
        route: route.to_owned(),
        method,
        status: response.status().as_u16(),
    };
    metrics.requests.get_or_create(&labels).inc();
    response
}

/// The route that answered, handed outwards.
#[derive(Debug, Clone)]
struct Matched(String);

/// Notes on the answer which route gave it.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Matched(route));
    }
    response
}

fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Shows every metric of the node.
#[utoipa::path(get, path = "/metrics", tag = "node", operation_id = "metrics",
    responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn show(State(api): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let mut text = String::new();
    encode(&mut text, &api.registry).map_err(|error| Problem::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}
