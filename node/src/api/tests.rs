//! The router as a client meets it: real catalog, store and write path, no socket.

mod access;
mod assets;
mod cluster;
mod description;
mod network;
mod peers;
mod pins;
mod psa;
mod site;
mod sources;
mod tus;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use cidcast_announce::NodeKey;
use cidcast_announce::cluster::Copies;
use cidcast_catalog::Catalog;
use cidcast_cluster::service::{Cluster, ClusterMetrics, ClusterParts, ClusterSettings};
use cidcast_discovery::feeds::FeedSettings;
use cidcast_discovery::follow::FollowersRule;
use cidcast_discovery::replication::ReplicationSettings;
use cidcast_discovery::trust::TrustSettings;
use cidcast_discovery::views::TakeViews;
use cidcast_discovery::{Discovery, DiscoveryArgs};
use cidcast_exchange::{Exchange, ExchangeSettings};
use cidcast_ingest::{Ingest, IngestSettings, KeepSource, Parties};
use cidcast_ipfs::Blocks;
use cidcast_ipfs::names::{NameSettings, Names};
use cidcast_ipfs::pinner::Pinner;
use cidcast_ipfs::provide::{Provider, ProviderSettings};
use cidcast_ipfs::swarm::{Swarm, SwarmSettings, key_seed};
use cidcast_ipfs::{Network, NetworkSettings};
use cidcast_media::plan::LadderSettings;
use cidcast_pinning::remotes::{RemoteMetrics, RemoteParts, Remotes};
use cidcast_pinning::service::{PinningService, ServiceMetrics, ServiceParts};
use cidcast_runtime::{Backoff, Clock, Shutdown};
use cidcast_store::{Store, StoreSettings};
use cidcast_transcode::{ProbeLimits, ToolSettings, Tools};
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::{Api, Door, Facts, Gateway, InFlight, Metrics, Rules, Site};
use crate::config::{Scope, Token};

/// The largest source that the test node takes.
const MAX_SOURCE: u64 = 1 << 20;
/// Only a stuck node takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A root that nobody has.
const ABSENT: &str = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

/// Looked for once: finding the tools tries their encoders.
static TOOLS: LazyLock<Tools> =
    LazyLock::new(|| Tools::locate(&ToolSettings::default()).expect("the tests need ffmpeg"));

/// A token that is configured.
fn token(text: &str, scope: Scope) -> Token {
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    Token {
        name: text.to_owned(),
        sha256,
        scopes: vec![scope],
    }
}

/// A node without sockets.
struct TestNode {
    router: Router,
    shutdown: Shutdown,
    ingest: Ingest,
    catalog: Catalog,
    swarm: Swarm,
    store: Store,
    _dir: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
            .to_str()
            .unwrap()
    }

    /// The code of a problem document, after checking that it is one.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(!json["title"].as_str().unwrap().is_empty());
        assert!(!json["detail"].as_str().unwrap().is_empty());
        json["type"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:cidcast:problem:")
            .unwrap()
            .to_owned()
    }
}

impl TestNode {
    async fn new() -> Self {
        Self::with_tokens(&[]).await
    }

