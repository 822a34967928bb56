//! What can go wrong with the swarm, one error per operation.

use std::time::Duration;

use rust_ipfs::PeerId;

use super::{AddressError, KeyError, NetworkKeyError};

/// Why the swarm did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The node has no usable identity.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key of the private network is not usable.
    #[error(transparent)]
    NetworkKey(#[from] NetworkKeyError),
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

/// Why a peer was not disconnected.
#[derive(Debug, thiserror::Error)]
pub enum DisconnectError {
    /// It is not connected.
    #[error("{peer} is not connected; `cidcast peer ls` shows who is")]
    NotConnected {
        /// Who.
        peer: PeerId,
    },
    /// The swarm failed.
    #[error("the connection with {peer} did not close properly")]
    Swarm {
        /// Who.
        peer: PeerId,
        /// What the swarm says.
        source: SwarmFault,
    },
}

/// Why a peer was not pinged.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// It is not connected.
    #[error("{peer} is not connected; connect to it first: cidcast peer connect ADDRESS")]
    NotConnected {
        /// Who.
        peer: PeerId,
    },
    /// It does not speak the protocol, or its connection has just closed.
    #[error("{peer} does not take pings; if it has just disconnected, connect to it again")]
    NoStream {
        /// Who.
        peer: PeerId,
    },
    /// It answered wrongly or its connection broke.
    #[error("the ping to {peer} failed; try again, it may have disconnected")]
    Broken {
        /// Who.
        peer: PeerId,
        /// How.
        source: std::io::Error,
    },
    /// It did not answer.
    #[error("{peer} did not answer within {deadline:?}; its connection may be dead or very slow")]
    Slow {
        /// Who.
        peer: PeerId,
        /// How long was waited.
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
pub struct SwarmFault(pub(super) rust_ipfs::Error);
