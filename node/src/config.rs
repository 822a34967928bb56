//! What the operator may decide: one YAML file, environment overrides, checked before use.
//!
//! Every key is optional and has a default; `config/cidcast.yaml` lists them all. Unknown keys are
//! refused with the nearest known name. The types below are the file's shape and nothing else:
//! each part of the node gets its own settings made from them in `serve`.

mod check;
mod cluster;
mod discovery;
mod load;
mod pinning;
mod replication;
mod sources;
mod units;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cidcast_media::plan::LadderSettings;
use serde::{Deserialize, Serialize};

pub(crate) use check::{check, dns_server};
pub(crate) use cluster::{CLUSTER_SERVICE, Cluster, Engine};
pub(crate) use discovery::{Discovery, Followers, Mode, Refused};
pub(crate) use load::{ConfigError, from_environment, from_text};
pub(crate) use pinning::{Pinning, RemoteService, ServiceAssets, ServiceKind};
pub(crate) use replication::Replication;
pub(crate) use sources::{DataDir, DataDirError, FirstRun, Locations, read, read_file};
pub(crate) use units::{ByteSize, Span, Switch};

/// The file that documents every key, embedded so that a first run can leave a copy.
pub(crate) const DOCUMENTED: &str = include_str!("../../config/cidcast.yaml");

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) api: Api,
    pub(crate) gateway: Gateway,
    pub(crate) swarm: Swarm,
    pub(crate) network: Network,
    pub(crate) discovery: Discovery,
    pub(crate) replication: Replication,
    pub(crate) cluster: Cluster,
    pub(crate) pinning: Pinning,
    pub(crate) upload: Upload,
    pub(crate) transcode: Transcode,
    pub(crate) ingest: Ingest,
    pub(crate) store: Store,
    pub(crate) log: Log,
}

/// The API listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Api {
    /// Address and port; port 0 picks a free one.
    #[serde(with = "units::address")]
    pub(crate) listen: SocketAddr,
    /// Who may call the API. With none, only this machine may.
    pub(crate) tokens: Vec<Token>,
    /// Host names, besides the listening address and localhost, under which the API is reached.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of other web apps that may call the API from a browser.
    pub(crate) allowed_origins: Vec<String>,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    /// Longest time for a request that is not an upload, a download or an event stream.
    pub(crate) request_timeout: Span,
}

/// A bearer token, known here only by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Shown in logs.
    pub(crate) name: String,
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub(crate) sha256: String,
    /// What its bearer may do.
    pub(crate) scopes: Vec<Scope>,
}

/// What a bearer may do. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// See assets, jobs, pins, events and metrics; play what is private.
    Read,
    /// Upload, edit, publish, retry and delete.
    Write,
    /// Everything, including verifying the store and importing into it.
    Admin,
}

/// The gateway listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Address and port; port 0 picks a free one.
    #[serde(with = "units::address")]
    pub(crate) listen: SocketAddr,
    /// How viewers reach the gateway, without a trailing slash.
    pub(crate) public_url: Option<String>,
    /// Host names, besides the listening address and localhost, under which it is reached.
    pub(crate) allowed_hosts: Vec<String>,
    /// Connections at a time.
    pub(crate) max_connections: usize,
}

/// The IPFS swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Swarm {
    /// Multiaddresses to listen on.
    pub(crate) listen: Vec<String>,
    /// Multiaddresses of peers to join, with `/p2p/…`, or `ipfs`. None: nothing leaves this machine
    /// unasked.
    pub(crate) bootstrap: Vec<String>,
    /// Multiaddresses under which others reach this node, besides those that it finds itself.
    pub(crate) announce: Vec<String>,
    /// Multiaddresses of relays, with `/p2p/…`, through which others may reach this node.
    pub(crate) relays: Vec<String>,
    /// Find nodes in the local network.
    pub(crate) mdns: Switch,
    /// Learn from connected peers whether this node can be reached.
    pub(crate) autonat: Switch,
    /// Ask the router to forward the listening ports.
    pub(crate) upnp: Switch,
    /// Let others be reached through this node.
    pub(crate) relay_server: Switch,
    /// Key of a private network; none: the open network.
    pub(crate) key_file: Option<PathBuf>,
    /// Connections at a time.
    pub(crate) max_connections: u32,
    /// Connections at a time with one peer.
    pub(crate) max_connections_per_peer: u32,
}

