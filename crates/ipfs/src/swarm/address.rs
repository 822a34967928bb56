//! Multiaddresses from the configuration.
//!
//! Names in addresses are looked up here, with the operating system's resolver: rust-ipfs would ask
//! a public one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rust_ipfs::{Multiaddr, PeerId, Protocol};
use tokio::time::timeout;

/// How long looking up one name may take.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(5);

/// Why an address from the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a multiaddress.
    #[error("{address:?} is not a multiaddress; write it like /ip4/192.0.2.1/tcp/4747")]
    Syntax {
        /// The setting.
        address: String,
    },
    /// No listener exists for this kind of address.
    #[error(
        "cannot listen on {address:?}; use /ip4/…/tcp/…, /ip4/…/udp/…/quic-v1 or /ip4/…/tcp/…/ws"
    )]
    Transport {
        /// The setting.
        address: String,
    },
    /// A peer's address does not say which peer it is.
    #[error("{address:?} does not name the peer; end it with /p2p/ and the peer id")]
    NoPeer {
        /// The setting.
        address: String,
    },
    /// The name in an address does not resolve.
    #[error("the name in {address:?} does not resolve here; check it, or use an IP address")]
    Name {
        /// The setting.
        address: String,
    },
}

/// Whether a setting is an address that a swarm can listen on.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_listen(address: &str) -> Result<(), AddressError> {
    listen(address).map(drop)
}

/// Whether a setting is a peer that a swarm can dial. Names are not looked up.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_bootstrap(address: &str) -> Result<(), AddressError> {
    peer(address).map(drop)
}

pub(super) fn parse_listen(addresses: &[String]) -> Result<Vec<Multiaddr>, AddressError> {
    addresses.iter().map(|address| listen(address)).collect()
}

/// `address` with its name, if it has one, replaced by an IP address.
pub(crate) async fn dialable(address: &str) -> Result<Multiaddr, AddressError> {
    let (_, parsed) = peer(address)?;
    let (name, family): (_, fn(&IpAddr) -> bool) = match parsed.iter().next() {
        Some(Protocol::Dns(name)) => (name, |_| true),
        Some(Protocol::Dns4(name)) => (name, IpAddr::is_ipv4),
        Some(Protocol::Dns6(name)) => (name, IpAddr::is_ipv6),
        _ => return Ok(parsed),
    };
    let unknown = || AddressError::Name {
        address: address.to_owned(),
    };
    let lookup = tokio::net::lookup_host((name.as_ref(), 0));
    let found = match timeout(LOOKUP_DEADLINE, lookup).await {
        Ok(Ok(mut found)) => found.find(|found| family(&found.ip())),
        Ok(Err(_)) | Err(_) => None,
    };
    let ip = found.ok_or_else(unknown)?.ip();
    parsed.replace(0, |_| Some(ip.into())).ok_or_else(unknown)
}

/// The UDP socket that a QUIC listener on `address` has open.
pub(super) fn udp_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Udp(port))) => Some((ip, port).into()),
        (Some(Protocol::Ip6(ip)), Some(Protocol::Udp(port))) => Some((ip, port).into()),
        _ => None,
    }
}

fn listen(address: &str) -> Result<Multiaddr, AddressError> {
    let parsed = parse(address)?;
    let mut parts = parsed.iter();
    let transport = (parts.next(), parts.next(), parts.next(), parts.next());
    match transport {
        (Some(Protocol::Ip4(_) | Protocol::Ip6(_)), Some(Protocol::Tcp(_)), None, None)
        | (
            Some(Protocol::Ip4(_) | Protocol::Ip6(_)),
            Some(Protocol::Tcp(_)),
            Some(Protocol::Ws(_)),
            None,
        )
        | (
            Some(Protocol::Ip4(_) | Protocol::Ip6(_)),
            Some(Protocol::Udp(_)),
            Some(Protocol::QuicV1),
            None,
        ) => Ok(parsed),
        _ => Err(AddressError::Transport {
            address: address.to_owned(),
        }),
    }
}

pub(crate) fn peer(address: &str) -> Result<(PeerId, Multiaddr), AddressError> {
    let parsed = parse(address)?;
    match parsed.iter().last() {
        Some(Protocol::P2p(peer)) => Ok((peer, parsed)),
        _ => Err(AddressError::NoPeer {
            address: address.to_owned(),
        }),
    }
}

fn parse(address: &str) -> Result<Multiaddr, AddressError> {
    address.parse().map_err(|_| AddressError::Syntax {
        address: address.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn only_transports_that_exist_are_listened_on() {
        for good in [
            "/ip4/0.0.0.0/tcp/4747",
            "/ip6/::/udp/4747/quic-v1",
            "/ip4/127.0.0.1/tcp/0/ws",
        ] {
            assert_eq!(check_listen(good), Ok(()), "{good}");
        }
        for bad in ["/ip4/127.0.0.1/udp/1", "/dns4/here/tcp/1", "/memory/1"] {
            let error = check_listen(bad).unwrap_err();
            assert!(matches!(error, AddressError::Transport { .. }), "{bad}");
        }
        let error = check_listen("127.0.0.1:4747").unwrap_err();
        assert!(matches!(error, AddressError::Syntax { .. }));
    }

    #[test]
    fn a_bootstrap_address_names_its_peer() {
        assert_eq!(
            check_bootstrap(&format!("/dns4/a.example/tcp/1/p2p/{PEER}")),
            Ok(())
        );
        let error = check_bootstrap("/ip4/192.0.2.1/tcp/1").unwrap_err();
        assert!(matches!(error, AddressError::NoPeer { .. }));
    }

    #[tokio::test]
    async fn names_are_looked_up_by_the_system() {
        let found = dialable(&format!("/dns4/localhost/tcp/1/p2p/{PEER}"))
            .await
            .unwrap();
        assert_eq!(
            found.to_string(),
            format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}")
        );
        let error = dialable(&format!("/dns4/nobody.invalid/tcp/1/p2p/{PEER}")).await;
        assert!(matches!(error, Err(AddressError::Name { .. })));
    }
}
