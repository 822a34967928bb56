//! What can be asked of a running swarm, by as many as like.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::time::Duration;

use rust_ipfs::{Ipfs, Multiaddr, PeerId, Protocol};
use tokio::sync::broadcast;

use super::blocked::Blocked;
use super::dial;
use super::error::{ConnectError, DisconnectError, PingError, SwarmFault};
use super::ping::Pinger;
use super::roster::{Direction, Nat, Peer, PeerEvent, PortMapping, Roster};
use crate::gossip::Gossip;
use crate::requests::{Line, Requests};

/// Most pings in one go.
pub const MAX_PINGS: u8 = 100;

/// A running swarm. Cheap to clone; it does not keep the swarm running.
#[derive(Clone)]
pub struct SwarmHandle {
    pub(super) ipfs: Ipfs,
    pub(super) peer: PeerId,
    pub(super) roster: Roster,
    pub(super) pinger: Pinger,
    pub(super) gossip: Gossip,
    pub(super) line: Line,
    pub(super) cluster_line: Line,
    pub(super) blocked: Blocked,
    pub(super) network: NetworkKind,
}

/// Who may be in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// Anybody.
    Open,
    /// Whoever has the key.
    Private,
}

/// How this node can be reached, as far as it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// What the listeners are bound to, with `/p2p/…`.
    pub listening: Vec<String>,
    /// What is announced: from the settings, the router, or proven by a peer.
    pub external: Vec<String>,
    /// How peers see this node; newest last. Not proven to lead here.
    pub observed: Vec<String>,
    /// Relays at which this node holds a reservation.
    pub relays: Vec<PeerId>,
    /// Whether strangers can open connections.
    pub nat: Nat,
    /// What the router said.
    pub port_mapping: PortMapping,
    /// Who may be in the network.
    pub network: NetworkKind,
}

impl SwarmHandle {
    /// This node's libp2p identity.
    pub fn peer_id(&self) -> String {
        self.peer.to_string()
    }

    /// Everyone who is connected, longest first.
    pub fn peers(&self) -> Vec<Peer> {
        self.roster.peers()
    }

    /// One connected peer.
    pub fn peer(&self, id: &PeerId) -> Option<Peer> {
        self.roster.peer(id)
    }

    /// Who connects, is identified and disconnects from now on. A receiver that is not read misses
    /// what is more than 256 events old, and is told so.
    pub fn peer_events(&self) -> broadcast::Receiver<PeerEvent> {
        self.roster.events()
    }

    /// Where a connected peer can be dialled again, with `/p2p/…`, as far as is known: what it says
    /// that it listens on, then what it was dialled at. None of it may work.
    pub fn addresses_of(&self, peer: &PeerId) -> Vec<String> {
        let Some(known) = self.roster.peer(peer) else {
            return Vec::new();
        };
        let dialled = known.connections.into_iter();
        let dialled = dialled.filter(|connection| connection.direction == Direction::Outbound);
        let all = known.listening.into_iter();
        let all = all.chain(dialled.map(|connection| connection.address));
        distinct(all.map(|address| named(address, *peer)).collect())
    }

    /// Where others may reach this node, with `/p2p/…`: what is announced, then what the listeners
    /// are bound to. Of loopback addresses, only if there are no others.
    pub async fn own_addresses(&self) -> Vec<String> {
        let external = self.ipfs.external_addresses().await.unwrap_or_default();
        let bound = self.ipfs.listening_addresses().await.unwrap_or_default();
        let all: Vec<Multiaddr> = external.into_iter().chain(bound).collect();
        let (near, far): (Vec<_>, Vec<_>) = all.into_iter().partition(is_loopback);
        let kept = if far.is_empty() { near } else { far };
        let named = kept.into_iter().map(|address| named(address, self.peer));
        distinct(named.collect())
    }

    /// Peers to have nothing to do with: they are disconnected, and no connection with them is
    /// opened or taken. Replaces all of them.
    pub async fn set_blocked(&self, peers: HashSet<PeerId>) {
        for peer in self.blocked.set(peers) {
            // Who is not connected need not be disconnected.
            let _ = self.disconnect(peer).await;
        }
    }

    /// The addresses that listeners are bound to, with real ports and `/p2p/…`. Listeners on
    /// unspecified addresses have one for every network interface.
    pub async fn listen_addresses(&self) -> Vec<String> {
        let bound = self.ipfs.listening_addresses().await.unwrap_or_default();
        let named = bound.into_iter().map(|address| named(address, self.peer));
        named.map(|address| address.to_string()).collect()
    }

