//! Joining: how a newcomer finds its first peers, and stays among them.
//!
//! The swarm connects with the bootstrap peers that the configuration names (by address or DNS) and
//! with the neighbours that mDNS finds. Those that speak our protocol are asked for their peers, and
//! those peers that more than half of them name are kept ([`named_by_most`]), connected, and
//! remembered for the next start. Those that are remembered are dialled first.
//! The same is done again whenever this node has few peers left, and every half hour.
//!
//! Others ask this node for its peers too: they get those that are connected and speak the protocol,
//! at addresses that lead somewhere from where they are.
//!
//! Owns: one task. Ends: with the `Shutdown` it was started under. Cancel safety: a round that is cut
//! off is done again.

mod choice;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::NodeId;
use cidcast_catalog::{Catalog, CatalogError, KnownNode, NodeSource};
use cidcast_ipfs::requests::PROTOCOL;
use cidcast_ipfs::swarm::{Peer, PeerId, Scope, SwarmHandle, passed_on};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_types::Timestamp;
use futures::StreamExt;
use futures::stream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::ask::Asker;
use crate::trust::{Trust, node_of};
use crate::wire::{MAX_PEERS, Request, Response};

pub(crate) use choice::by_turns;
pub use choice::{Chosen, Named, named_by_most};

/// Peers that are kept of those that are named.
pub(crate) const MAX_CHOSEN: usize = 32;
/// Peers that are asked: more would add little to a majority.
pub(crate) const MAX_ASKED: usize = 16;
/// Addresses of one peer that are passed on.
const MAX_ADDRESSES: usize = 4;
/// Fewer connected nodes than this are few.
pub(crate) const FEW: usize = 4;
/// How long bootstrap peers have to connect before those that did are asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked who is connected; the swarm has no event for it.
const LOOK: Duration = Duration::from_millis(500);
/// Rounds, when there are peers enough and when there are few.
pub(crate) const EVERY: Duration = Duration::from_secs(30 * 60);
pub(crate) const EVERY_WHEN_FEW: Duration = Duration::from_secs(60);
/// How long a peer may take to answer a dial, and how many are dialled at a time.
const DIAL: Duration = Duration::from_secs(10);
const DIALS_AT_ONCE: usize = 8;

/// What joining is started with.
#[derive(Debug, Clone)]
pub struct JoinArgs {
    /// Where nodes are remembered.
    pub catalog: Catalog,
    /// Which connects.
    pub swarm: SwarmHandle,
    /// How peers are asked.
    pub asker: Asker,
    /// Says whom not to pass on.
    pub trust: Trust,
    /// For when nodes were seen.
    pub clock: Clock,
    /// The bootstrap peers of the configuration: multiaddresses with `/p2p/…`. Others are ignored.
    pub bootstrap: Vec<String>,
}

/// How the last round went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinStatus {
    /// When it ended; `None` before the first.
    pub at: Option<Timestamp>,
    /// Who was asked, and whether they answered.
    pub asked: Vec<(NodeId, Answered)>,
    /// Who was named by more than half of the answers.
    pub chosen: Vec<Chosen>,
    /// Nodes of ours that are connected now.
    pub connected: usize,
}

/// Whether a peer that was asked has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It has.
    Yes,
    /// It has not, or nonsense.
    No,
}

/// Joining, to be watched. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Joining {
    swarm: SwarmHandle,
    trust: Trust,
    status: watch::Receiver<JoinStatus>,
    wake: Arc<Notify>,
}

impl Joining {
    /// Starts to find peers.
    pub fn start(args: JoinArgs, shutdown: &Shutdown) -> Self {
        let (report, status) = watch::channel(JoinStatus::default());
        let joining = Self {
            swarm: args.swarm.clone(),
            trust: args.trust.clone(),
            status,
            wake: Arc::default(),
        };
        let named = args.bootstrap.iter();
        let worker = Worker {
            bootstrap: named
                .filter_map(|address| bootstrap_node(address))
                .collect(),
            remembered: BTreeSet::new(),
            args,
            report,
            wake: Arc::clone(&joining.wake),
        };
        let token = shutdown.token().clone();
        shutdown.spawn("joining", async move {
            token.run_until_cancelled_owned(worker.run()).await
        });
        joining
    }

    /// How the last round went, at any time.
    pub fn status(&self) -> watch::Receiver<JoinStatus> {
        self.status.clone()
    }

