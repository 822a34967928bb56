//! Copies on other nodes, as nodes tell each other.
//!
//! Every node keeps the signed notices about copies of what it follows, its own among them, and
//! gives them to whoever asks. So a follower knows how rare something is and who has it, without
//! the publisher's node and also when that is gone: a notice is what its node has signed, whoever
//! brings it.
//!
//! What is heard counts within the same limits as what is told ([`NoticeLimits`]), and half of the
//! room is left for what is told to this node's own publisher.
//!
//! Owns: one task. Ends: with the `Shutdown` it was started under. Cancel safety: what was asked is
//! asked again.
//!
//! [`NoticeLimits`]: cidcast_catalog::NoticeLimits

mod hear;
mod rounds;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::{AssetOf, Catalog, CatalogError, CopyQuery, CopyState};
use cidcast_ipfs::requests::PROTOCOL;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_types::AssetId;
use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Inbox;
use crate::ask::Asker;
use crate::follow::node_at;
use crate::trust::{Trust, node_of};
use crate::wire::{Copies, MAX_NOTICES};
use rounds::Rounds;

/// Bytes of notices in one answer: with addresses and frame it stays below what one may have.
const MAX_ANSWER: usize = 768 << 10;
/// Nodes that are asked before one copy is fetched.
const MAX_ASKED: usize = 4;
/// How long they have.
const PATIENCE: Duration = Duration::from_secs(10);
/// Holders of one asset that are looked at.
const MAX_HOLDERS: u32 = 1_000;

/// What it is started with.
#[derive(Debug, Clone)]
pub struct ElsewhereArgs {
    /// Follows, feeds, and the notices.
    pub catalog: Catalog,
    /// Says who is connected.
    pub swarm: SwarmHandle,
    /// How they are asked.
    pub asker: Asker,
    /// Is told of those who answer forgeries.
    pub trust: Trust,
    /// Takes what is heard.
    pub inbox: Inbox,
    /// For promises.
    pub clock: Clock,
}

/// Of whom others were asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Publishers of whose copies somebody was asked, or nobody could be.
    pub asked: BTreeSet<Publisher>,
    /// How often something new was heard.
    pub news: u64,
}

/// Copies on other nodes. Clones are the same.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    args: Arc<ElsewhereArgs>,
    heard: Arc<watch::Sender<Heard>>,
    wake: Arc<Notify>,
}

impl Elsewhere {
    /// Starts to ask others.
    pub fn start(args: ElsewhereArgs, shutdown: &Shutdown) -> Self {
        let elsewhere = Self {
            args: Arc::new(args),
            heard: Arc::new(watch::channel(Heard::default()).0),
            wake: Arc::default(),
        };
        let rounds = Rounds::new(elsewhere.clone());
        let token = shutdown.token().clone();
        shutdown.spawn("copies elsewhere", async move {
            Box::pin(token.run_until_cancelled_owned(rounds.run())).await
        });
        elsewhere
    }

    /// What was heard, at any time.
    pub fn heard(&self) -> watch::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// Asks at once of publishers of whom nobody was asked yet.
    pub fn hurry(&self) {
        self.wake.notify_one();
    }

    /// What is answered to who asks for copies of a publisher's assets, without addresses, and the
    /// nodes in it.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn answer(
        &self,
        publisher: Publisher,
        asset: Option<AssetId>,
        after: Option<(AssetId, NodeId)>,
    ) -> Result<(Copies, BTreeSet<NodeId>), CatalogError> {
        let after = after.map(|(asset, node)| (AssetOf { publisher, asset }, node));
        let query = CopyQuery {
            publisher: Some(publisher),
            asset,
            after,
            limit: u32::try_from(MAX_NOTICES).unwrap_or(u32::MAX),
        };
        let rows = self.args.catalog.copies(&query).await?;
        let mut answer = Copies {
            more: rows.len() >= MAX_NOTICES,
            ..Copies::default()
        };
        let (mut nodes, mut bytes) = (BTreeSet::new(), 0);
        for row in rows {
            bytes += row.notice.len();
            if bytes > MAX_ANSWER {
                answer.more = true;
                break;
            }
            nodes.insert(row.node);
            answer.notices.push(Bytes::from(row.notice));
        }
        Ok((answer, nodes))
    }

    /// Asks who is connected for holders of an asset, and answers where those can be reached that
    /// are not connected. Who has been asked for nothing else for long may be slow: whoever has not
    /// answered after a while is left out.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub(crate) async fn holders(&self, of: &AssetOf) -> Result<Vec<String>, CatalogError> {
        let now = self.args.clock.now();
        let near = self.near(&of.publisher, self.held_by(of).await?).await?;
        let mut peers = self.connected();
        peers.sort_by_key(|node| !near.contains(node));
        peers.truncate(MAX_ASKED);
        let asking = peers.iter().map(|node| async move {
            let asked = self.ask(node, of.publisher, Some(of.asset));
            timeout(PATIENCE, asked).await.ok()
        });
        let mut addresses = Vec::new();
        for answer in join_all(asking).await.into_iter().flatten() {
            addresses.extend(answer?.addresses);
        }
        tracing::debug!(%of, asked = peers.len(), at = %now, "holders of a copy were asked for");
        let holders = self.held_by(of).await?;
        let connected: BTreeSet<NodeId> = self.connected().into_iter().collect();
        addresses.retain(|address| {
            node_at(address).is_some_and(|node| {
                holders.contains(&node)
                    && !connected.contains(&node)
                    && !self.args.trust.refuses_node(&node)
            })
        });
        Ok(addresses)
    }

    /// Who promises to have an asset now, but this node.
    async fn held_by(&self, of: &AssetOf) -> Result<BTreeSet<NodeId>, CatalogError> {
        let query = CopyQuery {
            publisher: Some(of.publisher),
            asset: Some(of.asset),
            after: None,
            limit: MAX_HOLDERS,
        };
        let (now, own) = (self.args.clock.now(), self.own_node());
        let copies = self.args.catalog.copies(&query).await?.into_iter();
        let held = copies.filter(|copy| copy.state == CopyState::Held && copy.until > now);
        let nodes = held.map(|copy| copy.node);
        Ok(nodes.filter(|node| Some(*node) != own).collect())
    }

    /// The nodes that should know best: the publisher's own, and `holders`.
    async fn near(
        &self,
        publisher: &Publisher,
        mut holders: BTreeSet<NodeId>,
    ) -> Result<BTreeSet<NodeId>, CatalogError> {
        let feed = self.args.catalog.feed(publisher).await?;
        let nodes = feed.map(|feed| feed.profile.nodes).unwrap_or_default();
        holders.extend(nodes.iter().filter_map(|address| node_at(address)));
        Ok(holders)
    }

    /// Nodes of ours that are connected, longest first.
    fn connected(&self) -> Vec<NodeId> {
        let peers = self.args.swarm.peers().into_iter();
        let speakers = peers.filter(|peer| peer.speaks(PROTOCOL));
        let nodes = speakers.filter_map(|peer| node_of(&peer.id));
        nodes
            .filter(|node| !self.args.trust.refuses_node(node))
            .collect()
    }

    fn own_node(&self) -> Option<NodeId> {
        self.args.swarm.peer_id().parse().ok()
    }
}