    /// How this node can be reached.
    pub async fn reach(&self) -> Reach {
        let external = self.ipfs.external_addresses().await.unwrap_or_default();
        let bound = self.ipfs.listening_addresses().await.unwrap_or_default();
        let relays: BTreeSet<PeerId> = bound.iter().filter_map(relay_of).collect();
        let texts = |addresses: Vec<Multiaddr>| -> Vec<String> {
            let mut texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            texts.dedup();
            texts
        };
        Reach {
            listening: self.listen_addresses().await,
            external: texts(external),
            observed: texts(self.roster.observed()),
            relays: relays.into_iter().collect(),
            nat: self.roster.nat(),
            port_mapping: self.roster.port_mapping(),
            network: self.network,
        }
    }

    /// Connects to the peer that `address` names, which must end in `/p2p/…`, and keeps the
    /// connection open until [`Self::disconnect`]. A peer that is connected already is only kept.
    /// Names in the address are looked up by the system's resolver.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the address is not usable or nobody with that peer id answers in time.
    pub async fn connect(&self, address: &str, deadline: Duration) -> Result<PeerId, ConnectError> {
        dial::keep(&self.ipfs, address, deadline).await
    }

    /// As [`Self::connect`], but the connection is closed again when nobody uses it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the address is not usable or nobody with that peer id answers in time.
    pub async fn dial(&self, address: &str, deadline: Duration) -> Result<(), ConnectError> {
        dial(&self.ipfs, address, deadline).await
    }

    /// Closes every connection with a peer and keeps it no longer. A bootstrap peer, a relay or a
    /// neighbour is dialled again when its turn comes.
    ///
    /// # Errors
    ///
    /// [`DisconnectError`] if the peer is not connected.
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), DisconnectError> {
        let _ = self.ipfs.remove_peer(peer).await;
        if self.roster.peer(&peer).is_none() {
            return Err(DisconnectError::NotConnected { peer });
        }
        match self.ipfs.disconnect(peer).await {
            Ok(()) => Ok(()),
            // It went by itself in the meantime.
            Err(_) if self.roster.peer(&peer).is_none() => Ok(()),
            Err(error) => Err(DisconnectError::Swarm {
                peer,
                source: SwarmFault(error),
            }),
        }
    }

    /// The nodes of the local network that mDNS has found.
    pub fn neighbours(&self) -> Vec<PeerId> {
        self.roster.neighbours().into_keys().collect()
    }

    /// Topics.
    pub fn gossip(&self) -> &Gossip {
        &self.gossip
    }

    /// Requests to single peers, and theirs.
    pub fn requests(&self) -> Requests {
        self.line.requests(&self.ipfs)
    }

    /// Requests to members of a cluster, and theirs.
    pub fn cluster_requests(&self) -> Requests {
        self.cluster_line.requests(&self.ipfs)
    }

    /// Pings a connected peer `count` times (at most [`MAX_PINGS`]), one after another. Each round
    /// trip has `deadline`.
    ///
    /// # Errors
    ///
    /// [`PingError`] if the peer is not connected or does not answer.
    pub async fn ping(
        &self,
        peer: PeerId,
        count: u8,
        deadline: Duration,
    ) -> Result<Vec<Duration>, PingError> {
        if self.roster.peer(&peer).is_none() {
            return Err(PingError::NotConnected { peer });
        }
        let count = count.clamp(1, MAX_PINGS);
        self.pinger.ping(peer, count, deadline).await
    }
}

impl fmt::Debug for SwarmHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwarmHandle")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// With the peer at the end.
fn named(address: Multiaddr, peer: PeerId) -> Multiaddr {
    match address.iter().last() {
        Some(Protocol::P2p(_)) => address,
        _ => address.with(Protocol::P2p(peer)),
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Each once, in their order.
fn distinct(addresses: Vec<Multiaddr>) -> Vec<String> {
    let mut seen = HashSet::new();
    let fresh = addresses
        .into_iter()
        .filter(|address| seen.insert(address.clone()));
    fresh.map(|address| address.to_string()).collect()
}

/// The relay in `/…/p2p/RELAY/p2p-circuit/…`.
fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut relay = None;
    for part in address {
        match part {
            Protocol::P2p(peer) => relay = Some(peer),
            Protocol::P2pCircuit => return relay,
            _ => {}
        }
    }
    None
}
