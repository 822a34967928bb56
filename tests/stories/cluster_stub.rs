//! An IPFS Cluster of two peers, as far as its published REST API shows it: it accepts pins, and
//! copies are made when the story says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

const PEERS: [&str; 2] = ["one", "two"];

#[derive(Default)]
struct Pins {
    authorization: String,
    pins: BTreeMap<String, Pin>,
    refused: usize,
}

#[derive(Default)]
struct Pin {
    name: String,
    origins: Vec<String>,
    factor: Option<(String, String)>,
    copies: BTreeSet<String>,
}

impl Pin {
    /// What was asked for.
    fn allocation(&self, cid: &str) -> Json<Value> {
        Json(json!({ "cid": cid, "name": self.name, "allocations": PEERS,
            "replication_factor_min": 2, "replication_factor_max": 2 }))
    }
}

type Shared = Arc<Mutex<Pins>>;

type Refusal = (StatusCode, Json<Value>);

/// A running stub; it ends with the test's runtime.
pub(crate) struct ClusterStub {
    url: String,
    pins: Shared,
}

impl ClusterStub {
    /// Starts it for whoever is `user:password`.
    pub(crate) async fn start(user: &str) -> Self {
        let pins = Shared::default();
        // RFC 7617; the story's user and password are known.
        assert_eq!(user, "user:secret");
        pins.lock().unwrap().authorization = "Basic dXNlcjpzZWNyZXQ=".to_owned();
        let router = Router::new()
            .route("/pins/{cid}", post(pin).get(status).delete(unpin))
            .route("/allocations/{cid}", get(allocation))
            .route("/peers", get(peers))
            .with_state(Arc::clone(&pins));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, pins }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A peer has every block of a pin now.
    pub(crate) fn copied(&self, cid: &str, peer: &str) {
        let mut pins = self.pins.lock().unwrap();
        let pin = pins.pins.get_mut(cid).unwrap();
        pin.copies.insert(peer.to_owned());
    }

    pub(crate) fn has(&self, cid: &str) -> bool {
        self.pins.lock().unwrap().pins.contains_key(cid)
    }

    pub(crate) fn origins(&self, cid: &str) -> Vec<String> {
        self.pins.lock().unwrap().pins[cid].origins.clone()
    }

    /// Smallest and largest replication factor that was asked for.
    pub(crate) fn factor(&self, cid: &str) -> Option<(String, String)> {
        self.pins.lock().unwrap().pins[cid].factor.clone()
    }

    /// Calls without the right user.
    pub(crate) fn refused(&self) -> usize {
        self.pins.lock().unwrap().refused
    }
}

/// Lets in whoever is the user.
fn enter<T>(
    pins: &Shared,
    headers: &HeaderMap,
    act: impl FnOnce(&mut Pins) -> Option<T>,
) -> Result<T, Refusal> {
    let mut pins = pins.lock().unwrap();
    let said = headers.get("authorization");
    if said.is_none_or(|said| said != pins.authorization.as_str()) {
        pins.refused += 1;
        let refused = json!({ "code": 401, "message": "unauthorized" });
        return Err((StatusCode::UNAUTHORIZED, Json(refused)));
    }
    let missing = json!({ "code": 404, "message": "not found" });
    act(&mut pins).ok_or((StatusCode::NOT_FOUND, Json(missing)))
}

async fn pin(
    State(pins): State<Shared>,
    Path(cid): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    enter(&pins, &headers, |pins| {
        let pin = pins.pins.entry(cid.clone()).or_default();
        pin.name = query.get("name").cloned().unwrap_or_default();
        let origins = query
            .get("origins")
            .map(|all| all.split(',').map(str::to_owned).collect());
        pin.origins = origins.unwrap_or_default();
        let factor = |bound: &str| query.get(&format!("replication-{bound}")).cloned();
        pin.factor = factor("min").zip(factor("max"));
        Some(pin.allocation(&cid))
    })
}

/// One document after another, as version 1 sends them.
async fn peers(State(pins): State<Shared>, headers: HeaderMap) -> Result<String, Refusal> {
    enter(&pins, &headers, |_| {
        let peers = PEERS.map(|peer| {
            json!({ "id": format!("12D3KooW{peer}"), "peername": peer, "version": "1.1.4",
                "error": "" })
        });
        Some(peers.map(|peer| peer.to_string()).join("\n"))
    })
}

async fn status(
    State(pins): State<Shared>,
    Path(cid): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    enter(&pins, &headers, |pins| {
        let pin = pins.pins.get(&cid)?;
        let peers = PEERS.map(|peer| {
            let status = match pin.copies.contains(peer) {
                true => "pinned",
                false => "pinning",
            };
            (
                peer,
                json!({ "peername": peer, "status": status, "error": "" }),
            )
        });
        let peers: BTreeMap<_, _> = peers.into_iter().collect();
        Some(Json(
            json!({ "cid": cid, "name": pin.name, "allocations": PEERS, "peer_map": peers }),
        ))
    })
}

async fn allocation(
    State(pins): State<Shared>,
    Path(cid): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    enter(&pins, &headers, |pins| {
        let pin = pins.pins.get(&cid)?;
        Some(pin.allocation(&cid))
    })
}

async fn unpin(
    State(pins): State<Shared>,
    Path(cid): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    enter(&pins, &headers, |pins| {
        pins.pins.remove(&cid)?;
        Some(Json(json!({ "cid": cid })))
    })
}
