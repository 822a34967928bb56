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
use cidcast_store::{Audience, Store};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::{LONG, Package, Peer};

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

/// Serves until the test ends.
async fn serve(manner: Manner) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let stub = Stub {
        manner,
        asked: Arc::clone(&asked),
    };
    let router = Router::new()
        .route("/ipfs/{cid}", get(answer))
        .route("/routing/v1/providers/{cid}", get(answer))
        .with_state(stub);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), asked)
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