    async fn with_tokens(tokens: &[Token]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::new();
        let catalog = Catalog::in_memory().await.unwrap();
        let store = Store::open(&dir.path().join("store"), StoreSettings::default()).unwrap();
        let parties = Parties {
            catalog: catalog.clone(),
            store: store.clone(),
            blocks: Blocks::new(store.clone()),
            tools: TOOLS.clone(),
            clock: Clock::System,
        };
        let mut registry = Registry::default();
        let metrics = cidcast_ingest::Metrics::register(&mut registry);
        let settings = ingest_settings(dir.path());
        let ingest = Ingest::start(settings, parties, metrics, &shutdown).await;
        let ingest = ingest.unwrap();
        let settings = ExchangeSettings::default();
        let (exchange, behaviour) =
            Exchange::start(store.clone(), settings, &mut registry, &shutdown);
        let swarm = Swarm::start(swarm_settings(dir.path()), Some(behaviour), &shutdown)
            .await
            .unwrap();
        let parts = (&swarm, &exchange, &store);
        let (network, names) = reachable(dir.path(), parts, &shutdown).await;
        let discovery = discovery(
            dir.path(),
            (&catalog, &store, &swarm),
            (&network, &names),
            &mut registry,
        );
        let discovery = Discovery::start(discovery, &shutdown).await.unwrap();
        let pinner = Pinner::start(network.clone(), store.clone(), Clock::System, &shutdown);
        let pinner = pinner.await.unwrap();
        let service = service(&catalog, &store, &pinner, &swarm, &shutdown);
        let parts = (&catalog, &store, &pinner, &swarm, &network);
        let cluster = cluster(dir.path(), parts, &shutdown).await;
        let remotes = remotes((&catalog, &store), &network, &swarm, &shutdown);
        let provider = Provider::start(&swarm, ProviderSettings::default(), &shutdown);
        let rules = rules(tokens, Metrics::register(&mut registry));
        let api = Api {
            ingest: ingest.clone(),
            catalog: catalog.clone(),
            store: store.clone(),
            swarm: swarm.handle(),
            exchange,
            network,
            names,
            discovery: Arc::new(discovery),
            clock: Clock::System,
            pinner,
            service,
            cluster,
            remotes,
            provider,
            gateway: Gateway::Bound("127.0.0.1:8787".parse().unwrap()),
            registry: Arc::new(registry),
            shutdown: shutdown.clone(),
            facts: facts(dir.path(), &swarm.peer_id()),
        };
        Self {
            router: super::router(Arc::new(api), rules),
            shutdown,
            ingest,
            catalog,
            swarm,
            store,
            _dir: dir,
        }
    }

    /// Sends a request from this machine.
    async fn send(&self, request: axum::http::request::Builder, body: impl Into<Body>) -> Answer {
        self.send_from("127.0.0.1:50000", request, body).await
    }

