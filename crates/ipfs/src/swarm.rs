//! The libp2p node: identity, listeners, connections.
//!
//! rust-ipfs carries it, with its block repository empty in memory and its Bitswap off. It runs
//! identify, ping, the DHT, gossip and the relay client; it runs no mDNS, no port mapping and no
//! DNS of its own (rust-ipfs would ask a public resolver), and knows no peer but the ones in
//! [`SwarmSettings::bootstrap`].
//!
//! Owns: the sockets, the swarm task, and a task for each bootstrap peer. Ends: with
//! [`Swarm::stop`], which ends the dialling, closes the listeners, then the connections, then waits
//! until the swarm task is gone; dropping a [`Swarm`] ends all tasks too, without waiting. Cancel
//! safety: a `start` that is dropped closes what it opened.

mod address;
mod bootstrap;
mod error;
mod key;
mod withdraw;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cidcast_exchange::Behaviour as Exchange;
use cidcast_runtime::Shutdown;
use rust_ipfs::builder::IpfsBuilder;
use rust_ipfs::p2p::{IdentifyConfiguration, PubsubConfig};
use rust_ipfs::{Ipfs, Keypair, ListenerId, Multiaddr, PeerId, Protocol, ping};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::DropGuard;

pub use address::{AddressError, check_bootstrap, check_listen};
pub use error::{ConnectError, StartError, StopTimeout, SwarmFault};
pub use key::KeyError;

pub(crate) use address::{dialable, peer as parse_peer};
pub(crate) use key::load_or_create as load_or_create_key;
pub(crate) use withdraw::Withdrawals;

/// QUIC connections without any packet for this long are gone (milliseconds).
const QUIC_IDLE_MILLIS: u32 = 30_000;
/// A third of the above, so that two lost packets in a row do not cost the connection.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Connections that no protocol uses are closed after this long.
const IDLE_SECONDS: u64 = 60;
/// Bounds on connections: what a small machine holds without thinking about it.
const MAX_CONNECTIONS: u32 = 1024;
const MAX_PENDING: u32 = 256;
const MAX_PER_PEER: u32 = 8;
/// An announcement has at most 64 KiB; the rest is room for its envelope.
const MAX_GOSSIP_BYTES: usize = 96 << 10;

/// How to run the swarm.
#[derive(Debug, Clone)]
pub struct SwarmSettings {
    /// File with the node's ed25519 key; made on first start, readable by its owner only.
    pub key_file: PathBuf,
    /// Multiaddresses to listen on: TCP, QUIC (`/udp/…/quic-v1`), WebSocket (`/tcp/…/ws`). Port 0
    /// picks a free port. Empty: dial only.
    pub listen: Vec<String>,
    /// Multiaddresses, with `/p2p/…`, of peers to stay connected to. Empty: contact nobody.
    pub bootstrap: Vec<String>,
    /// How often a bootstrap peer that is not connected is dialled.
    pub bootstrap_retry: Duration,
    /// How long all listeners together may take to start.
    pub start_deadline: Duration,
    /// How long [`Swarm::stop`] may take.
    pub stop_deadline: Duration,
}

impl SwarmSettings {
    /// A swarm that listens nowhere and knows nobody yet.
    pub fn new(key_file: impl Into<PathBuf>) -> Self {
        Self {
            key_file: key_file.into(),
            listen: Vec::new(),
            bootstrap: Vec::new(),
            bootstrap_retry: Duration::from_secs(15),
            start_deadline: Duration::from_secs(15),
            stop_deadline: Duration::from_secs(10),
        }
    }
}