/// Where content comes from that is not here, and who is told what is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Network {
    /// Base URLs of delegated routers (`/routing/v1`).
    pub(crate) routers: Vec<String>,
    /// Base URLs of trustless HTTP gateways.
    pub(crate) http_gateways: Vec<String>,
    /// PEM file of certification authorities that those may have their certificates from.
    pub(crate) ca_file: Option<PathBuf>,
    /// How long nothing may move for a block before it is given up.
    pub(crate) fetch_timeout: Span,
    /// Disk space that viewers' reads of other people's content may take.
    pub(crate) visit_space: ByteSize,
    /// What the DHT is told of.
    pub(crate) provide: Provide,
    /// How often it is told again.
    pub(crate) reprovide_every: Span,
    /// What part this node takes in the DHT.
    pub(crate) dht: Dht,
    /// DNS servers for DNSLink; none: the system's.
    pub(crate) dns: Vec<String>,
}

/// What the DHT is told of: only ever content that is open to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provide {
    /// Root CIDs of packages.
    Roots,
    /// Root CIDs and every file and directory below them.
    Entities,
    /// Nothing.
    None,
}

/// What part this node takes in the DHT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dht {
    /// Answers others once it is known to be reachable.
    Auto,
    /// Asks only.
    Client,
    /// Answers others from the start.
    Server,
}

/// What may be uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upload {
    /// Largest source.
    pub(crate) max_bytes: ByteSize,
    /// An unfinished upload that nobody continues is removed after this.
    pub(crate) expire_after: Span,
    /// Free disk space that an upload must leave.
    pub(crate) min_free: ByteSize,
}

/// How sources are read and encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Transcode {
    /// Path of the program; none: the one in `PATH`.
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Path of the program; none: the one in `PATH`.
    pub(crate) ffprobe: Option<PathBuf>,
    /// Encoder processes at a time; none: as many as the processor has cores.
    pub(crate) parallel: Option<usize>,
    /// x264 preset.
    pub(crate) preset: String,
    /// Constant-quality target, 0 to 51; lower is better and larger.
    pub(crate) crf: u32,
    /// Shorter side of the best rendition, in pixels.
    pub(crate) max_short_side: u32,
    /// Longest source.
    pub(crate) max_duration: Span,
    /// Longest time for reading a source's properties.
    pub(crate) probe_timeout: Span,
    /// Process priority, 0 (normal) to 19 (last).
    pub(crate) nice: u8,
}

impl Transcode {
    /// The ladder that is asked for, in range or not.
    pub(crate) fn ladder(&self) -> LadderSettings {
        LadderSettings {
            max_short_side: self.max_short_side,
            crf: self.crf,
            preset: self.preset.clone(),
            ..LadderSettings::default()
        }
    }
}

/// The write path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ingest {
    /// Assets worked on at a time.
    pub(crate) jobs: usize,
    /// What happens to a source once its asset is ready.
    pub(crate) keep_source: KeepSource,
}

/// What happens to a source once its asset is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeepSource {
    /// Deleted.
    Never,
    /// Kept until the asset is deleted.
    Always,
}

/// The block store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// Where blocks lie; none: `store` in the data directory.
    pub(crate) dir: Option<PathBuf>,
}

/// Diagnostics on standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// A level, or directives such as `info,cidcast_ingest=debug`.
    pub(crate) level: String,
    /// How lines look.
    pub(crate) format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: loopback(7878),
            tokens: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 1024,
            request_timeout: Span::new(Duration::from_secs(30)),
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: loopback(8787),
            public_url: None,
            allowed_hosts: Vec::new(),
            max_connections: 4096,
        }
    }
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            listen: vec![
                "/ip4/0.0.0.0/tcp/4747".into(),
                "/ip4/0.0.0.0/udp/4747/quic-v1".into(),
            ],
            bootstrap: Vec::new(),
            announce: Vec::new(),
            relays: Vec::new(),
            mdns: Switch::Off,
            autonat: Switch::On,
            upnp: Switch::Off,
            relay_server: Switch::Off,
            key_file: None,
            max_connections: 1024,
            max_connections_per_peer: 8,
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            routers: Vec::new(),
            http_gateways: Vec::new(),
            ca_file: None,
            fetch_timeout: Span::new(Duration::from_secs(30)),
            visit_space: ByteSize::gib(4),
            provide: Provide::Roots,
            reprovide_every: Span::new(Duration::from_secs(22 * 3600)),
            dht: Dht::Auto,
            dns: Vec::new(),
        }
    }
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            max_bytes: ByteSize::gib(64),
            expire_after: Span::new(Duration::from_secs(24 * 3600)),
            min_free: ByteSize::gib(1),
        }
    }
}

impl Default for Transcode {
    fn default() -> Self {
        Self {
            ffmpeg: None,
            ffprobe: None,
            parallel: None,
            preset: "veryfast".into(),
            crf: 23,
            max_short_side: 1080,
            max_duration: Span::new(Duration::from_secs(12 * 3600)),
            probe_timeout: Span::new(Duration::from_secs(60)),
            nice: 10,
        }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            jobs: 2,
            keep_source: KeepSource::Never,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests;
