//! The libp2p node: identity, listeners, connections.
//!
//! rust-ipfs carries it, with its block repository empty in memory and its Bitswap off. It runs
//! identify, ping, the DHT, gossip and the relay client; it runs no mDNS, no port mapping and no
//! DNS of its own (rust-ipfs would ask a public resolver), and knows no peer but the ones in
//! [`SwarmSettings::bootstrap`].
//!
//! Owns: the sockets and the swarm task. Ends: with [`Swarm::stop`], which closes the listeners,
//! then the connections, then waits until the task is gone; dropping a [`Swarm`] ends the task too,
//! without waiting. Cancel safety: a `start` that is dropped closes what it opened.

mod address;
mod key;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cidcast_runtime::Shutdown;
use rust_ipfs::builder::DefaultIpfsBuilder;
use rust_ipfs::p2p::{IdentifyConfiguration, PubsubConfig};
use rust_ipfs::{AddPeerOpt, Ipfs, Keypair, ListenerId, Multiaddr, PeerId, Protocol, ping};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

pub use address::{AddressError, check_bootstrap, check_listen};
pub use key::KeyError;

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
            start_deadline: Duration::from_secs(15),
            stop_deadline: Duration::from_secs(10),
        }
    }
}

/// Why the swarm did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The node has no usable identity.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A setting is not a usable multiaddress.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// rust-ipfs refused to start.
    #[error("the swarm did not start; run again with RUST_LOG=debug to see why")]
    Swarm(#[source] SwarmFault),
    /// A listener did not open.
    #[error("cannot listen on {address}; is the port taken? choose another or use port 0")]
    Listen {
        /// The address as it was configured.
        address: String,
        /// What the transport says.
        source: SwarmFault,
    },
    /// Listeners took too long.
    #[error("listening on {address} took longer than {deadline:?}; check the address")]
    Slow {
        /// The address that was being opened.
        address: String,
        /// The deadline.
        deadline: Duration,
    },
    /// The node was told to stop while it was starting.
    #[error("the node was told to stop while its swarm was starting; start it again")]
    Interrupted,
}

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not usable.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Dialling failed.
    #[error("{address} cannot be reached; is the node running, and is its peer id right?")]
    Dial {
        /// The address that was dialled.
        address: String,
        /// What the swarm says.
        source: SwarmFault,
    },
    /// Dialling took too long.
    #[error("{address} did not answer within {deadline:?}; is it behind a firewall?")]
    Slow {
        /// The address that was dialled.
        address: String,
        /// The deadline.
        deadline: Duration,
    },
}

/// The swarm did not end in time. Its sockets may stay open until the process ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the swarm was still running {deadline:?} after it was told to stop")]
pub struct StopTimeout {
    /// The deadline.
    pub deadline: Duration,
}

/// What rust-ipfs says about a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct SwarmFault(rust_ipfs::Error);

/// A running libp2p node.
pub struct Swarm {
    ipfs: Ipfs,
    peer: PeerId,
    listeners: Vec<ListenerId>,
    /// Resolves when the swarm task has dropped everything it owned.
    gone: oneshot::Receiver<()>,
    stop_deadline: Duration,
}

impl Swarm {
    /// Starts the swarm and waits until every listener is open.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(settings: SwarmSettings, shutdown: &Shutdown) -> Result<Self, StartError> {
        let listen = address::parse_listen(&settings.listen)?;
        let bootstrap = address::parse_bootstrap(&settings.bootstrap).await?;
        let key = key::load_or_create(&settings.key_file)?;
        tokio::select! {
            started = Self::open(&settings, &key, listen, bootstrap) => started,
            () = shutdown.triggered() => Err(StartError::Interrupted),
        }
    }

    async fn open(
        settings: &SwarmSettings,
        key: &Keypair,
        listen: Vec<Multiaddr>,
        bootstrap: Vec<(PeerId, Multiaddr)>,
    ) -> Result<Self, StartError> {
        let (alive, gone) = oneshot::channel();
        let ipfs = build(key, alive).await.map_err(StartError::Swarm)?;
        let mut swarm = Self {
            ipfs,
            peer: key.public().to_peer_id(),
            listeners: Vec::new(),
            gone,
            stop_deadline: settings.stop_deadline,
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
        for (peer, address) in bootstrap {
            let known = AddPeerOpt::with_peer_id(peer)
                .add_address(address)
                .set_dial(true)
                .keepalive();
            if let Err(error) = swarm.ipfs.add_peer(known).await {
                tracing::warn!(%peer, %error, "bootstrap peer not taken");
            }
        }
        tracing::info!(peer = %swarm.peer, listeners = swarm.listeners.len(), "swarm started");
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
        let dialled = address::dialable(address).await?;
        match timeout(deadline, self.ipfs.connect(dialled)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ConnectError::Dial {
                address: address.to_owned(),
                source: SwarmFault(error),
            }),
            Err(_) => Err(ConnectError::Slow {
                address: address.to_owned(),
                deadline,
            }),
        }
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

async fn build(key: &Keypair, alive: oneshot::Sender<()>) -> Result<Ipfs, SwarmFault> {
    let identify = IdentifyConfiguration {
        agent_version: concat!("cidcast/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..IdentifyConfiguration::default()
    };
    let gossip = PubsubConfig {
        max_transmit_size: MAX_GOSSIP_BYTES,
        ..PubsubConfig::default()
    };
    DefaultIpfsBuilder::with_keypair(key)
        .map_err(|error| SwarmFault(error.into()))?
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
        .swarm_events(move |_, _| {
            let _ = &alive;
        })
        .start()
        .await
        .map_err(SwarmFault)
}
