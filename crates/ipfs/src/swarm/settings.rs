//! What can be chosen about a swarm.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Metrics;
use crate::requests::RequestSettings;

/// How to run the swarm.
#[derive(Debug, Clone)]
pub struct SwarmSettings {
    /// File with the node's ed25519 key; made on first start, readable by its owner only.
    pub key_file: PathBuf,
    /// File with the key of a private network (`/key/swarm/psk/1.0.0/`). With one, only nodes that
    /// have the same key can be talked to, and QUIC is off. It does not change the peer id.
    pub network_key_file: Option<PathBuf>,
    /// Multiaddresses to listen on: TCP, QUIC (`/udp/…/quic-v1`), WebSocket (`/tcp/…/ws`). Port 0
    /// picks a free port. Empty: dial only.
    pub listen: Vec<String>,
    /// Multiaddresses under which others reach this node, besides those that it finds itself.
    pub announce: Vec<String>,
    /// Multiaddresses, with `/p2p/…`, of peers to stay connected to, or the word `ipfs` for the
    /// bootstrappers of the public network. Empty: contact nobody.
    pub bootstrap: Vec<String>,
    /// Multiaddresses, with `/p2p/…`, of relays through which others may reach this node.
    pub relays: Vec<String>,
    /// What runs besides the basics.
    pub services: BTreeSet<Service>,
    /// How many connections there may be.
    pub limits: Limits,
    /// Bounds on requests to and from other peers.
    pub requests: RequestSettings,
    /// Where to count; unregistered by default.
    pub metrics: Metrics,
    /// How often a bootstrap peer, neighbour or relay that is not connected is dialled.
    pub retry: Duration,
    /// How long all listeners together may take to start.
    pub start_deadline: Duration,
    /// How long [`super::Swarm::stop`] may take.
    pub stop_deadline: Duration,
}

/// What a swarm runs besides the basics. Each says whom it contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Finds nodes in the local network and stays connected to them. Sends multicast there (peer
    /// id and addresses) at the start and every five minutes, and answers who asks.
    Mdns,
    /// Asks connected peers to dial back, to learn whether this node can be reached from outside,
    /// and does the same for them. Contacts nobody else.
    AutoNat,
    /// Asks the router to forward the listening ports. Sends multicast into the local network, and
    /// opens ports to the internet.
    Upnp,
    /// Lets others be reached through this node, within bounds. Contacts nobody by itself.
    RelayServer,
}

/// Bounds on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At a time, in both directions. A quarter is kept for outgoing ones, so that strangers
    /// cannot cut this node off.
    pub connections: u32,
    /// At a time with one peer: two nodes that dial each other on every transport have a few.
    pub per_peer: u32,
}

impl Limits {
    /// Connections that others may open.
    pub(super) fn incoming(self) -> u32 {
        (self.connections - self.connections / 4).max(1)
    }

    /// Connections that are being opened, in each direction: beyond that, strangers who never
    /// finish the handshake would hold memory. A few even on the smallest node, so that one that
    /// hangs holds up no other.
    pub(super) fn pending(self) -> u32 {
        (self.connections / 4).max(16)
    }
}

impl Default for Limits {
    /// What a small machine holds without thinking about it.
    fn default() -> Self {
        Self {
            connections: 1024,
            per_peer: 8,
        }
    }
}

impl SwarmSettings {
    /// A swarm that listens nowhere and knows nobody yet.
    pub fn new(key_file: impl Into<PathBuf>) -> Self {
        Self {
            key_file: key_file.into(),
            network_key_file: None,
            listen: Vec::new(),
            announce: Vec::new(),
            bootstrap: Vec::new(),
            relays: Vec::new(),
            services: BTreeSet::from([Service::AutoNat]),
            limits: Limits::default(),
            requests: RequestSettings::default(),
            metrics: Metrics::default(),
            retry: Duration::from_secs(15),
            start_deadline: Duration::from_secs(15),
            stop_deadline: Duration::from_secs(10),
        }
    }

    pub(super) fn runs(&self, service: Service) -> bool {
        self.services.contains(&service)
    }
}
