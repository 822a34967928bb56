//! Delegated routers and trustless HTTP gateways: honest, lying, slow, absent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cid::Cid;
use cidcast_exchange::Class;
use cidcast_ipfs::NetworkSettings;
use cidcast_ipfs::fetch::FetchSettings;
use cidcast_ipfs::unixfs::read::read_all;
use cidcast_store::{Audience, Store};
use cidcast_testkit::Kubo;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::{LONG, Package, Peer, noise};

/// How a stub behaves.
#[derive(Clone)]
enum Manner {
    /// Gives blocks.
    Honest(Store),
    /// Gives other bytes.
    Lying,
    /// Has nothing.
    Empty,
    /// Never answers.
    Silent,
    /// Says who has it.
    Routing {
        media_type: &'static str,
        body: String,
    },
}

#[derive(Clone)]
struct Stub {
    manner: Manner,
    asked: Arc<AtomicUsize>,
}

fn router(manner: Manner, asked: Arc<AtomicUsize>) -> Router {
    Router::new()
        .route("/ipfs/{cid}", get(answer))
        .route("/routing/v1/providers/{cid}", get(answer))
        .with_state(Stub { manner, asked })
}

/// Serves until the test ends.
async fn serve(manner: Manner) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let router = router(manner, Arc::clone(&asked));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), asked)
}

