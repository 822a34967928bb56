//! What the gateway counts.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The routes that are told apart in metrics: few and fixed, never a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(
    non_camel_case_types,
    reason = "the variant's name is the label's value"
)]
pub enum Route {
    /// `/ipfs/…`
    ipfs,
    /// `/play/…`
    play,
    /// `/embed/…` and its assets.
    embed,
    /// `/feeds/…` and `/oembed`.
    syndication,
    /// Anything else.
    other,
}

impl Route {
    /// The route of a request path.
    pub(crate) fn of(path: &str) -> Self {
        let first = path.split('/').nth(1).unwrap_or_default();
        match first {
            "ipfs" => Self::ipfs,
            "play" => Self::play,
            "embed" | "embed-assets" => Self::embed,
            "feeds" | "oembed" => Self::syndication,
            _ => Self::other,
        }
    }
}

/// Labels of a counted request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Which route.
    pub route: Route,
    /// Hundreds of the status: 2 for 2xx.
    pub class: u16,
}

/// Labels of everything that is told apart by route only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// Which route.
    pub route: Route,
}

/// Whether a rewritten playlist was in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(
    non_camel_case_types,
    reason = "the variant's name is the label's value"
)]
pub enum Lookup {
    /// It was.
    hit,
    /// It had to be made.
    miss,
}

/// Labels of playlist lookups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LookupLabels {
    /// Hit or miss.
    pub result: Lookup,
}

/// The gateway's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `cidcast_gateway_requests_total{route, class}`: answered requests.
    pub requests: Family<RequestLabels, Counter>,
    /// `cidcast_gateway_sent_bytes_total{route}`: body bytes handed to the connection.
    pub sent_bytes: Family<RouteLabels, Counter>,
    /// `cidcast_gateway_response_seconds{route}`: from the request's head to the answer's head.
    /// The body is left out: how long it takes is up to the client.
    pub response_seconds: Family<RouteLabels, Histogram>,
    /// `cidcast_gateway_requests_in_flight`: requests whose body has not ended.
    pub in_flight: Gauge,
    /// `cidcast_gateway_aborted_bodies_total`: answers cut off because a block could not be read.
    pub aborted_bodies: Counter,
    /// `cidcast_gateway_playlist_lookups_total{result}`: rewritten playlists taken from memory
    /// (`hit`) or made (`miss`).
    pub playlist_lookups: Family<LookupLabels, Counter>,
}

/// 0.5 ms to 8 s: below is memory, above is a deadline.
const SECONDS: [f64; 8] = [0.0005, 0.002, 0.008, 0.03, 0.125, 0.5, 2.0, 8.0];

impl Metrics {
    /// Creates the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            sent_bytes: Family::default(),
            response_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Gauge::default(),
            aborted_bodies: Counter::default(),
            playlist_lookups: Family::default(),
        };
        let m = metrics.clone();
        registry.register("cidcast_gateway_requests", "Answered requests", m.requests);
        registry.register(
            "cidcast_gateway_sent_bytes",
            "Body bytes sent",
            m.sent_bytes,
        );
        registry.register(
            "cidcast_gateway_response_seconds",
            "Seconds from the head of a request to the head of its answer",
            m.response_seconds,
        );
        registry.register(
            "cidcast_gateway_requests_in_flight",
            "Requests whose body has not ended",
            m.in_flight,
        );
        registry.register(
            "cidcast_gateway_aborted_bodies",
            "Answers cut off because a block could not be read",
            m.aborted_bodies,
        );
        registry.register(
            "cidcast_gateway_playlist_lookups",
            "Rewritten playlists taken from memory or made",
            m.playlist_lookups,
        );
        metrics
    }

    pub(crate) fn count_lookup(&self, result: Lookup) {
        self.playlist_lookups
            .get_or_create(&LookupLabels { result })
            .inc();
    }
}
