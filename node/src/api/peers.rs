//! `/api/v1/peers`: who is connected, and connecting and disconnecting by hand.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use cidcast_exchange::PeerReport;
use cidcast_ipfs::swarm::{
    Connection, Direction, MAX_PINGS, Nat, NetworkKind, Peer, PeerId, PortMapping, Reach,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Id, Json};
use super::network::scores::ScoreView;
use super::problem::Problem;
use super::{Api, Shared};

/// How long connecting may take. Less than the default deadline of a request, so that the answer
/// says what happened.
const CONNECT: Duration = Duration::from_secs(20);
/// How long one round trip may take.
const PING: Duration = Duration::from_secs(5);
/// How long all pings of one request may take, for the same reason as above.
const PINGS: Duration = Duration::from_secs(25);

/// Connected peers, and those that are not but have earned or lost something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PeerList {
    /// Longest connected first; then those that are not connected.
    pub(crate) items: Vec<PeerView>,
}

/// A connected peer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Peer)]
pub(crate) struct PeerView {
    /// Its libp2p identity.
    pub(crate) id: String,
    /// Oldest first.
    pub(crate) connections: Vec<ConnectionView>,
    /// What it calls itself; null until it has said so.
    pub(crate) agent: Option<String>,
    /// libp2p protocols that it speaks.
    pub(crate) protocols: Vec<String>,
    /// The last round trip that was measured, in milliseconds.
    pub(crate) rtt_ms: Option<f64>,
    /// Blocks exchanged with it; null if it does not exchange blocks.
    pub(crate) exchange: Option<TrafficView>,
    /// What it has earned by what it delivered; null for what can be no cidcast node.
    pub(crate) score: Option<ScoreView>,
}

/// One connection with a peer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PeerConnection)]
pub(crate) struct ConnectionView {
    /// The other end.
    pub(crate) address: String,
    /// inbound: the peer dialled; outbound: this node did.
    pub(crate) direction: String,
    /// How long it has been open.
    pub(crate) seconds: u64,
}

/// Blocks exchanged with a peer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PeerTraffic)]
pub(crate) struct TrafficView {
    pub(crate) blocks_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) blocks_sent: u64,
    pub(crate) bytes_sent: u64,
    /// Blocks that this node has asked for and not got yet.
    pub(crate) wants_sent: usize,
    /// Blocks that the peer has asked for and not got yet.
    pub(crate) wants_held: usize,
    /// 100: nothing to complain about; 0: avoided.
    pub(crate) score: u8,
}

/// How a node can be reached.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Reach)]
pub(crate) struct ReachView {
    /// public, private (strangers cannot connect) or unknown.
    pub(crate) nat: String,
    /// unknown, mapped, no-router or not-public.
    pub(crate) port_mapping: String,
    /// open, or private: only nodes with the network's key.
    pub(crate) network: String,
    /// Announced addresses: configured, mapped by the router, or proven by a peer.
    pub(crate) external: Vec<String>,
    /// This node's addresses as peers see them.
    pub(crate) observed: Vec<String>,
    /// Peer ids of relays through which it can be reached.
    pub(crate) relays: Vec<String>,
    /// Peers that are connected.
    pub(crate) peers: usize,
}

/// Whom to connect to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectRequest {
    /// Multiaddress that ends in `/p2p/<peer id>`.
    pub(crate) address: String,
}

/// How often to ping.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PingRequest {
    /// 1 to 100; 1 if it is left out.
    pub(crate) count: Option<u8>,
}

/// How long a peer took to answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PingTimes {
    /// Round trips, in milliseconds.
    pub(crate) rtts_ms: Vec<f64>,
}

/// Lists connected peers and all that have a score.
#[utoipa::path(get, path = "/api/v1/peers", tag = "peers", operation_id = "list_peers",
    responses((status = 200, body = PeerList)))]
pub(crate) async fn list(State(api): State<Shared>) -> Result<Answer<PeerList>, Problem> {
    let traffic = api.traffic();
    let peers = api.swarm.peers();
    let ids: Vec<String> = peers.iter().map(|peer| peer.id.to_string()).collect();
    let mut scores = api.peer_scores(&ids).await?;
    let mut items: Vec<PeerView> = peers
        .iter()
        .map(|peer| {
            let score = scores.remove(&peer.id.to_string());
            PeerView {
                score,
                ..PeerView::new(peer, &traffic)
            }
        })
        .collect();
    items.extend(scores.into_iter().map(PeerView::absent));
    Ok(Answer(PeerList { items }))
}

/// Connects to a peer, and stays connected until told otherwise.
#[utoipa::path(post, path = "/api/v1/peers", tag = "peers", operation_id = "connect_peer",
    request_body = ConnectRequest,
    responses((status = 200, body = PeerView)))]
