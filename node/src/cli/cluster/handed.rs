//! `cidcast cluster` where an IPFS Cluster is in place of the embedded engine.

use serde::Serialize;

use super::super::Context;
use super::super::client::Client;
use super::super::failure::Failure;
use super::super::output::table;
use crate::api::{NodeView, RemoteList, RemotePeerList, RemotePeerView};
use crate::config::{CLUSTER_SERVICE, Engine};

/// What the node knows of the IPFS Cluster.
#[derive(Serialize)]
struct Handed {
    endpoint: String,
    pinned: u64,
    waiting: u64,
    failed: u64,
    peers: Vec<RemotePeerView>,
}

/// Whether the node hands its pins to an IPFS Cluster.
pub(in crate::cli) async fn is_handed_over(client: &Client) -> Result<bool, Failure> {
    let node: NodeView = client.get("/api/v1/node").await?;
    Ok(node.cluster_engine == Engine::IpfsCluster)
}

/// Shows its peers, and how many pins of this node it has.
pub(super) async fn show(context: &Context, client: &Client) -> Result<(), Failure> {
    let services: RemoteList = client.get("/api/v1/remotes").await?;
    let path = format!("/api/v1/remotes/{CLUSTER_SERVICE}/peers");
    let peers: RemotePeerList = client.get(&path).await?;
    let mut services = services.items.into_iter();
    let service = services.find(|service| service.name == CLUSTER_SERVICE);
    let shown = service.map(|service| Handed {
        endpoint: service.endpoint,
        pinned: service.pinned,
        waiting: service.waiting,
        failed: service.failed,
        peers: peers.items,
    });
    if let Some(shown) = shown {
        context.output.result(&shown, || text(&shown));
    }
    Ok(())
}

fn text(shown: &Handed) -> String {
    let head = ["PEER", "NAME", "VERSION", "STATE"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(shown.peers.iter().map(|peer| {
        let state = peer.error.clone().unwrap_or_else(|| "alive".to_owned());
        vec![
            peer.id.clone(),
            peer.name.clone(),
            peer.version.clone(),
            state,
        ]
    }));
    format!(
        "IPFS Cluster at {}: {} pins of this node, {} on their way, {} failed\n{}",
        shown.endpoint,
        shown.pinned,
        shown.waiting,
        shown.failed,
        table(&rows)
    )
}
