//! How far an address that others passed on reaches.
//!
//! What a stranger says is dialled only where it can lead: an address of the stranger's own machine
//! or local network means somebody else here, and a name would make this node ask a resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rust_ipfs::{Multiaddr, PeerId, Protocol};

use super::roster::{Direction, Peer};

/// Longest address that is read: an IPv6 address with port, WebSocket and peer id has about 120.
const MAX_TEXT: usize = 256;

/// Where an address can be dialled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This machine.
    Machine,
    /// The local network.
    LocalNetwork,
    /// Anywhere.
    Internet,
}

impl Scope {
    /// How far an IP address reaches; `None` if it is nobody's.
    fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => Self::of_v4(ip),
                None => Self::of_v6(ip),
            },
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Option<Self> {
        // Carriers' own (RFC 6598): 100.64.0.0/10.
        let is_shared = matches!(ip.octets(), [100, 64..=127, ..]);
        if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
            None
        } else if ip.is_loopback() {
            Some(Self::Machine)
        } else if ip.is_private() || ip.is_link_local() || is_shared {
            Some(Self::LocalNetwork)
        } else {
            Some(Self::Internet)
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Option<Self> {
        if ip.is_unspecified() || ip.is_multicast() {
            None
        } else if ip.is_loopback() {
            Some(Self::Machine)
        } else if ip.is_unique_local() || ip.is_unicast_link_local() {
            Some(Self::LocalNetwork)
        } else {
            Some(Self::Internet)
        }
    }
}

/// The peer that an address from outside leads to, and from where: an IP address with TCP,
/// WebSocket or QUIC, and `/p2p/…` at the end. `None` for every other text.
pub fn passed_on(address: &str) -> Option<(PeerId, Scope)> {
    if address.len() > MAX_TEXT {
        return None;
    }
    let parsed: Multiaddr = address.parse().ok()?;
    let Some(Protocol::P2p(peer)) = parsed.iter().last() else {
        return None;
    };
    scope(&parsed).map(|scope| (peer, scope))
}

/// How far an address reaches, with or without `/p2p/…` at its end.
pub(super) fn scope(address: &Multiaddr) -> Option<Scope> {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let parts = match parts.as_slice() {
        [rest @ .., Protocol::P2p(_)] => rest,
        all => all,
    };
    let (ip, transport): (IpAddr, _) = match parts {
        [Protocol::Ip4(ip), transport @ ..] => ((*ip).into(), transport),
        [Protocol::Ip6(ip), transport @ ..] => ((*ip).into(), transport),
        _ => return None,
    };
    let is_usable = matches!(
        transport,
        [Protocol::Tcp(1..)]
            | [Protocol::Tcp(1..), Protocol::Ws(_)]
            | [Protocol::Udp(1..), Protocol::QuicV1]
    );
    is_usable.then(|| Scope::of(ip)).flatten()
}

impl Peer {
    /// From where this node talks with it: the nearest of its connections. `None` if all lead
    /// through a relay.
    pub fn scope(&self) -> Option<Scope> {
        let connections = self.connections.iter();
        connections.filter_map(|one| scope(&one.address)).min()
    }

    /// Where others may find it, with `/p2p/…`: where this node dialled it, then where it says
    /// that it listens.
    pub fn addresses(&self) -> Vec<(Scope, String)> {
        let dialled = self.connections.iter();
        let dialled = dialled
            .filter(|one| one.direction == Direction::Outbound)
            .map(|one| &one.address);
        let mut found: Vec<(Scope, String)> = Vec::new();
        for address in dialled.chain(&self.listening) {
            let Some(scope) = scope(address) else {
                continue;
            };
            let text = match address.iter().last() {
                Some(Protocol::P2p(peer)) if peer == self.id => address.to_string(),
                Some(Protocol::P2p(_)) => continue,
                _ => address.clone().with(Protocol::P2p(self.id)).to_string(),
            };
            if !found.iter().any(|(_, known)| *known == text) {
                found.push((scope, text));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::roster::Connection;
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn of(address: &str) -> Option<Scope> {
        let (peer, scope) = passed_on(&format!("{address}/p2p/{PEER}"))?;
        assert_eq!(peer.to_string(), PEER);
        Some(scope)
    }

    #[test]
    fn an_address_reaches_as_far_as_its_ip() {
        for (address, scope) in [
            ("/ip4/127.0.0.1/tcp/1", Scope::Machine),
            ("/ip6/::1/udp/1/quic-v1", Scope::Machine),
            ("/ip4/192.168.1.2/tcp/1/ws", Scope::LocalNetwork),
            ("/ip4/100.100.1.2/tcp/1", Scope::LocalNetwork),
            ("/ip6/fd00::1/tcp/1", Scope::LocalNetwork),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Scope::LocalNetwork),
            ("/ip4/203.0.113.7/udp/1/quic-v1", Scope::Internet),
            ("/ip6/2001:db8::7/tcp/1", Scope::Internet),
        ] {
            assert_eq!(of(address), Some(scope), "{address}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_or_needs_a_resolver_is_not_passed_on() {
        for address in [
            "/dns4/example.org/tcp/1",
            "/dnsaddr/example.org",
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/255.255.255.255/tcp/1",
            "/ip6/ff02::1/tcp/1",
            "/ip4/203.0.113.7/tcp/0",
            "/ip4/203.0.113.7/udp/1",
            "/memory/1",
            &format!("/ip4/203.0.113.7/tcp/1/p2p/{PEER}/p2p-circuit"),
            &"/ip4/203.0.113.7/tcp/1".repeat(20),
        ] {
            assert_eq!(of(address), None, "{address}");
        }
        assert_eq!(passed_on("/ip4/203.0.113.7/tcp/1"), None);
        assert_eq!(passed_on("nonsense"), None);
    }

    #[test]
    fn a_peer_is_passed_on_where_it_was_dialled_and_where_it_listens() {
        let connection = |address: &str, direction| Connection {
            address: address.parse().unwrap(),
            direction,
            age: Duration::ZERO,
        };
        let id: PeerId = PEER.parse().unwrap();
        let peer = Peer {
            id,
            connections: vec![
                connection("/ip4/192.0.2.1/tcp/1", Direction::Outbound),
                connection("/ip4/10.0.0.1/tcp/55555", Direction::Inbound),
            ],
            agent: None,
            protocols: Vec::new(),
            listening: [
                "/ip4/192.0.2.1/tcp/1",
                "/dns4/a.example/tcp/1",
                "/ip4/127.0.0.1/tcp/1",
            ]
            .map(|address| address.parse().unwrap())
            .to_vec(),
            rtt: None,
        };
        assert_eq!(peer.scope(), Some(Scope::LocalNetwork));
        let at = |address: &str| format!("{address}/p2p/{id}");
        assert_eq!(
            peer.addresses(),
            [
                (Scope::Internet, at("/ip4/192.0.2.1/tcp/1")),
                (Scope::Machine, at("/ip4/127.0.0.1/tcp/1")),
            ]
        );
    }
}
