//! Multiaddresses from the configuration and the command line.

use std::net::{IpAddr, SocketAddr};

use rust_ipfs::{Multiaddr, PeerId, Protocol};

/// Stands in `bootstrap` for the bootstrappers of the public network.
pub(super) const PUBLIC: &str = "ipfs";

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
    /// Not an address that others could dial.
    #[error(
        "{address:?} cannot be announced; write /ip4/…/tcp/…, /ip4/…/udp/…/quic-v1, or with \
         /dns4/… and /ws or /wss at the end, and without the peer id"
    )]
    Announce {
        /// The setting.
        address: String,
    },
    /// A relay that is itself reached through a relay.
    #[error("{address:?} is reached through a relay itself; write the relay's own address")]
    RelayBehindRelay {
        /// The setting.
        address: String,
    },
    /// QUIC brings its own encryption, which knows no network key.
    #[error(
        "only QUIC is listened on, and a private network (swarm.key_file) has no QUIC; add a \
         /tcp/ address"
    )]
    OnlyQuic,
    /// The public bootstrappers do not have the network's key.
    #[error(
        "the public bootstrappers (`ipfs`) cannot be joined from a private network \
         (swarm.key_file); name the network's own nodes"
    )]
    PublicFromPrivate,
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

/// Whether a setting is a peer that a swarm can dial, or the word `ipfs`. Names are not looked up.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_bootstrap(address: &str) -> Result<(), AddressError> {
    if address == PUBLIC {
        return Ok(());
    }
    peer(address).map(drop)
}

/// Whether a setting is an address that a swarm can tell others.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_announce(address: &str) -> Result<(), AddressError> {
    announced(address).map(drop)
}

/// Whether a setting is a relay that a swarm can use. Names are not looked up.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_relay(address: &str) -> Result<(), AddressError> {
    relay(address).map(drop)
}

/// Whether these settings make sense together with the key of a private network.
///
/// # Errors
///
/// [`AddressError`] saying what to change.
pub fn check_private(listen: &[String], bootstrap: &[String]) -> Result<(), AddressError> {
    if bootstrap.iter().any(|address| address == PUBLIC) {
        return Err(AddressError::PublicFromPrivate);
    }
    let mut listen = parse_listen(listen)?.into_iter().peekable();
    if listen.peek().is_some() && listen.all(|address| is_quic(&address)) {
        return Err(AddressError::OnlyQuic);
    }
    Ok(())
}

/// Whether a listener on `address` speaks QUIC.
pub(super) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

pub(super) fn parse_announce(addresses: &[String]) -> Result<Vec<Multiaddr>, AddressError> {
    let parse = |address: &String| announced(address);
    addresses.iter().map(parse).collect()
}

pub(super) fn parse_listen(addresses: &[String]) -> Result<Vec<Multiaddr>, AddressError> {
    addresses.iter().map(|address| listen(address)).collect()
}

/// The socket that a listener opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenSocket {
    /// TCP and WebSocket.
    Tcp(SocketAddr),
    /// QUIC.
    Udp(SocketAddr),
}

/// The socket that a listener on `address` opens.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn listen_socket(address: &str) -> Result<ListenSocket, AddressError> {
    let parsed = listen(address)?;
    let mut parts = parsed.iter();
    let ip: Option<IpAddr> = match parts.next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        _ => None,
    };
    match (ip, parts.next()) {
        (Some(ip), Some(Protocol::Tcp(port))) => Ok(ListenSocket::Tcp((ip, port).into())),
        (Some(ip), Some(Protocol::Udp(port))) => Ok(ListenSocket::Udp((ip, port).into())),
        _ => Err(AddressError::Transport {
            address: address.to_owned(),
        }),
    }
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

fn announced(address: &str) -> Result<Multiaddr, AddressError> {
    let parsed = parse(address)?;
    let parts: Vec<Protocol<'_>> = parsed.iter().collect();
    let usable = match parts.as_slice() {
        [host, transport @ ..] if is_host(host) => matches!(
            transport,
            [Protocol::Tcp(1..)]
                | [Protocol::Tcp(1..), Protocol::Ws(_) | Protocol::Wss(_)]
                | [Protocol::Tcp(1..), Protocol::Tls, Protocol::Ws(_)]
                | [Protocol::Udp(1..), Protocol::QuicV1]
        ),
        _ => false,
    };
    if usable {
        Ok(parsed)
    } else {
        Err(AddressError::Announce {
            address: address.to_owned(),
        })
    }
}

fn is_host(part: &Protocol<'_>) -> bool {
    match part {
        Protocol::Ip4(ip) => !ip.is_unspecified(),
        Protocol::Ip6(ip) => !ip.is_unspecified(),
        Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) => true,
        _ => false,
    }
}

pub(super) fn relay(address: &str) -> Result<PeerId, AddressError> {
    let (peer, parsed) = peer(address)?;
    if parsed.iter().any(|part| part == Protocol::P2pCircuit) {
        return Err(AddressError::RelayBehindRelay {
            address: address.to_owned(),
        });
    }
    Ok(peer)
}

/// Whether an address is one at which a peer can be dialled: it ends with `/p2p/` and its id. Names
/// are not looked up.
///
/// # Errors
///
/// [`AddressError`] saying what an address looks like.
pub fn check_peer(address: &str) -> Result<(), AddressError> {
    peer(address).map(drop)
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

    #[test]
    fn only_what_others_can_dial_is_announced() {
        for good in [
            "/ip4/203.0.113.7/tcp/4747",
            "/ip6/2001:db8::7/udp/4747/quic-v1",
            "/dns4/media.example.org/tcp/443/wss",
            "/dns/media.example.org/tcp/443/tls/ws",
        ] {
            assert_eq!(check_announce(good), Ok(()), "{good}");
        }
        let with_peer = format!("/ip4/203.0.113.7/tcp/4747/p2p/{PEER}");
        for bad in [
            "/ip4/0.0.0.0/tcp/4747",
            "/ip4/203.0.113.7/tcp/0",
            "/ip4/203.0.113.7/udp/4747",
            "/ip4/203.0.113.7",
            &with_peer,
        ] {
            let error = check_announce(bad).unwrap_err();
            assert!(matches!(error, AddressError::Announce { .. }), "{bad}");
        }
    }

    #[test]
    fn a_relay_is_reached_directly() {
        let direct = format!("/dns4/relay.example/tcp/1/p2p/{PEER}");
        assert_eq!(check_relay(&direct), Ok(()));
        let error = check_relay(&format!("{direct}/p2p-circuit/p2p/{PEER}")).unwrap_err();
        assert!(matches!(error, AddressError::RelayBehindRelay { .. }));
    }

    #[test]
    fn a_private_network_has_neither_quic_nor_public_bootstrappers() {
        let list = |addresses: &[&str]| {
            addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let (tcp, quic) = ("/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/udp/1/quic-v1");
        assert_eq!(check_private(&list(&[tcp, quic]), &[]), Ok(()));
        assert_eq!(check_private(&[], &[]), Ok(()));
        assert_eq!(
            check_private(&list(&[quic]), &[]),
            Err(AddressError::OnlyQuic)
        );
        let public = check_private(&list(&[tcp]), &list(&["ipfs"]));
        assert_eq!(public, Err(AddressError::PublicFromPrivate));
    }
}