    /// Begins a round now.
    pub fn again(&self) {
        self.wake.notify_one();
    }

    /// Whom `asker` is told of: connected nodes that speak the protocol and are not refused, at
    /// addresses that lead somewhere from where it is. At most [`MAX_PEERS`] addresses.
    pub fn peers_for(&self, asker: &PeerId) -> Vec<String> {
        self.addresses_for(asker, speaks)
    }

    /// As [`Self::peers_for`], of these nodes only.
    pub(crate) fn nodes_for(&self, asker: &PeerId, nodes: &BTreeSet<NodeId>) -> Vec<String> {
        self.addresses_for(asker, |peer| {
            speaks(peer) && node_of(&peer.id).is_some_and(|node| nodes.contains(&node))
        })
    }

    fn addresses_for(&self, asker: &PeerId, wanted: impl Fn(&Peer) -> bool) -> Vec<String> {
        let Some(from) = self.swarm.peer(asker).and_then(|peer| peer.scope()) else {
            return Vec::new();
        };
        let peers = self.swarm.peers().into_iter();
        let others = peers
            .filter(|peer| peer.id != *asker && wanted(peer) && !self.trust.refuses_peer(&peer.id));
        let others: Vec<_> = match node_of(asker) {
            Some(newcomer) => {
                let others = others.filter_map(|peer| Some((node_of(&peer.id)?, peer)));
                by_turns(&newcomer, others.collect())
            }
            None => others.collect(),
        };
        let addresses = others.into_iter().flat_map(|peer| {
            let leading = peer.addresses().into_iter();
            let leading = leading.filter(move |(scope, _)| *scope >= from);
            leading.take(MAX_ADDRESSES).map(|(_, address)| address)
        });
        addresses.take(MAX_PEERS).collect()
    }
}

struct Worker {
    args: JoinArgs,
    bootstrap: BTreeSet<NodeId>,
    /// Those of the last run.
    remembered: BTreeSet<NodeId>,
    report: watch::Sender<JoinStatus>,
    wake: Arc<Notify>,
}

