//! Who is connected, and what the swarm has found out about this node's own reach.
//!
//! Written by the swarm task, event by event, and read by everyone else; it starts nothing. What it
//! holds is bounded by the number of connections and the constants below.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connexa::behaviour::BehaviourEvent;
use connexa::behaviour::peer_store::store::Store;
use connexa::prelude::{autonat, identify, mdns, upnp};
use libp2p::autonat::NatStatus;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

/// Characters of a peer's own description that are kept; it is shown to people.
const AGENT_CHARS: usize = 128;
/// Protocols of a peer that are kept. Kubo has about 20.
const PROTOCOLS: usize = 128;
/// Addresses of a peer that are kept.
const ADDRESSES: usize = 16;
/// Comings and goings that wait for who watches; who is slower than that misses some.
const EVENTS: usize = 256;
/// Addresses of this node as others see it that are kept.
const OBSERVED: usize = 16;
/// Nodes in the local network that are kept, and addresses of each. Anybody in there may claim to
/// be any number of nodes.
const NEIGHBOURS: usize = 64;
const NEIGHBOUR_ADDRESSES: usize = 16;

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: PeerId,
    /// Oldest first; at least one.
    pub connections: Vec<Connection>,
    /// What it calls itself, such as `kubo/0.30.0`; known shortly after connecting.
    pub agent: Option<String>,
    /// What it speaks, in order.
    pub protocols: Vec<String>,
    /// Where it says that it listens. Not proven, and some may lead nowhere from here.
    pub listening: Vec<Multiaddr>,
    /// The last round trip that was measured.
    pub rtt: Option<Duration>,
}

/// Somebody comes, is known, or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEvent {
    /// The first connection with a peer is open.
    Connected(PeerId),
    /// It has said what it is and speaks, for the first time or anew.
    Identified(PeerId),
    /// The last connection is closed.
    Disconnected(PeerId),
}

impl Peer {
    /// Whether it says that it speaks a protocol.
    pub fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|spoken| spoken == protocol)
    }
}

/// One connection with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub address: Multiaddr,
    /// Who dialled.
    pub direction: Direction,
    /// How long it has been open.
    pub age: Duration,
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The other side.
    Inbound,
    /// This node.
    Outbound,
}

/// Whether strangers can open connections to this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nat {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// A peer has dialled back.
    Public,
    /// Peers tried and did not get through.
    Private,
}

/// What the router said about forwarding ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PortMapping {
    /// Not asked, or no answer yet.
    #[default]
    Unknown,
    /// The router forwards.
    Mapped,
    /// No router answers such requests.
    NoRouter,
    /// The router is itself behind another one.
    NotPublic,
}

/// Shared between the swarm task and who reads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    events: broadcast::Sender<PeerEvent>,
    /// Told when `State::neighbours` has changed.
    neighbours_changed: Notify,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            neighbours_changed: Notify::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    peers: HashMap<PeerId, Entry>,
    nat: Nat,
    port_mapping: PortMapping,
    /// Newest last.
    observed: Vec<Multiaddr>,
    neighbours: BTreeMap<PeerId, BTreeSet<Multiaddr>>,
}

#[derive(Debug, Default)]
struct Entry {
    connections: BTreeMap<ConnectionId, (Multiaddr, Direction, Instant)>,
    agent: Option<String>,
    protocols: Vec<String>,
    listening: Vec<Multiaddr>,
    rtt: Option<Duration>,
}