/// A running libp2p node.
pub struct Swarm {
    ipfs: Ipfs,
    peer: PeerId,
    listeners: Vec<ListenerId>,
    /// Resolves when the swarm task has dropped everything it owned.
    gone: oneshot::Receiver<()>,
    /// Those of the bootstrap peers. They hold the node alive, so they must end with this.
    tasks: Shutdown,
    _end_with_me: DropGuard,
    stop_deadline: Duration,
    withdrawals: Withdrawals,
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
        let listen = address::parse_listen(&settings.listen)?;
        let bootstrap = bootstrap::parse(&settings.bootstrap)?;
        let key = key::load_or_create(&settings.key_file)?;
        let tasks = shutdown.child();
        let swarm = tokio::select! {
            // Asked first: opening under a token that is cancelled already fails in its own words.
            biased;
            () = shutdown.triggered() => return Err(StartError::Interrupted),
            opened = Self::open(&settings, &key, listen, exchange, tasks) => opened?,
        };
        for peer in bootstrap {
            let kept = bootstrap::keep(swarm.ipfs.clone(), peer, settings.bootstrap_retry);
            let token = swarm.tasks.token().clone();
            let until_stop = async move { token.run_until_cancelled(kept).await };
            swarm.tasks.spawn("bootstrap", until_stop);
        }
        tracing::info!(peer = %swarm.peer, listeners = swarm.listeners.len(), "swarm started");
        Ok(swarm)
    }

    async fn open(
        settings: &SwarmSettings,
        key: &Keypair,
        listen: Vec<Multiaddr>,
        exchange: Option<Exchange>,
        tasks: Shutdown,
    ) -> Result<Self, StartError> {
        let (alive, gone) = oneshot::channel();
        let withdrawals = Withdrawals::default();
        let ipfs = build(key, exchange, withdrawals.clone(), alive)
            .await
            .map_err(StartError::Swarm)?;
        let mut swarm = Self {
            ipfs,
            peer: key.public().to_peer_id(),
            listeners: Vec::new(),
            gone,
            _end_with_me: tasks.token().clone().drop_guard(),
            tasks,
            stop_deadline: settings.stop_deadline,
            withdrawals,
        };
        let deadline = Instant::now() + settings.start_deadline;
        for (address, name) in listen.into_iter().zip(&settings.listen) {
            let opening = swarm.ipfs.add_listening_address(address);
            let opened = match timeout_at(deadline, opening).await {
                Ok(Ok(listener)) => Ok(listener),
                Ok(Err(error)) => Err(StartError::Listen {
                    address: name.clone(),
                    source: SwarmFault(error),
                }),
                Err(_) => Err(StartError::Slow {
                    address: name.clone(),
                    deadline: settings.start_deadline,
                }),
            };
            match opened {
                Ok(listener) => swarm.listeners.push(listener),
                Err(error) => {
                    let _ = swarm.stop().await;
                    return Err(error);
                }
            }
        }
        Ok(swarm)
    }

    /// This node's libp2p identity.
    pub fn peer_id(&self) -> String {
        self.peer.to_string()
    }

    /// The addresses that listeners are bound to, with real ports and `/p2p/…`. Listeners on
    /// unspecified addresses have one for every network interface.
    pub async fn listen_addresses(&self) -> Vec<String> {
        let bound = self.ipfs.listening_addresses().await.unwrap_or_default();
        let with_peer = |address: Multiaddr| match address.iter().last() {
            Some(Protocol::P2p(_)) => address.to_string(),
            _ => address.with(Protocol::P2p(self.peer)).to_string(),
        };
        bound.into_iter().map(with_peer).collect()
    }

    /// What the parts of this crate that fetch, provide and name run on.
    pub(crate) fn ipfs(&self) -> &Ipfs {
        &self.ipfs
    }

    pub(crate) fn withdrawals(&self) -> &Withdrawals {
        &self.withdrawals
    }

    /// How many peers are connected.
    pub async fn connected_peers(&self) -> usize {
        self.ipfs.connected().await.unwrap_or_default().len()
    }

    /// Dials `address`, which must end in `/p2p/…`, and waits for the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the address is not usable or nobody with that peer id answers in time.
    pub async fn connect(&self, address: &str, deadline: Duration) -> Result<(), ConnectError> {
        dial(&self.ipfs, address, deadline).await
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
            let bound = self.ipfs.listening_addresses().await.unwrap_or_default();
            sockets.extend(bound.iter().filter_map(address::udp_socket));
            for listener in self.listeners {
                let _ = self.ipfs.remove_listening_address(listener).await;
            }
            for peer in self.ipfs.connected().await.unwrap_or_default() {
                let _ = self.ipfs.disconnect(peer).await;
            }
        };
        // Half of the time for good manners; the rest is for the end itself.
        if timeout(deadline / 2, orderly).await.is_err() {
            tracing::warn!("the swarm's connections did not close in time");
        }
        let end = async {
            self.ipfs.exit_daemon().await;
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

pub(crate) async fn dial(ipfs: &Ipfs, address: &str, deadline: Duration) -> Result<(), ConnectError> {
    let dialled = dialable(address).await?;
    let failed = |source| ConnectError::Dial {
        address: address.to_owned(),
        source,
    };
    match timeout(deadline, ipfs.connect(dialled)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(SwarmFault(error))),
        Err(_) => Err(ConnectError::Slow {
            address: address.to_owned(),
            deadline,
        }),
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
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

async fn build(
    key: &Keypair,
    exchange: Option<Exchange>,
    withdrawals: Withdrawals,
    alive: oneshot::Sender<()>,
) -> Result<Ipfs, SwarmFault> {
    let identify = IdentifyConfiguration {
        agent_version: concat!("cidcast/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..IdentifyConfiguration::default()
    };
    let gossip = PubsubConfig {
        max_transmit_size: MAX_GOSSIP_BYTES,
        ..PubsubConfig::default()
    };
    let mut builder =
        IpfsBuilder::<Exchange>::with_keypair(key).map_err(|error| SwarmFault(error.into()))?;
    if let Some(exchange) = exchange {
        builder = builder.with_custom_behaviour(|_| Ok(exchange));
    }
    builder
        .enable_tcp()
        .enable_quic_with_config(|mut quic| {
            quic.max_idle_timeout = QUIC_IDLE_MILLIS;
            quic.keep_alive_interval = QUIC_KEEP_ALIVE;
            quic
        })
        .enable_websocket()
        .with_identify(identify)
        .with_ping(ping::Config::new())
        .with_kademlia()
        .with_pubsub(gossip)
        .with_relay(true)
        .set_connection_limits(|limits| {
            limits
                .with_max_established(Some(MAX_CONNECTIONS))
                .with_max_established_per_peer(Some(MAX_PER_PEER))
                .with_max_pending_incoming(Some(MAX_PENDING))
                .with_max_pending_outgoing(Some(MAX_PENDING))
        })
        .set_idle_connection_timeout(IDLE_SECONDS)
        // The callback lives as long as the swarm task: what it holds is dropped with the sockets.
        .swarm_events(move |swarm, _| {
            let _ = &alive;
            let dht = swarm.behaviour_mut().kademlia.as_mut();
            if let Some(dht) = dht {
                for key in withdrawals.take() {
                    dht.stop_providing(&key);
                }
            }
        })
        .start()
        .await
        .map_err(SwarmFault)
}
