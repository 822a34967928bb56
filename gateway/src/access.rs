//! Who is asking, and what they may see (invariant 8: private blocks are never served to anyone
//! outside the cluster).
//!
//! A request is trusted if it carries a valid token, or if it comes from a loopback peer while
//! the gateway itself listens on loopback only. The second rule trusts a machine, not a web page
//! that happens to be open in one of its browsers, nor a reverse proxy that runs on it: requests
//! that such a page started or such a proxy passed on are not trusted. A proxy must therefore keep
//! the `Host` of its clients or add `X-Forwarded-For` (nginx does neither unless told to).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};

use crate::host;
use crate::problem::Problem;
use crate::settings::Reach;

type Verifier = dyn Fn(&str) -> bool + Send + Sync;

/// Decides whether a request may see private content.
#[derive(Clone)]
pub struct Access {
    reach: Reach,
    verifier: Arc<Verifier>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// `verifier` answers whether a bearer token is valid for reading. It must not block, and
    /// must compare in constant time.
    pub fn new(reach: Reach, verifier: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            reach,
            verifier: Arc::new(verifier),
        }
    }

    /// Who sent this request.
    pub(crate) fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        if let Some(token) = bearer(&parts.headers) {
            return self.verified(&token).map(|()| Caller::Trusted);
        }
        if let Some(token) = query_token(&parts.uri) {
            return self.verified(&token).map(|()| Caller::TokenInUrl(token));
        }
        let near = self.reach == Reach::Loopback && is_from_this_machine(parts);
        Ok(if near && !is_foreign_page(&parts.headers) {
            Caller::Trusted
        } else {
            Caller::Anyone
        })
    }

    fn verified(&self, token: &str) -> Result<(), Problem> {
        if (self.verifier)(token) {
            Ok(())
        } else {
            Err(Problem::BadToken)
        }
    }
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Sees what is open to anyone.
    Anyone,
    /// Sees private content too.
    Trusted,
    /// Sees private content too, by a token that links in playlists must repeat, because a
    /// player sends no headers of its own.
    TokenInUrl(String),
}

impl Caller {
    /// Whether private content may be shown.
    pub(crate) fn is_trusted(&self) -> bool {
        !matches!(self, Self::Anyone)
    }

    /// The token that links must repeat.
    pub(crate) fn token_in_url(&self) -> Option<&str> {
        match self {
            Self::TokenInUrl(token) => Some(token),
            Self::Anyone | Self::Trusted => None,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn query_token(uri: &Uri) -> Option<String> {
    crate::query::value(uri, "token").filter(|token| !token.is_empty())
}

/// Whether this machine itself asks. A reverse proxy on it has a loopback address too, but asks for
/// others: it says so, or it passes on the public name that they asked for.
fn is_from_this_machine(parts: &Parts) -> bool {
    const SAID_BY_PROXIES: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    let is_forwarded = SAID_BY_PROXIES
        .iter()
        .any(|name| parts.headers.contains_key(*name));
    let asks_for_loopback =
        host::named_host(parts).is_none_or(|name| host::is_loopback_name(&name));
    !is_forwarded && asks_for_loopback && peer(parts).is_some_and(|ip| is_loopback(&ip))
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip())
}

fn is_loopback(ip: &IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether a page of another site started this request. Browsers say so, and pages cannot
/// forge it: by `Origin`, else by `Referer`, else by `Sec-Fetch-Site`. Opening a link is not the
/// other page's reading: it cannot see what is shown.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let navigates = text("sec-fetch-mode") == Some("navigate");
    if headers.contains_key(header::ORIGIN) {
        return !text("origin").is_some_and(is_loopback_origin);
    }
    if navigates {
        return false;
    }
    match text("referer") {
        Some(referer) => !is_loopback_origin(referer),
        None => text("sec-fetch-site") == Some("cross-site"),
    }
}

fn is_loopback_origin(origin: &str) -> bool {
    origin
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(host::is_loopback_name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)], peer: Option<&str>, uri: &str) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(peer) = peer {
            parts
                .extensions
                .insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        parts
    }

    fn access(reach: Reach) -> Access {
        Access::new(reach, |token| token == "good")
    }

    fn trusted(reach: Reach, headers: &[(&str, &str)], peer: Option<&str>) -> bool {
        access(reach)
            .caller(&parts(headers, peer, "/x"))
            .unwrap()
            .is_trusted()
    }

    #[test]
    fn a_loopback_peer_is_trusted_only_on_a_loopback_listener() {
        assert!(trusted(Reach::Loopback, &[], Some("127.0.0.1:5")));
        assert!(trusted(Reach::Loopback, &[], Some("[::1]:5")));
        assert!(trusted(Reach::Loopback, &[], Some("[::ffff:127.0.0.1]:5")));
        assert!(!trusted(Reach::Loopback, &[], Some("192.0.2.1:5")));
        assert!(!trusted(Reach::Loopback, &[], None));
        assert!(!trusted(Reach::Network, &[], Some("127.0.0.1:5")));
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        let from = |header: (&str, &str)| trusted(Reach::Loopback, &[header], Some("127.0.0.1:5"));
        assert!(from(("host", "localhost:8787")));
        assert!(!from(("host", "media.example")));
        for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            assert!(!from((name, "127.0.0.1")), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_not_trusted_on_loopback() {
        let from =
            |headers: &[(&str, &str)]| trusted(Reach::Loopback, headers, Some("127.0.0.1:5"));
        assert!(from(&[("origin", "http://127.0.0.1:7878")]));
        assert!(from(&[("origin", "http://localhost:7878")]));
        assert!(from(&[("origin", "http://[::1]:7878")]));
        assert!(from(&[
            ("referer", "http://localhost:7878/a"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(from(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
        assert!(!from(&[("origin", "https://evil.example")]));
        assert!(!from(&[("origin", "null")]));
        assert!(!from(&[("origin", "https://localhost.evil.example")]));
        assert!(!from(&[("referer", "https://evil.example/page")]));
        assert!(!from(&[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn a_token_is_taken_from_header_or_query_and_a_bad_one_is_refused() {
        let caller = |headers: &[(&str, &str)], uri: &str| {
            access(Reach::Network).caller(&parts(headers, None, uri))
        };
        assert_eq!(
            caller(&[("authorization", "Bearer good")], "/x"),
            Ok(Caller::Trusted)
        );
        assert_eq!(
            caller(&[("authorization", "bearer good")], "/x"),
            Ok(Caller::Trusted)
        );
        assert_eq!(
            caller(&[], "/x?a=1&token=good"),
            Ok(Caller::TokenInUrl("good".into()))
        );
        assert_eq!(caller(&[], "/x?token="), Ok(Caller::Anyone));
        assert_eq!(caller(&[], "/x?token=bad"), Err(Problem::BadToken));
        assert_eq!(
            caller(&[("authorization", "Bearer bad")], "/x"),
            Err(Problem::BadToken)
        );
        assert_eq!(
            caller(&[("authorization", "Basic good")], "/x"),
            Ok(Caller::Anyone)
        );
    }
}