    async fn send_from(
        &self,
        peer: &str,
        request: axum::http::request::Builder,
        body: impl Into<Body>,
    ) -> Answer {
        let response = self.respond(peer, request, body).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn respond(
        &self,
        peer: &str,
        request: axum::http::request::Builder,
        body: impl Into<Body>,
    ) -> axum::response::Response {
        let mut request = request.body(body.into()).unwrap();
        request
            .headers_mut()
            .entry("host")
            .or_insert("127.0.0.1:7878".parse().unwrap());
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Uploads something that is not a video; answers its id.
    async fn add(&self, name: &str) -> String {
        let answer = self
            .send(
                Request::put(format!("/api/v1/uploads/{name}")),
                "not a video",
            )
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

async fn reachable(
    dir: &Path,
    (swarm, exchange, store): (&Swarm, &Exchange, &Store),
    shutdown: &Shutdown,
) -> (Network, Names) {
    let settings = NetworkSettings {
        fetch_timeout: Duration::from_secs(10),
        ..NetworkSettings::default()
    };
    let (exchange, store) = (exchange.clone(), store.clone());
    let network = Network::start(swarm, exchange, store, settings, shutdown);
    let network = network.await.unwrap();
    let names = NameSettings::new(dir.join("names"));
    let names = Names::start(network.clone(), names, shutdown).unwrap();
    (network, names)
}

fn swarm_settings(dir: &Path) -> SwarmSettings {
    SwarmSettings {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        ..SwarmSettings::new(dir.join("peer.key"))
    }
}

fn discovery(
    dir: &Path,
    (catalog, store, swarm): (&Catalog, &Store, &Swarm),
    (network, names): (&Network, &Names),
    registry: &mut Registry,
) -> DiscoveryArgs {
    DiscoveryArgs {
        catalog: catalog.clone(),
        store: store.clone(),
        swarm: swarm.handle(),
        clock: Clock::System,
        key_file: dir.join("publisher.key"),
        metrics: cidcast_discovery::feeds::Metrics::register(registry),
        figures: cidcast_discovery::figures::Figures::register(registry),
        feeds: FeedSettings::default(),
        network: network.clone(),
        names: names.clone(),
        blocks: Blocks::new(store.clone()),
        node_key: Arc::new(NodeKey::from_seed([9; 32])),
        bootstrap: Vec::new(),
        trust: TrustSettings::default(),
        followers: FollowersRule::default(),
        replication: ReplicationSettings::default(),
        watched: TakeViews::new(Vec::new),
    }
}

/// No service keeps anything for it.
fn remotes(
    (catalog, store): (&Catalog, &Store),
    network: &Network,
    swarm: &Swarm,
    shutdown: &Shutdown,
) -> Remotes {
    let parts = RemoteParts {
        catalog: catalog.clone(),
        store: store.clone(),
        http: network.http().clone(),
        swarm: swarm.handle(),
        clock: Clock::System,
        metrics: RemoteMetrics::default(),
    };
    Remotes::start(parts, Vec::new(), shutdown).unwrap()
}

async fn cluster(
    dir: &Path,
    (catalog, store, pinner, swarm, network): (&Catalog, &Store, &Pinner, &Swarm, &Network),
    shutdown: &Shutdown,
) -> Cluster {
    let seed = key_seed(&dir.join("peer.key")).unwrap();
    let parts = ClusterParts {
        catalog: catalog.clone(),
        store: store.clone(),
        pinner: pinner.clone(),
        network: network.clone(),
        swarm: swarm.handle(),
        key: Arc::new(NodeKey::from_seed(seed)),
        clock: Clock::System,
        metrics: ClusterMetrics::default(),
    };
    let settings = ClusterSettings {
        is_on: true,
        machine: cidcast_cluster::Settings {
            heartbeat: Duration::from_millis(200),
            deadline: Duration::from_secs(5),
            ..cidcast_cluster::Settings::default()
        },
        capacity: None,
        copies: Copies::Between { min: 2, max: 2 },
    };
    let started = Cluster::start(parts, settings, shutdown).await;
    started.unwrap()
}

fn service(
    catalog: &Catalog,
    store: &Store,
    pinner: &Pinner,
    swarm: &Swarm,
    shutdown: &Shutdown,
) -> PinningService {
    let parts = ServiceParts {
        catalog: catalog.clone(),
        store: store.clone(),
        pinner: pinner.clone(),
        swarm: swarm.handle(),
        clock: Clock::System,
        metrics: ServiceMetrics::default(),
    };
    PinningService::start(parts, shutdown)
}

fn ingest_settings(dir: &Path) -> IngestSettings {
    IngestSettings {
        data_dir: dir.to_owned(),
        max_source_bytes: MAX_SOURCE,
        upload_expiry: Duration::from_secs(3600),
        min_free_bytes: 0,
        ladder: LadderSettings::default(),
        probe: ProbeLimits::default(),
        jobs: 1,
        parallel: 1,
        retry: Backoff {
            first: Duration::from_secs(3600),
            factor: 1,
            ceiling: Duration::from_secs(3600),
            attempts: 1,
        },
        keep_source: KeepSource::Keep,
    }
}

fn rules(tokens: &[Token], metrics: Metrics) -> Rules {
    let hosts = ["media.example.org".to_owned()];
    let origins = ["https://app.example.org".to_owned()];
    Rules {
        door: Door::new(tokens, "local-admin"),
        site: Site::new("127.0.0.1:7878".parse().unwrap(), &hosts, &origins),
        in_flight: InFlight::new(64),
        deadline: Duration::from_secs(30),
        metrics,
    }
}

fn facts(dir: &Path, peer_id: &str) -> Facts {
    Facts {
        peer_id: peer_id.to_owned(),
        swarm: vec![format!("/ip4/127.0.0.1/tcp/4747/p2p/{peer_id}")],
        encoder: "ffmpeg test".to_owned(),
        engine: crate::config::Engine::Embedded,
        max_upload_bytes: MAX_SOURCE,
        min_free_bytes: 0,
        publisher_key_file: dir.join("publisher.key"),
    }
}
