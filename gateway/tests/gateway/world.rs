//! One node's data, and a way to ask its gateway.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, Response};
use bytes::Bytes;
use cidcast_catalog::Catalog;
use cidcast_gateway::{Access, Metrics, Reach, Settings, State, StaticSite, Views, router};
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::add::{Tree, add_bytes};
use cidcast_store::{Audience, Holder, InFlight, Store, StoreSettings};
use cidcast_types::Cid;
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

/// The token that the gateways of these tests take.
pub(crate) const TOKEN: &str = "secret+1/2";

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) registry: Registry,
    pub(crate) metrics: Metrics,
    pub(crate) views: Views,
    guard: InFlight,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreSettings::default()).unwrap();
        let mut registry = Registry::default();
        Self {
            guard: store.in_flight(),
            dir,
            store,
            catalog: Catalog::in_memory().await.unwrap(),
            metrics: Metrics::register(&mut registry),
            views: Views::new(),
            registry,
        }
    }

    /// A gateway on loopback.
    pub(crate) fn router(&self) -> Router {
        self.router_with(Settings::new(Reach::Loopback))
    }

    pub(crate) fn router_with(&self, settings: Settings) -> Router {
        router(State {
            catalog: self.catalog.clone(),
            blocks: Blocks::new(self.store.clone()),
            store: self.store.clone(),
            access: Access::new(settings.reach, |token| token == TOKEN),
            site: StaticSite { get: site },
            settings,
            metrics: self.metrics.clone(),
            views: self.views.clone(),
        })
    }

    /// A file that no pin refers to.
    pub(crate) fn add(&self, bytes: &[u8]) -> Cid {
        add_bytes(&self.store, &self.guard, bytes).unwrap().cid
    }

    /// A directory that no pin refers to.
    pub(crate) fn add_tree(&self, files: &[(&str, &[u8])]) -> Cid {
        let mut tree = Tree::new();
        for (path, bytes) in files {
            tree.insert(path, add_bytes(&self.store, &self.guard, bytes).unwrap())
                .unwrap();
        }
        tree.finish(&self.store, &self.guard).unwrap().cid
    }

    pub(crate) fn pin(&self, holder: &str, root: &Cid, audience: Audience) {
        let holder: Holder = holder.parse().unwrap();
        self.store.pin(&holder, root, audience).unwrap();
    }

    /// A file that is open to anyone.
    pub(crate) fn file(&self, bytes: &[u8]) -> Cid {
        let cid = self.add(bytes);
        self.pin("test", &cid, Audience::Anyone);
        cid
    }

    /// A directory that is open to anyone.
    pub(crate) fn tree(&self, files: &[(&str, &[u8])]) -> Cid {
        let cid = self.add_tree(files);
        self.pin("test", &cid, Audience::Anyone);
        cid
    }
}

fn site(path: &str) -> Option<(Cow<'static, [u8]>, &'static str)> {
    match path {
        "embed.html" => Some((
            Cow::Borrowed(b"<!doctype html><head></head>player"),
            "text/html; charset=utf-8",
        )),
        "assets/player-1a2b.js" => Some((Cow::Borrowed(b"play()"), "text/javascript")),
        _ => None,
    }
}

/// A request that is being put together. By default a GET from another machine, to `localhost`.
pub(crate) struct Ask {
    request: Request<Body>,
}

pub(crate) fn get(target: impl AsRef<str>) -> Ask {
    let request = Request::builder()
        .uri(target.as_ref())
        .header("host", "localhost:8787");
    Ask {
        request: request.body(Body::empty()).unwrap(),
    }
}

pub(crate) fn head(target: impl AsRef<str>) -> Ask {
    get(target).method(Method::HEAD)
}

impl Ask {
    pub(crate) fn method(mut self, method: Method) -> Self {
        *self.request.method_mut() = method;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request
            .headers_mut()
            .insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn peer(mut self, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        self.request.extensions_mut().insert(ConnectInfo(address));
        self
    }

    pub(crate) fn near(self) -> Self {
        self.peer("127.0.0.1:50000")
    }

    pub(crate) async fn start(self, router: &Router) -> Response<Body> {
        router.clone().oneshot(self.request).await.unwrap()
    }

    pub(crate) async fn send(self, router: &Router) -> Answer {
        let (parts, body) = self.start(router).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The stable end of a problem's `type`; the document must agree with the status.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(json["status"], self.status);
        assert!(!json["title"].as_str().unwrap().is_empty());
        let kind = json["type"].as_str().unwrap();
        kind.strip_prefix("urn:cidcast:problem:")
            .unwrap()
            .to_owned()
    }

    pub(crate) fn detail(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        json["detail"].as_str().unwrap().to_owned()
    }
}

/// Bytes without a pattern that a wrong offset could hide in.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
