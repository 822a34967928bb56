//! Which names and pages may talk to the API: the `Host` check (DNS rebinding) and the `Origin`
//! check (cross-site requests), with CORS for the origins that the operator allowed.
//!
//! A page of another site whose name suddenly resolves to this machine still sends its own name
//! in `Host`; a page that merely posts here sends its own origin. Both are refused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The names under which this listener answers and the pages that may call it.
#[derive(Debug, Clone)]
pub(crate) struct Site(Arc<Names>);

#[derive(Debug)]
struct Names {
    listen: IpAddr,
    hosts: Vec<String>,
    origins: Vec<HeaderValue>,
}

/// Response headers that a page of an allowed origin may read.
const EXPOSED: &str = "location, retry-after, cidcast-asset, tus-resumable, tus-version, \
    tus-extension, tus-max-size, tus-checksum-algorithm, upload-offset, upload-length, \
    upload-metadata, upload-expires";

/// Request headers that a page of an allowed origin may send.
const ACCEPTED: &str = "accept, authorization, content-type, tus-resumable, upload-length, \
    upload-offset, upload-metadata, upload-checksum, x-http-method-override, last-event-id";

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Site {
    /// `listen` is where the listener is bound; hosts and origins come from the configuration.
    pub(crate) fn new(listen: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        Self(Arc::new(Names {
            listen: listen.ip().to_canonical(),
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(&origin.to_ascii_lowercase()).ok())
                .collect(),
        }))
    }

    fn answers_to(&self, authority: &Authority) -> bool {
        let name = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let name = name.to_ascii_lowercase();
        // RFC 6761 §6.3: localhost and names below it are loopback.
        if name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            // An address cannot be rebound: only names can. 0.0.0.0 listens on all of them.
            let ip = ip.to_canonical();
            return ip.is_loopback() || self.0.listen.is_unspecified() || ip == self.0.listen;
        }
        let full = authority.as_str().to_ascii_lowercase();
        self.0
            .hosts
            .iter()
            .any(|host| *host == name || *host == full)
    }

    fn relation(&self, headers: &HeaderMap, host: &Authority) -> Relation {
        match headers.get(header::ORIGIN) {
            Some(origin) if self.0.origins.contains(origin) => Relation::Allowed(origin.clone()),
            Some(origin) if is_same(origin, host) => Relation::Own,
            Some(_) => Relation::Foreign,
            // Old forms of cross-site requests carry no origin, but browsers still mark them.
            None if is_marked_cross_site(headers) => Relation::Foreign,
            None => Relation::Own,
        }
    }
}

enum Relation {
    /// No page, or a page of this listener.
    Own,
    /// A page that the operator allowed.
    Allowed(HeaderValue),
    /// A page of someone else.
    Foreign,
}

/// Whether an origin names the host that the request was sent to.
fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let text = origin.to_str().unwrap_or_default();
    let authority = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

/// Fetch metadata: another site's page started this, and not by opening a link.
fn is_marked_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("sec-fetch-site") == Some("cross-site") && text("sec-fetch-mode") != Some("navigate")
}

/// The authority that the client named: of the target (HTTP/2), else the `Host` header.
pub(crate) fn named_host(parts: &Parts) -> Option<Authority> {
    parts.uri.authority().cloned().or_else(|| {
        parts
            .headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok()?.parse().ok())
    })
}

/// Refuses requests under foreign names and from foreign pages; answers preflights.
pub(crate) async fn check(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(host) = named_host(&parts).filter(|host| site.answers_to(host)) else {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign-host",
            "Host not served",
            "this name is not served here: use localhost, or add it to api.allowed_hosts",
        )
        .into_response();
    };
    let relation = site.relation(&parts.headers, &host);
    let preflight = parts.method == Method::OPTIONS
        && parts
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    match relation {
        Relation::Foreign => Problem::forbidden(
            "foreign-origin",
            "pages of this origin may not call the API: add it to api.allowed_origins",
        )
        .into_response(),
        Relation::Allowed(origin) if preflight => {
            permit(StatusCode::NO_CONTENT.into_response(), origin)
        }
        Relation::Allowed(origin) => {
            permit(next.run(Request::from_parts(parts, body)).await, origin)
        }
        Relation::Own => next.run(Request::from_parts(parts, body)).await,
    }
}

fn permit(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ACCEPTED),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
        (header::VARY, "origin"),
    ];
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    for (name, value) in fixed {
        headers.append(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(listen: &str) -> Site {
        let hosts = [
            "media.example.org".to_owned(),
            "other.example:8443".to_owned(),
        ];
        Site::new(
            listen.parse().unwrap(),
            &hosts,
            &["https://app.example".to_owned()],
        )
    }

    fn answers(listen: &str, host: &str) -> bool {
        site(listen).answers_to(&host.parse().unwrap())
    }

    #[test]
    fn it_answers_to_this_machine_and_to_configured_names() {
        for host in [
            "localhost:7878",
            "127.0.0.1:7878",
            "127.0.0.1",
            "[::1]:7878",
            "app.localhost",
            "Media.Example.org",
            "media.example.org:7878",
            "other.example:8443",
        ] {
            assert!(answers("127.0.0.1:7878", host), "{host}");
        }
        assert!(answers("192.0.2.7:7878", "192.0.2.7:7878"));
        assert!(answers("0.0.0.0:7878", "192.0.2.7:7878"));
    }

    #[test]
    fn it_answers_to_nobody_elses_name() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.7:7878",
            "other.example",
        ] {
            assert!(!answers("127.0.0.1:7878", host), "{host}");
        }
    }

    fn is_foreign(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)))
            .collect();
        let host = "127.0.0.1:7878".parse().unwrap();
        matches!(
            site("127.0.0.1:7878").relation(&headers, &host),
            Relation::Foreign
        )
    }

    #[test]
    fn pages_of_other_sites_are_foreign() {
        assert!(is_foreign(&[("origin", "https://evil.example")]));
        assert!(is_foreign(&[("origin", "null")]));
        assert!(is_foreign(&[("origin", "http://127.0.0.1:9999")]));
        assert!(is_foreign(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors")
        ]));
    }

    #[test]
    fn own_pages_programs_and_opened_links_are_not() {
        assert!(!is_foreign(&[]));
        assert!(!is_foreign(&[("origin", "http://127.0.0.1:7878")]));
        assert!(!is_foreign(&[("origin", "https://app.example")]));
        assert!(!is_foreign(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
    }
}
