//! The libp2p node: identity, listeners, connections.
//!
//! rust-ipfs carries it, with its block repository empty in memory and its Bitswap off: blocks go
//! through the exchange that is mounted beside it. Every node runs identify, ping, the DHT, gossip
//! and the relay client with hole punching, and knows no peer but the ones that the settings name.
//! What else it runs, and whom that contacts, is in [`Service`]. It has no DNS of its own (rust-ipfs
//! would ask a public resolver); names are looked up by the system's.
//!
//! Owns: the sockets, the swarm task, and a task for each bootstrap peer and relay and for the
//! local network. Ends: with [`Swarm::stop`], which ends the dialling, closes the listeners, then
//! the connections, then waits until the swarm task is gone; dropping a [`Swarm`] ends all tasks
//! too, without waiting. Cancel safety: a `start` that is dropped closes what it opened.

mod address;
mod behaviour;
mod blocked;
mod bootstrap;
mod build;
mod dial;
mod error;
mod handle;
mod key;
mod metrics;
mod neighbours;
mod network_key;
mod ping;
mod relays;
mod resolve;
mod roster;
mod scope;
mod settings;
mod withdraw;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cidcast_exchange::Behaviour as Exchange;
use cidcast_runtime::Shutdown;
use libp2p::pnet::PreSharedKey;
use rust_ipfs::{Ipfs, Keypair, ListenerId, Multiaddr};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::DropGuard;

use crate::gossip::Gossip;
use crate::requests::{CLUSTER_PROTOCOL, Line, PROTOCOL};
use behaviour::Own;
use blocked::Blocked;
use bootstrap::BootstrapPeer;
use build::{Parts, build};
use ping::Pinger;
use relays::Relay;
use roster::Roster;

pub use address::{
    AddressError, ListenSocket, check_announce, check_bootstrap, check_listen, check_peer,
    check_private, check_relay, listen_socket,
};
pub use error::{ConnectError, DisconnectError, PingError, StartError, StopTimeout, SwarmFault};
pub use handle::{MAX_PINGS, NetworkKind, Reach, SwarmHandle};
pub use key::{KeyError, key_seed};
pub use metrics::Metrics;
pub use network_key::{NetworkKeyError, check_network_key};
pub use roster::{Connection, Direction, Nat, Peer, PeerEvent, PortMapping};
pub use rust_ipfs::PeerId;
pub use scope::{Scope, passed_on};
pub use settings::{Limits, Service, SwarmSettings};

pub(crate) use address::peer as parse_peer;
pub(crate) use dial::dial;
pub(crate) use key::load_or_create as load_or_create_key;
pub(crate) use resolve::dialable;
pub(crate) use withdraw::Withdrawals;

/// A running libp2p node.
pub struct Swarm {
    handle: SwarmHandle,
    listeners: Vec<ListenerId>,
    /// Resolves when the swarm task has dropped everything it owned.
    gone: oneshot::Receiver<()>,
    /// Those that keep connections. They hold the node alive, so they must end with this.
    tasks: Shutdown,
    _end_with_me: DropGuard,
    stop_deadline: Duration,
    withdrawals: Withdrawals,
}

/// Settings that have been read and found usable.
struct Checked {
    key: Keypair,
    network_key: Option<PreSharedKey>,
    /// As they were written, for errors.
    listen: Vec<(String, Multiaddr)>,
    announce: Vec<Multiaddr>,
    bootstrap: Vec<BootstrapPeer>,
    relays: Vec<Relay>,
}

impl Checked {
    fn new(settings: &SwarmSettings) -> Result<Self, StartError> {
        let listen = address::parse_listen(&settings.listen)?;
        let announce = address::parse_announce(&settings.announce)?;
        let bootstrap = bootstrap::parse(&settings.bootstrap)?;
        let relays = relays::parse(&settings.relays)?;
        let network_key = settings.network_key_file.as_deref();
        let network_key = network_key.map(network_key::load).transpose()?;
        let named = settings.listen.iter().cloned();
        let mut listen: Vec<_> = named.zip(listen).collect();
        if network_key.is_some() {
            check_private(&settings.listen, &settings.bootstrap)?;
            for (name, _) in listen.extract_if(.., |(_, address)| address::is_quic(address)) {
                tracing::warn!(
                    address = name,
                    "not listened on: a private network (swarm.key_file) has no QUIC"
                );
            }
        }
        Ok(Self {
            key: key::load_or_create(&settings.key_file)?,
            network_key,
            listen,
            announce,
            bootstrap,
            relays,
        })
    }
}