impl Worker {
    async fn run(mut self) {
        self.dial_remembered().await;
        self.wait_for_bootstrap().await;
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "the peers that were found are not remembered");
            }
            let wait = match self.connected().len() {
                0..FEW => EVERY_WHEN_FEW,
                _ => EVERY,
            };
            let _ = timeout(wait, self.wake.notified()).await;
        }
    }

    /// Connected nodes of ours, longest connected first.
    fn connected(&self) -> Vec<(NodeId, Peer)> {
        let peers = self.args.swarm.peers().into_iter();
        let nodes = peers.filter(speaks);
        nodes
            .filter_map(|peer| Some((node_of(&peer.id)?, peer)))
            .filter(|(node, _)| !self.args.trust.refuses_node(node))
            .collect()
    }

    /// Who has a say: the bootstrap peers; without any, the neighbours and those of the last run.
    /// Those that dialled this node, or that the DHT led to, might all be one and the same.
    fn voters(&self) -> Vec<(NodeId, Peer)> {
        let mut voters = self.connected();
        if self.bootstrap.is_empty() {
            let neighbours = self.args.swarm.neighbours();
            voters.retain(|(node, peer)| {
                neighbours.contains(&peer.id) || self.remembered.contains(node)
            });
        } else {
            voters.retain(|(node, _)| self.bootstrap.contains(node));
        }
        voters.truncate(MAX_ASKED);
        voters
    }

    async fn wait_for_bootstrap(&self) {
        let until = Instant::now() + PATIENCE;
        let enough = self.bootstrap.len().clamp(1, MAX_ASKED);
        while Instant::now() < until && self.voters().len() < enough {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn round(&self) -> Result<(), CatalogError> {
        let voters = self.voters();
        let asked: BTreeSet<NodeId> = voters.iter().map(|(node, _)| *node).collect();
        let answers: Vec<(NodeId, Option<Vec<Named>>)> = stream::iter(voters)
            .map(|(node, peer)| self.ask(node, peer))
            .buffer_unordered(MAX_ASKED)
            .collect()
            .await;
        let given: Vec<Vec<Named>> = answers
            .iter()
            .filter_map(|(_, list)| list.clone())
            .collect();
        let mut leave_out = asked.clone();
        leave_out.extend(&self.bootstrap);
        leave_out.extend(self.args.swarm.peer_id().parse::<NodeId>());
        let mut chosen = named_by_most(&given, &leave_out, MAX_CHOSEN);
        chosen.retain(|one| !self.args.trust.refuses_node(&one.node));
        self.connect(chosen.iter().map(|one| (one.node, one.addresses.clone())))
            .await;
        self.remember(&chosen, &asked).await?;
        let answered = |(node, list): (NodeId, Option<_>)| match list {
            Some(_) => (node, Answered::Yes),
            None => (node, Answered::No),
        };
        let status = JoinStatus {
            at: Some(self.args.clock.now()),
            asked: answers.into_iter().map(answered).collect(),
            chosen,
            connected: self.connected().len(),
        };
        tracing::debug!(?status, "joined");
        self.report.send_replace(status);
        Ok(())
    }

    /// What a peer names, as far as it leads somewhere from here.
    async fn ask(&self, node: NodeId, peer: Peer) -> (NodeId, Option<Vec<Named>>) {
        let want = |response| match response {
            Response::Peers(addresses) => Some(addresses),
            _ => None,
        };
        let asked = self.args.asker.ask(&node, &[], Request::Peers, want).await;
        let from = peer.scope().unwrap_or(Scope::Internet);
        let named = asked.map(|addresses| {
            let named = addresses.into_iter().filter_map(|address| {
                let (peer, scope) = passed_on(&address)?;
                let node = node_of(&peer)?;
                (scope >= from).then_some(Named { node, address })
            });
            named.take(MAX_PEERS).collect()
        });
        if let Err(error) = &named {
            tracing::debug!(%node, %error, "a bootstrap peer names nobody");
        }
        (node, named.ok())
    }

    async fn connect(&self, nodes: impl Iterator<Item = (NodeId, Vec<String>)>) {
        let connected: BTreeSet<NodeId> =
            self.connected().into_iter().map(|(node, _)| node).collect();
        let missing: Vec<_> = nodes
            .filter(|(node, _)| !connected.contains(node))
            .collect();
        let swarm = &self.args.swarm;
        let dialled = stream::iter(missing).map(|(node, addresses)| async move {
            for address in addresses.iter().take(MAX_ADDRESSES) {
                match swarm.connect(address, DIAL).await {
                    Ok(_) => return,
                    Err(error) => tracing::debug!(%node, %error, "a node of the network is away"),
                }
            }
        });
        dialled
            .buffer_unordered(DIALS_AT_ONCE)
            .collect::<()>()
            .await;
    }

    /// Those that were named, and those that were asked.
    async fn remember(
        &self,
        chosen: &[Chosen],
        asked: &BTreeSet<NodeId>,
    ) -> Result<(), CatalogError> {
        let seen_at = self.args.clock.now();
        let joined = chosen.iter().map(|one| KnownNode {
            node: one.node,
            addresses: one.addresses.clone(),
            source: NodeSource::Joined,
            seen_at,
        });
        let asked = self.connected().into_iter().filter_map(|(node, peer)| {
            let addresses = peer.addresses().into_iter().take(MAX_ADDRESSES);
            let addresses: Vec<_> = addresses.map(|(_, address)| address).collect();
            (asked.contains(&node) && !addresses.is_empty()).then_some(KnownNode {
                node,
                addresses,
                source: NodeSource::Asked,
                seen_at,
            })
        });
        let nodes: Vec<KnownNode> = joined.chain(asked).collect();
        self.args.catalog.know_nodes(&nodes).await
    }

    /// The network of the last run, if its bootstrap peers should be gone.
    async fn dial_remembered(&mut self) {
        let limit = u32::try_from(MAX_CHOSEN).unwrap_or(u32::MAX);
        match self.args.catalog.known_nodes(limit).await {
            Ok(known) => {
                let trusted: Vec<_> = known
                    .into_iter()
                    .filter(|one| !self.args.trust.refuses_node(&one.node))
                    .collect();
                self.remembered = trusted.iter().map(|one| one.node).collect();
                self.connect(trusted.into_iter().map(|one| (one.node, one.addresses)))
                    .await;
            }
            Err(error) => tracing::warn!(%error, "the nodes of the last run cannot be read"),
        }
    }
}

fn speaks(peer: &Peer) -> bool {
    peer.protocols.iter().any(|name| name == PROTOCOL)
}

fn bootstrap_node(address: &str) -> Option<NodeId> {
    let (_, node) = address.rsplit_once("/p2p/")?;
    node.parse().ok()
}