pub(crate) async fn connect(
    State(api): State<Shared>,
    Json(request): Json<ConnectRequest>,
) -> Result<Answer<PeerView>, Problem> {
    let id = api.swarm.connect(&request.address, CONNECT).await?;
    let peer = api.swarm.peer(&id).ok_or_else(|| gone(&id))?;
    Ok(Answer(PeerView::new(&peer, &api.traffic())))
}

/// Closes every connection with a peer.
#[utoipa::path(delete, path = "/api/v1/peers/{id}", tag = "peers",
    operation_id = "disconnect_peer", params(("id" = String, Path, description = "Peer id")),
    responses((status = 204)))]
pub(crate) async fn disconnect(
    State(api): State<Shared>,
    Id(PeerName(id)): Id<PeerName>,
) -> Result<StatusCode, Problem> {
    api.swarm.disconnect(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pings a connected peer.
#[utoipa::path(post, path = "/api/v1/peers/{id}/ping", tag = "peers", operation_id = "ping_peer",
    params(("id" = String, Path, description = "Peer id")), request_body = PingRequest,
    responses((status = 200, body = PingTimes)))]
pub(crate) async fn ping(
    State(api): State<Shared>,
    Id(PeerName(id)): Id<PeerName>,
    Json(request): Json<PingRequest>,
) -> Result<Answer<PingTimes>, Problem> {
    let count = request.count.unwrap_or(1);
    if !(1..=MAX_PINGS).contains(&count) {
        return Err(Problem::invalid(format!("count must be 1 to {MAX_PINGS}")));
    }
    let pinging = api.swarm.ping(id, count, PING);
    let Ok(times) = tokio::time::timeout(PINGS, pinging).await else {
        return Err(unanswered(format!(
            "{id} did not answer {count} pings within {PINGS:?}: ask for fewer"
        )));
    };
    let rtts_ms = times?.into_iter().map(milliseconds).collect();
    Ok(Answer(PingTimes { rtts_ms }))
}

/// A peer id in a path.
pub(crate) struct PeerName(PeerId);

impl std::str::FromStr for PeerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |_| format!("`{text}` is not a peer id: it looks like 12D3KooW…");
        text.parse().map(Self).map_err(refused)
    }
}

impl Api {
    fn traffic(&self) -> HashMap<PeerId, PeerReport> {
        let reports = self.exchange.peers().into_iter();
        reports.map(|report| (report.peer, report)).collect()
    }
}

impl PeerView {
    fn new(peer: &Peer, traffic: &HashMap<PeerId, PeerReport>) -> Self {
        Self {
            id: peer.id.to_string(),
            connections: peer.connections.iter().map(ConnectionView::new).collect(),
            agent: peer.agent.clone(),
            protocols: peer.protocols.clone(),
            rtt_ms: peer.rtt.map(milliseconds),
            exchange: traffic.get(&peer.id).map(TrafficView::new),
            score: None,
        }
    }

    /// A peer that is known by its score only.
    fn absent((id, score): (String, ScoreView)) -> Self {
        Self {
            id,
            connections: Vec::new(),
            agent: None,
            protocols: Vec::new(),
            rtt_ms: None,
            exchange: None,
            score: Some(score),
        }
    }
}

impl ConnectionView {
    fn new(connection: &Connection) -> Self {
        let direction = match connection.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        Self {
            address: connection.address.to_string(),
            direction: direction.to_owned(),
            seconds: connection.age.as_secs(),
        }
    }
}

impl TrafficView {
    fn new(report: &PeerReport) -> Self {
        Self {
            blocks_received: report.blocks_received,
            bytes_received: report.bytes_received,
            blocks_sent: report.blocks_sent,
            bytes_sent: report.bytes_sent,
            wants_sent: report.wants_sent,
            wants_held: report.wants_held,
            score: report.score,
        }
    }
}

impl ReachView {
    pub(super) fn new(reach: Reach, peers: usize) -> Self {
        let nat = match reach.nat {
            Nat::Unknown => "unknown",
            Nat::Public => "public",
            Nat::Private => "private",
        };
        let port_mapping = match reach.port_mapping {
            PortMapping::Unknown => "unknown",
            PortMapping::Mapped => "mapped",
            PortMapping::NoRouter => "no-router",
            PortMapping::NotPublic => "not-public",
        };
        let network = match reach.network {
            NetworkKind::Open => "open",
            NetworkKind::Private => "private",
        };
        Self {
            nat: nat.to_owned(),
            port_mapping: port_mapping.to_owned(),
            network: network.to_owned(),
            external: reach.external,
            observed: reach.observed,
            relays: reach.relays.iter().map(ToString::to_string).collect(),
            peers,
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    // Whole microseconds: more digits say nothing.
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn gone(id: &PeerId) -> Problem {
    unreachable(format!(
        "{id} closed the connection again: is it full, or does it refuse this node?"
    ))
}

/// A peer was not reached.
pub(super) fn unreachable(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "peer-unreachable",
        "Peer not reached",
        detail,
    )
}

/// A peer did not answer in time.
pub(super) fn unanswered(detail: String) -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "peer-silent",
        "Peer did not answer",
        detail,
    )
}