impl Roster {
    /// Called by the swarm task for everything that happens.
    pub(super) fn note<C, S>(&self, event: &SwarmEvent<BehaviourEvent<C, S>>)
    where
        C: NetworkBehaviour,
        C::ToSwarm: Debug,
        S: Store,
    {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => self.opened(*peer_id, *connection_id, endpoint),
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => self.closed(peer_id, connection_id),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.identified(peer_id, info),
            SwarmEvent::Behaviour(BehaviourEvent::AutonatV1(
                autonat::v1::Event::StatusChanged { new, .. },
            )) => self.nat_changed(new),
            SwarmEvent::Behaviour(BehaviourEvent::Upnp(event)) => self.router_said(event),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.neighbours_changed(event),
            _ => {}
        }
    }

    fn opened(&self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let direction = match endpoint {
            ConnectedPoint::Dialer { .. } => Direction::Outbound,
            ConnectedPoint::Listener { .. } => Direction::Inbound,
        };
        let address = endpoint.get_remote_address().clone();
        let mut state = self.lock();
        let entry = state.peers.entry(peer).or_default();
        let is_first = entry.connections.is_empty();
        let opened = (address, direction, Instant::now());
        entry.connections.insert(connection, opened);
        drop(state);
        if is_first {
            self.tell(PeerEvent::Connected(peer));
        }
    }

    fn tell(&self, event: PeerEvent) {
        // Nobody may be watching.
        let _ = self.0.events.send(event);
    }

    /// Who comes and goes from now on.
    pub(super) fn events(&self) -> broadcast::Receiver<PeerEvent> {
        self.0.events.subscribe()
    }

    fn closed(&self, peer: &PeerId, connection: &ConnectionId) {
        let mut state = self.lock();
        let Some(entry) = state.peers.get_mut(peer) else {
            return;
        };
        entry.connections.remove(connection);
        if entry.connections.is_empty() {
            state.peers.remove(peer);
            drop(state);
            self.tell(PeerEvent::Disconnected(*peer));
        }
    }

    fn identified(&self, peer: &PeerId, info: &identify::Info) {
        let mut state = self.lock();
        let Some(entry) = state.peers.get_mut(peer) else {
            return;
        };
        entry.agent = Some(shown(&info.agent_version));
        let protocols = info.protocols.iter().take(PROTOCOLS);
        entry.protocols = protocols.map(|name| shown(name.as_ref())).collect();
        entry.protocols.sort();
        let listening = info.listen_addrs.iter().take(ADDRESSES);
        entry.listening = listening.cloned().collect();
        let seen = &info.observed_addr;
        state.observed.retain(|known| known != seen);
        if state.observed.len() >= OBSERVED {
            state.observed.remove(0);
        }
        state.observed.push(seen.clone());
        drop(state);
        self.tell(PeerEvent::Identified(*peer));
    }

    /// A round trip with a peer.
    pub(super) fn measured(&self, peer: &PeerId, rtt: Duration) {
        if let Some(entry) = self.lock().peers.get_mut(peer) {
            entry.rtt = Some(rtt);
        }
    }

    fn nat_changed(&self, status: &NatStatus) {
        let nat = match status {
            NatStatus::Public(_) => Nat::Public,
            NatStatus::Private => Nat::Private,
            NatStatus::Unknown => Nat::Unknown,
        };
        tracing::info!(?nat, "reachability from outside has changed");
        self.lock().nat = nat;
    }

    fn router_said(&self, event: &upnp::Event) {
        let mapping = match event {
            upnp::Event::NewExternalAddr(_) => PortMapping::Mapped,
            upnp::Event::ExpiredExternalAddr(_) => PortMapping::Unknown,
            upnp::Event::GatewayNotFound => PortMapping::NoRouter,
            upnp::Event::NonRoutableGateway => PortMapping::NotPublic,
        };
        self.lock().port_mapping = mapping;
    }

    fn neighbours_changed(&self, event: &mdns::Event) {
        let mut state = self.lock();
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    if state.neighbours.len() >= NEIGHBOURS && !state.neighbours.contains_key(peer)
                    {
                        continue;
                    }
                    let addresses = state.neighbours.entry(*peer).or_default();
                    if addresses.len() < NEIGHBOUR_ADDRESSES {
                        addresses.insert(address.clone());
                    }
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    let Some(addresses) = state.neighbours.get_mut(peer) else {
                        continue;
                    };
                    addresses.remove(address);
                    if addresses.is_empty() {
                        state.neighbours.remove(peer);
                    }
                }
            }
        }
        drop(state);
        self.0.neighbours_changed.notify_one();
    }

    /// Everyone who is connected, longest first.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = {
            let state = self.lock();
            let seen = |(id, entry): (&PeerId, &Entry)| entry.seen(*id);
            state.peers.iter().map(seen).collect()
        };
        let age = |peer: &Peer| peer.connections.first().map(|first| first.age);
        peers.sort_by(|a, b| age(b).cmp(&age(a)).then(a.id.cmp(&b.id)));
        peers
    }

    /// One of them.
    pub(super) fn peer(&self, id: &PeerId) -> Option<Peer> {
        self.lock().peers.get(id).map(|entry| entry.seen(*id))
    }

    pub(super) fn nat(&self) -> Nat {
        self.lock().nat
    }

    pub(super) fn port_mapping(&self) -> PortMapping {
        self.lock().port_mapping
    }

    /// This node's addresses as peers see them.
    pub(super) fn observed(&self) -> Vec<Multiaddr> {
        self.lock().observed.clone()
    }

    /// The nodes of the local network.
    pub(super) fn neighbours(&self) -> BTreeMap<PeerId, BTreeSet<Multiaddr>> {
        self.lock().neighbours.clone()
    }

    /// Waits until a node appears in the local network or leaves it.
    pub(super) async fn neighbours_change(&self) {
        self.0.neighbours_changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave it half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn seen(&self, id: PeerId) -> Peer {
        let connections = self.connections.values();
        let mut connections: Vec<Connection> = connections
            .map(|(address, direction, since)| Connection {
                address: address.clone(),
                direction: *direction,
                age: since.elapsed(),
            })
            .collect();
        connections.sort_by_key(|connection| std::cmp::Reverse(connection.age));
        Peer {
            id,
            connections,
            agent: self.agent.clone(),
            protocols: self.protocols.clone(),
            listening: self.listening.clone(),
            rtt: self.rtt,
        }
    }
}

