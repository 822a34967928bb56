//! One running node: everything is started here, in order, and stopped in the opposite order.
//!
//! Start: data directory and its lock → catalog → store → tools → sockets bound → exchange and swarm →
//! ingest → discovery → listeners answer → `run.json`. Stop: no new requests → workers drained → discovery → exchange and
//! swarm closed → catalog and store closed; each step has a deadline.

mod cluster;
mod discovery;
mod listener;
mod lock;
mod network;
mod news;
mod open_files;
mod pinning;
mod run_file;
mod settings;
mod start;
mod stop;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cidcast_catalog::Catalog;
use cidcast_discovery::Discovery;
use cidcast_ingest::Ingest;
use cidcast_ipfs::swarm::Swarm;
use cidcast_runtime::Shutdown;
use cidcast_store::Store;

use crate::config::DataDir;

pub(crate) use lock::NodeLock;
pub(crate) use open_files::{open_files_needed, raise_open_files};
pub(crate) use run_file::RunFile;
pub(crate) use settings::tool_settings;
pub(crate) use start::start;
pub(crate) use stop::{Stopped, stop_signal};
pub(crate) use token::{new_token, read_token};

/// A node that answers. [`Running::stop`] ends it; dropping it ends the process's work at once.
pub(crate) struct Running {
    catalog: Catalog,
    store: Store,
    swarm: Swarm,
    discovery: Arc<Discovery>,
    exchange_tasks: Shutdown,
    ingest: Ingest,
    /// The listeners, their connections and event streams.
    intake: Shutdown,
    data_dir: DataDir,
    /// Held until the process has stopped.
    lock: NodeLock,
    addresses: Addresses,
}

/// Where a node can be reached.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) api: SocketAddr,
    pub(crate) gateway: SocketAddr,
    pub(crate) swarm: Vec<String>,
    pub(crate) peer_id: String,
    pub(crate) data_dir: PathBuf,
}

impl Running {
    /// Where it can be reached.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

#[cfg(test)]
mod tests;
