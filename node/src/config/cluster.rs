//! The cluster: what this node offers, and how patient it is.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pinning::{RemoteService, Secret, ServiceAssets, ServiceKind};
use super::{ByteSize, Config, Span};

/// What this node offers the cluster, and how patient it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// What keeps copies on several nodes.
    pub(crate) engine: Engine,
    /// Of an IPFS Cluster: base URL of its REST API.
    pub(crate) endpoint: Option<String>,
    /// And `user:password`, if it wants one.
    pub(crate) token: Option<Secret>,
    /// A file with it, instead.
    pub(crate) token_file: Option<PathBuf>,
    /// Bytes for copies; none: what the disk has.
    pub(crate) capacity: Option<ByteSize>,
    /// Free disk space below which nothing new is taken.
    pub(crate) reserve: ByteSize,
    /// Copies of what is pinned without saying how many: fewer are repaired.
    pub(crate) min_copies: u16,
    /// And that many there should be.
    pub(crate) max_copies: u16,
    /// Between two heartbeats.
    pub(crate) heartbeat: Span,
    /// A member that is silent for so long is not counted on.
    pub(crate) deadline: Span,
    /// For how long after that its copies are not made anew.
    pub(crate) grace: Span,
    /// For how long a surplus copy is kept.
    pub(crate) trim_delay: Span,
    /// Between two challenges, and between two checks of own copies.
    pub(crate) audit_interval: Span,
    /// Roots fetched at a time.
    pub(crate) parallel: usize,
}

/// What keeps copies on several nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// cidcast nodes among each other.
    #[default]
    Embedded,
    /// An IPFS Cluster.
    IpfsCluster,
}

/// What the IPFS Cluster that takes the place of the embedded engine is called among the services.
pub(crate) const CLUSTER_SERVICE: &str = "cluster";

impl Config {
    /// The IPFS Cluster that takes the place of the embedded engine, as a service.
    pub(crate) fn cluster_service(&self) -> Option<RemoteService> {
        let cluster = &self.cluster;
        match cluster.engine {
            Engine::Embedded => None,
            Engine::IpfsCluster => Some(RemoteService {
                name: CLUSTER_SERVICE.to_owned(),
                endpoint: cluster.endpoint.clone().unwrap_or_default(),
                kind: ServiceKind::IpfsCluster,
                token: cluster.token.clone(),
                token_file: cluster.token_file.clone(),
                region: None,
                // Its peers are strangers: what is private never reaches them.
                assets: ServiceAssets::Shared,
            }),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        let secs = |secs| Span::new(Duration::from_secs(secs));
        Self {
            engine: Engine::default(),
            endpoint: None,
            token: None,
            token_file: None,
            capacity: None,
            reserve: ByteSize::gib(1),
            min_copies: 2,
            max_copies: 3,
            heartbeat: secs(5),
            deadline: secs(30),
            grace: secs(5 * 60),
            trim_delay: secs(10 * 60),
            audit_interval: secs(60),
            parallel: 4,
        }
    }
}
