//! Who may call: bearer tokens with scopes, or the loopback peer while no token is configured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;
use crate::config::{Scope, Token};

/// The tokens that open the API. Tokens are kept and compared as SHA-256 digests.
#[derive(Clone)]
pub(crate) struct Door(Arc<Keys>);

struct Keys {
    configured: Vec<Key>,
    /// The token that this node wrote for its own command line.
    local: [u8; 32],
}

struct Key {
    digest: [u8; 32],
    scope: Scope,
}

/// What the caller of a request may do; put into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Up to this scope.
    May(Scope),
    /// Nothing, because no token was sent and one is needed.
    Unknown,
    /// Nothing, because the token is not one of ours.
    WrongToken,
    /// Nothing, because no token is configured and the peer is another machine.
    Remote,
}

impl Door {
    /// `local` is the admin token of this node's own command line.
    pub(crate) fn new(tokens: &[Token], local: &str) -> Self {
        let configured = tokens.iter().filter_map(Key::from_config).collect();
        Self(Arc::new(Keys {
            configured,
            local: digest(local),
        }))
    }

    /// What the bearer of `token` may do.
    pub(crate) fn scope_of(&self, token: &str) -> Option<Scope> {
        let given = digest(token);
        // Every key is compared, whichever matches: the time says nothing about the position.
        let local = bool::from(given.ct_eq(&self.0.local)).then_some(Scope::Admin);
        self.0.configured.iter().fold(local, |found, key| {
            let matches = bool::from(given.ct_eq(&key.digest));
            if matches {
                found.max(Some(key.scope))
            } else {
                found
            }
        })
    }

    fn caller(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Caller {
        if let Some(token) = bearer(headers) {
            return self.scope_of(token).map_or(Caller::WrongToken, Caller::May);
        }
        if !self.0.configured.is_empty() {
            return Caller::Unknown;
        }
        // A proxy on this machine speaks for somebody else.
        let forwarded =
            headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
        let near = peer.is_some_and(|ip| ip.to_canonical().is_loopback());
        if near && !forwarded {
            Caller::May(Scope::Admin)
        } else {
            Caller::Remote
        }
    }
}

impl Key {
    fn from_config(token: &Token) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE
            .decode(token.sha256.as_bytes())
            .ok()?;
        let scope = token.scopes.iter().copied().max()?;
        Some(Self {
            digest: bytes.try_into().ok()?,
            scope,
        })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Notes in the request who is calling.
pub(crate) async fn identify(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let caller = door.caller(request.headers(), peer);
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Lets a request pass whose caller has at least `needed`.
pub(crate) async fn require(State(needed): State<Scope>, request: Request, next: Next) -> Response {
    let caller = request
        .extensions()
        .get::<Caller>()
        .copied()
        .unwrap_or(Caller::Unknown);
    let refused = match caller {
        Caller::May(scope) if scope >= needed => return next.run(request).await,
        Caller::May(_) => Problem::forbidden(
            "scope",
            format!("this needs a token with the scope `{}`", name(needed)),
        ),
        Caller::Unknown => Problem::unauthorized("send `Authorization: Bearer <token>`"),
        Caller::WrongToken => {
            Problem::unauthorized("the token is not known here: ask the operator for a new one")
        }
        Caller::Remote => Problem::forbidden(
            "loopback-only",
            "no token is configured, so only this machine may call: run `cidcast token new`",
        ),
    };
    refused.into_response()
}

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, scopes: &[Scope]) -> Token {
        let sha256 = data_encoding::HEXLOWER.encode(&digest(text));
        Token {
            name: text.to_owned(),
            sha256,
            scopes: scopes.to_vec(),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    const NEAR: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const FAR: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    #[test]
    fn without_tokens_only_this_machine_may_call() {
        let door = Door::new(&[], "local");
        assert_eq!(door.caller(&headers(&[]), NEAR), Caller::May(Scope::Admin));
        assert_eq!(door.caller(&headers(&[]), FAR), Caller::Remote);
        assert_eq!(door.caller(&headers(&[]), None), Caller::Remote);
        let mapped = Some("::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(
            door.caller(&headers(&[]), mapped),
            Caller::May(Scope::Admin)
        );
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        let door = Door::new(&[], "local");
        for header in ["x-forwarded-for", "forwarded"] {
            assert_eq!(
                door.caller(&headers(&[(header, "192.0.2.1")]), NEAR),
                Caller::Remote
            );
        }
    }

    #[test]
    fn with_tokens_this_machine_needs_one_too() {
        let door = Door::new(&[token("t", &[Scope::Read])], "local");
        assert_eq!(door.caller(&headers(&[]), NEAR), Caller::Unknown);
        let sent = |value: &str| door.caller(&headers(&[("authorization", value)]), FAR);
        assert_eq!(sent("Bearer t"), Caller::May(Scope::Read));
        assert_eq!(sent("bearer local"), Caller::May(Scope::Admin));
        assert_eq!(sent("Bearer x"), Caller::WrongToken);
        assert_eq!(sent("Basic t"), Caller::Unknown);
    }

    #[test]
    fn a_token_has_the_widest_of_its_scopes() {
        let door = Door::new(&[token("t", &[Scope::Write, Scope::Read])], "local");
        assert_eq!(door.scope_of("t"), Some(Scope::Write));
    }

    #[test]
    fn a_wrong_token_is_refused_even_where_none_is_needed() {
        let door = Door::new(&[], "local");
        let sent = headers(&[("authorization", "Bearer x")]);
        assert_eq!(door.caller(&sent, NEAR), Caller::WrongToken);
    }
}
