//! The configuration as the settings of each part.

use std::time::Duration;

use cidcast_gateway as gateway;
use cidcast_ingest as ingest;
use cidcast_ipfs::names::NameSettings;
use cidcast_ipfs::swarm::{self, Limits, Service, SwarmSettings};
use cidcast_ipfs::{DhtRole, Flow, NetworkSettings};
use cidcast_runtime::Backoff;
use cidcast_store::{Metrics, StoreSettings};
use cidcast_transcode::{ProbeLimits, ToolSettings};
use cidcast_types::Micros;

use crate::config::{ByteSize, Config, DataDir, Dht, KeepSource, Switch, dns_server};

/// A full disk or a killed encoder: soon at first, then patiently, for about two hours.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(5),
    factor: 2,
    ceiling: Duration::from_secs(600),
    attempts: 18,
};

pub(crate) fn tool_settings(config: &Config) -> ToolSettings {
    ToolSettings {
        ffmpeg: config.transcode.ffmpeg.clone(),
        ffprobe: config.transcode.ffprobe.clone(),
        niceness: config.transcode.nice,
        ..ToolSettings::default()
    }
}

pub(super) fn store(metrics: Metrics) -> StoreSettings {
    StoreSettings {
        metrics,
        ..StoreSettings::default()
    }
}

/// How fast what is pinned by hand may come here.
pub(super) fn pin_flow(config: &Config) -> Flow {
    match config.replication.rate.map(ByteSize::bytes) {
        None => Flow::Free,
        Some(0) => Flow::Paused,
        Some(bytes) => Flow::Rate(bytes),
    }
}

pub(super) fn swarm(config: &Config, data_dir: &DataDir, metrics: swarm::Metrics) -> SwarmSettings {
    let swarm = &config.swarm;
    let switches = [
        (swarm.mdns, Service::Mdns),
        (swarm.autonat, Service::AutoNat),
        (swarm.upnp, Service::Upnp),
        (swarm.relay_server, Service::RelayServer),
    ];
    let on = |(switch, service)| (switch == Switch::On).then_some(service);
    SwarmSettings {
        network_key_file: swarm.key_file.clone(),
        listen: swarm.listen.clone(),
        announce: swarm.announce.clone(),
        bootstrap: swarm.bootstrap.clone(),
        relays: swarm.relays.clone(),
        services: switches.into_iter().filter_map(on).collect(),
        limits: Limits {
            connections: swarm.max_connections,
            per_peer: swarm.max_connections_per_peer,
        },
        metrics,
        ..SwarmSettings::new(data_dir.swarm_key_file())
    }
}

pub(super) fn network(config: &Config) -> NetworkSettings {
    let network = &config.network;
    NetworkSettings {
        routers: network.routers.clone(),
        http_gateways: network.http_gateways.clone(),
        ca_file: network.ca_file.clone(),
        fetch_timeout: network.fetch_timeout.duration(),
        dht: match network.dht {
            Dht::Auto => DhtRole::Auto,
            Dht::Client => DhtRole::Client,
            Dht::Server => DhtRole::Server,
        },
        visit_bytes: network.visit_space.bytes(),
    }
}

pub(super) fn names(config: &Config, data_dir: &DataDir) -> NameSettings {
    let servers = config.network.dns.iter();
    NameSettings {
        dns_servers: servers.filter_map(|text| dns_server(text)).collect(),
        ..NameSettings::new(data_dir.names_folder())
    }
}

pub(super) fn ingest(config: &Config, data_dir: &DataDir) -> ingest::IngestSettings {
    let transcode = &config.transcode;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let longest = u64::try_from(transcode.max_duration.duration().as_micros()).unwrap_or(u64::MAX);
    ingest::IngestSettings {
        data_dir: data_dir.path().to_owned(),
        max_source_bytes: config.upload.max_bytes.bytes(),
        upload_expiry: config.upload.expire_after.duration(),
        min_free_bytes: config.upload.min_free.bytes(),
        ladder: transcode.ladder(),
        probe: ProbeLimits {
            max_bytes: config.upload.max_bytes.bytes(),
            max_duration: Micros(longest),
            timeout: transcode.probe_timeout.duration(),
        },
        jobs: config.ingest.jobs,
        parallel: transcode.parallel.unwrap_or(cores),
        retry: RETRY,
        keep_source: match config.ingest.keep_source {
            KeepSource::Never => ingest::KeepSource::Delete,
            KeepSource::Always => ingest::KeepSource::Keep,
        },
    }
}

pub(super) fn gateway(config: &Config) -> gateway::Settings {
    let reach = if config.gateway.listen.ip().is_loopback() {
        gateway::Reach::Loopback
    } else {
        gateway::Reach::Network
    };
    let public_host = config.gateway.public_url.as_deref().and_then(host_of);
    let named = config.gateway.allowed_hosts.iter().cloned();
    let defaults = gateway::Settings::new(reach);
    // A block of the network may take as long as it may; giving up is then its own business.
    let longest = config.network.fetch_timeout.duration() + Duration::from_secs(5);
    gateway::Settings {
        public_hosts: named.chain(public_host).collect(),
        public_url: config.gateway.public_url.clone(),
        limits: gateway::Limits {
            read_deadline: defaults.limits.read_deadline.max(longest),
            ..defaults.limits
        },
        ..defaults
    }
}

/// The host name in a URL, without port.
fn host_of(url: &str) -> Option<String> {
    let uri: axum::http::Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}