/// A certification authority, in a PEM file, and a service behind a certificate of it.
async fn serve_tls(manner: Manner, ca_file: &std::path::Path) -> String {
    let mut about = rcgen::CertificateParams::new(Vec::new()).unwrap();
    about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = about.self_signed(&key).unwrap();
    std::fs::write(ca_file, ca.pem()).unwrap();
    let issuer = rcgen::Issuer::new(about, key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let router = router(manner, Arc::default());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper_util::service::TowerToHyperService::new(service);
                let stream = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper_util::server::conn::auto::Builder::new(executor)
                    .serve_connection(stream, service)
                    .await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn services_with_certificates_of_the_configured_authority_are_believed_and_no_others() {
    let source = Peer::new().await;
    let package = source.add_package(3, 300_000, Audience::Anyone);
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("a.pem"), folder.path().join("b.pem"));
    let gateway = serve_tls(Manner::Honest(source.store.clone()), &ours).await;
    let (address, peer) = (source.address().await, source.swarm.peer_id());
    let record = format!(r#"{{"Schema":"peer","ID":"{peer}","Addrs":["{address}"]}}"#);
    let media_type = "application/json";
    let body = format!(r#"{{"Providers":[{record}]}}"#);
    let router = serve_tls(Manner::Routing { media_type, body }, &theirs).await;
    let asks = |gateway: Option<&String>, router: Option<&String>, ca_file| NetworkSettings {
        http_gateways: gateway.cloned().into_iter().collect(),
        routers: router.cloned().into_iter().collect(),
        ca_file,
        fetch_timeout: Duration::from_secs(5),
        ..NetworkSettings::default()
    };
    let sink = Peer::with(asks(Some(&gateway), None, Some(ours.clone()))).await;
    assert_fetches(&sink, &package).await;
    let sink = Peer::with(asks(None, Some(&router), Some(theirs.clone()))).await;
    assert_fetches(&sink, &package).await;
    for stranger in [Some(theirs), None] {
        let sink = Peer::with(asks(Some(&gateway), None, stranger)).await;
        let settings = FetchSettings::new(Class::Playback);
        let mut fetch = sink.network.fetch(package.root, settings);
        timeout(LONG, fetch.finish()).await.unwrap().unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_of_kubo_is_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kubo) = Kubo::find(&folder.path().join("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let file = folder.path().join("content");
    std::fs::write(&file, noise(3, 3 << 20)).unwrap();
    let add = |options: &[&str]| {
        let path = [file.to_str().unwrap()];
        kubo.run(&[&["add", "-Q"], options, &path].concat())
            .unwrap()
    };
    // By the profile, and as Kubo has added for years: CIDv0, no raw leaves.
    let old = [
        "--cid-version=0",
        "--raw-leaves=false",
        "--chunker=size-262144",
    ];
    let roots = [add(&[]), add(&old)];
    let daemon = kubo.daemon().await.unwrap();
    let sink = with_gateways(vec![daemon.gateway("")]).await;
    for root in roots {
        let root: Cid = root.parse().unwrap();
        let mut fetch = sink
            .network
            .fetch(root, FetchSettings::new(Class::Playback));
        let fetched = timeout(LONG, fetch.finish()).await.unwrap().unwrap();
        let read = read_all(&sink.blocks(), &root, 1 << 30).await.unwrap();
        assert!(read == noise(3, 3 << 20));
        drop(fetched);
    }
}

async fn answer(State(stub): State<Stub>, Path(cid): Path<InPath>) -> Response {
    stub.asked.fetch_add(1, Ordering::SeqCst);
    match stub.manner {
        Manner::Honest(store) => match store.get(&cid.0) {
            Ok(block) => block.into_response(),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
        Manner::Lying => "not what was asked for".into_response(),
        Manner::Empty => StatusCode::NOT_FOUND.into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Routing { media_type, body } => {
            ([(header::CONTENT_TYPE, media_type)], body).into_response()
        }
    }
}

/// A CID as it stands in a path.
#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct InPath(Cid);

impl TryFrom<String> for InPath {
    type Error = cid::Error;

    fn try_from(text: String) -> Result<Self, cid::Error> {
        text.parse().map(Self)
    }
}

async fn with_gateways(gateways: Vec<String>) -> Peer {
    Peer::with(NetworkSettings {
        http_gateways: gateways,
        ..NetworkSettings::default()
    })
    .await
}

async fn assert_fetches(peer: &Peer, package: &Package) {
    let settings = FetchSettings::new(Class::Playback);
    let mut fetch = peer.network.fetch(package.root, settings);
    let fetched = timeout(LONG, fetch.finish()).await.unwrap().unwrap();
    assert_eq!(fetched.progress.blocks, package.blocks);
    let holder = "copy".parse().unwrap();
    let pinned = peer.store.pin(&holder, &package.root, Audience::Members);
    assert_eq!(pinned.unwrap().bytes, package.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_comes_from_an_http_gateway_when_no_peer_has_it() {
    let source = Peer::new().await;
    let package = source.add_package(5, 1_200_000, Audience::Anyone);
    let (gateway, asked) = serve(Manner::Honest(source.store.clone())).await;
    let sink = with_gateways(vec![gateway]).await;
    assert_fetches(&sink, &package).await;
    assert_eq!(asked.load(Ordering::SeqCst) as u64, package.blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_lie_or_have_nothing_are_passed_over_and_a_liar_is_asked_once() {
    let source = Peer::new().await;
    let package = source.add_package(3, 300_000, Audience::Anyone);
    let (liar, lies) = serve(Manner::Lying).await;
    let (empty, _) = serve(Manner::Empty).await;
    let (honest, _) = serve(Manner::Honest(source.store.clone())).await;
    let sink = with_gateways(vec![liar, empty, honest]).await;
    assert_fetches(&sink, &package).await;
    assert_eq!(lies.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_gateway_does_not_stop_the_next_one() {
    let source = Peer::new().await;
    let package = source.add_package(1, 1000, Audience::Anyone);
    let (silent, _) = serve(Manner::Silent).await;
    let (honest, _) = serve(Manner::Honest(source.store.clone())).await;
    let sink = with_gateways(vec![silent, honest]).await;
    assert_fetches(&sink, &package).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_gateway_that_only_lies() {
    let source = Peer::new().await;
    let package = source.add_package(1, 1000, Audience::Anyone);
    let (liar, _) = serve(Manner::Lying).await;
    let sink = Peer::with(NetworkSettings {
        http_gateways: vec![liar],
        fetch_timeout: Duration::from_secs(2),
        ..NetworkSettings::default()
    })
    .await;
    let settings = FetchSettings::new(Class::Playback);
    let mut fetch = sink.network.fetch(package.root, settings);
    timeout(LONG, fetch.finish()).await.unwrap().unwrap_err();
    assert_eq!(sink.store.disk_usage().unwrap().blocks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_a_router_names_is_dialled() {
    let source = Peer::new().await;
    let package = source.add_package(3, 300_000, Audience::Anyone);
    let (address, peer) = (source.address().await, source.swarm.peer_id());
    let record = format!(r#"{{"Schema":"peer","ID":"{peer}","Addrs":["{address}"]}}"#);
    let forms = [
        ("application/json", format!(r#"{{"Providers":[{record}]}}"#)),
        ("application/x-ndjson", format!("{record}\n")),
    ];
    for (media_type, body) in forms {
        let (router, _) = serve(Manner::Routing { media_type, body }).await;
        let (broken, _) = serve(Manner::Empty).await;
        let sink = Peer::with(NetworkSettings {
            routers: vec![broken, router],
            ..NetworkSettings::default()
        })
        .await;
        assert_fetches(&sink, &package).await;
    }
}
