//! The `Host` check of a gateway on loopback: a defence against DNS rebinding.
//!
//! A page of `evil.example` whose name suddenly resolves to 127.0.0.1 would talk to this gateway
//! from its own origin; the `Host` header still says `evil.example`, and that gives it away.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{header, uri::Authority};

use crate::problem::Problem;
use crate::settings::{Reach, Settings};

/// Refuses a request to a host name that this gateway does not answer to.
pub(crate) fn check(settings: &Settings, parts: &Parts) -> Result<(), Problem> {
    if settings.reach == Reach::Network {
        return Ok(());
    }
    let named = named_host(parts).ok_or(Problem::ForeignHost)?;
    let is_public = settings
        .public_hosts
        .iter()
        .any(|host| host.eq_ignore_ascii_case(&named));
    if is_public || is_loopback_name(&named) {
        Ok(())
    } else {
        Err(Problem::ForeignHost)
    }
}

/// The host without port: the authority of the target (HTTP/2), else the `Host` header.
pub(crate) fn named_host(parts: &Parts) -> Option<String> {
    if let Some(host) = parts.uri.host() {
        return Some(host.to_owned());
    }
    let value = parts.headers.get(header::HOST)?.to_str().ok()?;
    value
        .parse::<Authority>()
        .ok()
        .map(|authority| authority.host().to_owned())
}

/// Whether a host name (an IPv6 address with or without brackets) can only mean this machine.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761 §6.3: localhost and names below it are loopback.
    let is_localhost =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    is_localhost
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn check_host(reach: Reach, host: Option<&str>) -> Result<(), Problem> {
        let settings = Settings {
            public_hosts: vec!["media.example".to_owned()],
            ..Settings::new(reach)
        };
        let mut request = Request::builder().uri("/");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        check(&settings, &request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_loopback_gateway_answers_to_loopback_and_configured_names_only() {
        for good in [
            "localhost",
            "localhost:8787",
            "127.0.0.1:8787",
            "127.9.9.9",
            "[::1]:8787",
            "Media.Example",
        ] {
            assert_eq!(check_host(Reach::Loopback, Some(good)), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
        ] {
            assert_eq!(
                check_host(Reach::Loopback, Some(bad)),
                Err(Problem::ForeignHost),
                "{bad}"
            );
        }
        assert_eq!(check_host(Reach::Loopback, None), Err(Problem::ForeignHost));
        assert_eq!(check_host(Reach::Network, Some("evil.example")), Ok(()));
    }
}