/// A peer's own words, fit for a terminal.
fn shown(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(AGENT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: usize) -> Multiaddr {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn a_crowd_in_the_local_network_is_bounded() {
        let roster = Roster::default();
        let crowd = (0..10 * NEIGHBOURS).map(|port| (PeerId::random(), address(port)));
        roster.neighbours_changed(&mdns::Event::Discovered(crowd.collect()));
        assert_eq!(roster.neighbours().len(), NEIGHBOURS);

        let (one, _) = roster.neighbours().pop_first().unwrap();
        let faces = (0..10 * NEIGHBOUR_ADDRESSES).map(|port| (one, address(1000 + port)));
        roster.neighbours_changed(&mdns::Event::Discovered(faces.collect()));
        let addresses = roster.neighbours()[&one].clone();
        assert_eq!(addresses.len(), NEIGHBOUR_ADDRESSES);

        let gone = addresses.into_iter().map(|address| (one, address));
        roster.neighbours_changed(&mdns::Event::Expired(gone.collect()));
        assert!(!roster.neighbours().contains_key(&one));
    }

    #[test]
    fn a_peer_is_listed_while_it_has_a_connection() {
        let roster = Roster::default();
        let peer = PeerId::random();
        let (first, second) = (
            ConnectionId::new_unchecked(1),
            ConnectionId::new_unchecked(2),
        );
        let dialled = ConnectedPoint::Dialer {
            address: address(1),
            role_override: libp2p::core::Endpoint::Dialer,
            port_use: libp2p::core::transport::PortUse::New,
        };
        let answered = ConnectedPoint::Listener {
            local_addr: address(2),
            send_back_addr: address(3),
        };
        let mut events = roster.events();
        roster.opened(peer, first, &dialled);
        roster.opened(peer, second, &answered);
        let directions = |peer: &Peer| {
            let connections = peer.connections.iter();
            connections.map(|c| c.direction).collect::<Vec<_>>()
        };
        let seen = roster.peer(&peer).unwrap();
        assert_eq!(directions(&seen), [Direction::Outbound, Direction::Inbound]);
        roster.closed(&peer, &first);
        assert_eq!(directions(&roster.peers()[0]), [Direction::Inbound]);
        roster.closed(&peer, &second);
        assert_eq!(roster.peers(), []);
        assert_eq!(events.try_recv(), Ok(PeerEvent::Connected(peer)));
        assert_eq!(events.try_recv(), Ok(PeerEvent::Disconnected(peer)));
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn a_peers_words_cannot_move_the_cursor() {
        assert_eq!(shown("kubo\u{1b}[2J/0.30\n"), "kubo[2J/0.30");
        assert_eq!(shown(&"x".repeat(1000)).len(), AGENT_CHARS);
    }
}