impl Swarm {
    /// Starts the swarm and waits until every listener is open. With an `exchange`, peers give each
    /// other blocks through it; without one, the node speaks no Bitswap.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(
        settings: SwarmSettings,
        exchange: Option<Exchange>,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError> {
        let mut checked = Checked::new(&settings)?;
        let tasks = shutdown.child();
        let bootstrap = std::mem::take(&mut checked.bootstrap);
        let relays = std::mem::take(&mut checked.relays);
        let swarm = tokio::select! {
            // Asked first: opening under a token that is cancelled already fails in its own words.
            biased;
            () = shutdown.triggered() => return Err(StartError::Interrupted),
            opened = Self::open(&settings, checked, exchange, tasks) => opened?,
        };
        swarm.keep_connections(&settings, bootstrap, relays);
        let peer = swarm.handle.peer;
        tracing::info!(%peer, listeners = swarm.listeners.len(), "swarm started");
        Ok(swarm)
    }

    /// Starts the tasks that dial.
    fn keep_connections(
        &self,
        settings: &SwarmSettings,
        bootstrap: Vec<BootstrapPeer>,
        relays: Vec<Relay>,
    ) {
        let (ipfs, retry) = (&self.handle.ipfs, settings.retry);
        let named = bootstrap.iter().map(|peer| peer.peer);
        let kept: BTreeSet<PeerId> = named.chain(relays.iter().map(|relay| relay.peer)).collect();
        for peer in bootstrap {
            self.spawn("bootstrap", bootstrap::keep(ipfs.clone(), peer, retry));
        }
        for relay in relays {
            self.spawn("relay", relays::keep(ipfs.clone(), relay, retry));
        }
        if settings.runs(Service::Mdns) {
            let roster = self.handle.roster.clone();
            let neighbours = neighbours::keep(ipfs.clone(), roster, kept, retry);
            self.spawn("neighbours", neighbours);
        }
    }

    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.tasks.token().clone();
        let until_stop = async move { token.run_until_cancelled(task).await };
        self.tasks.spawn(name, until_stop);
    }

    async fn open(
        settings: &SwarmSettings,
        checked: Checked,
        exchange: Option<Exchange>,
        tasks: Shutdown,
    ) -> Result<Self, StartError> {
        let (alive, gone) = oneshot::channel();
        let roster = Roster::default();
        let (pinger, ping) = Pinger::new(roster.clone());
        let (gossip, gossip_mounted) = Gossip::new(settings.metrics.gossip.clone())
            .map_err(|why| StartError::Swarm(SwarmFault(rust_ipfs::Error::msg(why))))?;
        let metrics = settings.metrics.requests.clone();
        let (line, requests) = Line::new(PROTOCOL, settings.requests.clone(), metrics);
        let metrics = settings.metrics.cluster_requests.clone();
        let (cluster_line, cluster_requests) =
            Line::new(CLUSTER_PROTOCOL, settings.requests.clone(), metrics);
        let withdrawals = Withdrawals::default();
        let blocked = Blocked::default();
        let network = match checked.network_key {
            Some(_) => NetworkKind::Private,
            None => NetworkKind::Open,
        };
        let parts = Parts {
            settings,
            key: &checked.key,
            network_key: checked.network_key,
            own: Own {
                blocked: blocked.clone(),
                exchange: exchange.into(),
                ping,
                gossip: gossip_mounted,
                requests,
                cluster_requests,
            },
            roster: roster.clone(),
            withdrawals: withdrawals.clone(),
            alive,
        };
        let mut swarm = Self {
            handle: SwarmHandle {
                ipfs: build(parts).await.map_err(StartError::Swarm)?,
                peer: checked.key.public().to_peer_id(),
                roster,
                pinger,
                gossip,
                line,
                cluster_line,
                blocked,
                network,
            },
            listeners: Vec::new(),
            gone,
            _end_with_me: tasks.token().clone().drop_guard(),
            tasks,
            stop_deadline: settings.stop_deadline,
            withdrawals,
        };
        let opened = swarm.listen(checked.listen, checked.announce, settings);
        match opened.await {
            Ok(()) => Ok(swarm),
            Err(error) => {
                let _ = swarm.stop().await;
                Err(error)
            }
        }
    }

    async fn listen(
        &mut self,
        listen: Vec<(String, Multiaddr)>,
        announce: Vec<Multiaddr>,
        settings: &SwarmSettings,
    ) -> Result<(), StartError> {
        let deadline = Instant::now() + settings.start_deadline;
        for (name, address) in listen {
            let opening = self.handle.ipfs.add_listening_address(address);
            let listener = match timeout_at(deadline, opening).await {
                Ok(Ok(listener)) => listener,
                Ok(Err(error)) => {
                    let source = SwarmFault(error);
                    return Err(StartError::Listen {
                        address: name,
                        source,
                    });
                }
                Err(_) => {
                    return Err(StartError::Slow {
                        address: name,
                        deadline: settings.start_deadline,
                    });
                }
            };
            self.listeners.push(listener);
        }
        for address in announce {
            let told = self.handle.ipfs.add_external_address(address).await;
            told.map_err(|error| StartError::Swarm(SwarmFault(error)))?;
        }
        Ok(())
    }

    /// What can be asked of it by others.
    pub fn handle(&self) -> SwarmHandle {
        self.handle.clone()
    }

    /// What the parts of this crate that fetch, provide and name run on.
    pub(crate) fn ipfs(&self) -> &Ipfs {
        &self.handle.ipfs
    }

    /// Whether only those with the network's key are in it.
    pub(crate) fn is_private(&self) -> bool {
        self.handle.network == NetworkKind::Private
    }

    /// This node's libp2p identity.
    pub fn peer_id(&self) -> String {
        self.handle.peer_id()
    }

    /// See [`SwarmHandle::listen_addresses`].
    pub async fn listen_addresses(&self) -> Vec<String> {
        self.handle.listen_addresses().await
    }

    pub(crate) fn withdrawals(&self) -> &Withdrawals {
        &self.withdrawals
    }

    /// How many peers are connected.
    pub async fn connected_peers(&self) -> usize {
        self.ipfs().connected().await.unwrap_or_default().len()
    }

    /// See [`SwarmHandle::connect`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the address is not usable or nobody with that peer id answers in time.
    pub async fn connect(&self, address: &str, deadline: Duration) -> Result<PeerId, ConnectError> {
        self.handle.connect(address, deadline).await
    }

    /// Closes the listeners, then the connections, then ends the swarm task.
    ///
    /// # Errors
    ///
    /// [`StopTimeout`] if this takes longer than [`SwarmSettings::stop_deadline`].
    pub async fn stop(self) -> Result<(), StopTimeout> {
        let deadline = self.stop_deadline;
        let mut sockets = Vec::new();
        let orderly = async {
            let _ = self.tasks.drain(deadline).await;
            let bound = self
                .handle
                .ipfs
                .listening_addresses()
                .await
                .unwrap_or_default();
            sockets.extend(bound.iter().filter_map(address::udp_socket));
            for listener in self.listeners {
                let _ = self.handle.ipfs.remove_listening_address(listener).await;
            }
            for peer in self.handle.ipfs.connected().await.unwrap_or_default() {
                let _ = self.handle.ipfs.disconnect(peer).await;
            }
        };
        // Half of the time for good manners; the rest is for the end itself.
        if timeout(deadline / 2, orderly).await.is_err() {
            tracing::warn!("the swarm's connections did not close in time");
        }
        let end = async {
            self.handle.ipfs.exit_daemon().await;
            // The sender is dropped, never used: an error is the expected answer.
            let _ = self.gone.await;
            for socket in sockets {
                until_free(socket).await;
            }
        };
        timeout(deadline / 2, end)
            .await
            .map_err(|_| StopTimeout { deadline })
    }
}

/// Waits until a QUIC socket is closed. QUIC keeps it for a while after the last connection (RFC
/// 9000 §10.2, three probe timeouts) and has no event for its end, so the socket itself is asked.
async fn until_free(socket: SocketAddr) {
    while let Err(error) = std::net::UdpSocket::bind(socket) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl std::fmt::Debug for Swarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swarm")
            .field("peer", &self.handle.peer)
            .finish_non_exhaustive()
    }
}
