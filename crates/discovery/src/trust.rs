//! Trust: scores of peers and publishers, blocks and block lists.
//!
//! Whoever deals with peers tells what they did ([`Trust::note`]); whoever is about to deal with one
//! asks whether it may ([`Trust::refuses_peer`], [`Trust::interest`]). Who is blocked, or revoked by
//! its score, is let go: a peer is disconnected and not connected with again; of a publisher nothing
//! more is taken, and what it had here stays, is taken out of the index, or goes with its copies, as
//! the operator chose ([`Fate`]). Copies are dropped by replication, which reads [`Trust::fates`].
//! Everything is undone when the operator un-blocks or resets a score.
//!
//! Owns: one task that makes swarm and index what the rows say, by event and by timer. Ends: with
//! the `Shutdown` it was started under. Cancel safety: what it does, it would do again.

mod lists;
mod reconcile;
mod score;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::{
    Blocked, BlockedError, Catalog, CatalogError, Conduct, FIRST_SCORE, Fate, Interest, Score,
    StoredBlockList, Subject,
};
use cidcast_ipfs::swarm::{PeerId, SwarmHandle};
use cidcast_runtime::{Clock, Shutdown};
use tokio::sync::watch;

pub use lists::{BlockLists, ListError};
pub use score::{Deed, MAX_SCORE};

/// Longest reason for a block that is kept, in characters.
const MAX_REASON: usize = 256;

/// What the operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustSettings {
    /// What becomes of what a blocked or revoked publisher had here, unless a block says otherwise.
    pub fate: Fate,
}

impl Default for TrustSettings {
    /// It is not listed any more, and nothing is lost.
    fn default() -> Self {
        Self {
            fate: Fate::Unindex,
        }
    }
}

/// What trust is started with.
#[derive(Debug, Clone)]
pub struct TrustArgs {
    /// Where scores and blocks are kept.
    pub catalog: Catalog,
    /// Which has nothing to do with refused peers.
    pub swarm: SwarmHandle,
    /// For the times of reasons.
    pub clock: Clock,
    /// What the operator chose.
    pub settings: TrustSettings,
}

/// Somebody cannot be blocked, or a block not be taken back.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The operator's own node.
    #[error("{0} is this node itself: it cannot be blocked")]
    Oneself(NodeId),
    /// The publisher of this node.
    #[error("{0} is the publisher of this node: it cannot be blocked")]
    OwnPublisher(Publisher),
    /// The rows do not allow it.
    #[error(transparent)]
    Rows(#[from] BlockedError),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Trust, to be asked and told by as many as like. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    swarm: SwarmHandle,
    clock: Clock,
    settings: TrustSettings,
    /// Peers that are refused, as the rows said last: asked for every message that comes in.
    refused_peers: RwLock<HashSet<NodeId>>,
    /// Counts what changes who is refused.
    changes: watch::Sender<u64>,
}

impl Trust {
    /// Reads who is refused, and starts to keep it so.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn start(args: TrustArgs, shutdown: &Shutdown) -> Result<Self, CatalogError> {
        let trust = Self {
            inner: Arc::new(Inner {
                catalog: args.catalog,
                swarm: args.swarm,
                clock: args.clock,
                settings: args.settings,
                refused_peers: RwLock::default(),
                changes: watch::Sender::new(0),
            }),
        };
        trust.read_refused_peers().await?;
        let worker = reconcile::Worker::new(trust.clone());
        let token = shutdown.token().clone();
        shutdown.spawn("trust", async move {
            token.run_until_cancelled_owned(worker.run()).await
        });
        Ok(trust)
    }

    /// Notes what a peer or publisher did. A database that fails is logged: nobody can do anything
    /// about it here.
    pub async fn note(&self, subject: Subject, deed: Deed) {
        if let Err(error) = self.judge(&subject, deed).await {
            tracing::warn!(%subject, ?deed, %error, "a deed was not noted");
        }
    }

    /// As [`Self::note`], for a peer as the swarm names it. Who is no ed25519 key is no cidcast
    /// node, and has no score.
    pub async fn note_peer(&self, peer: &PeerId, deed: Deed) {
        if let Some(node) = node_of(peer) {
            self.note(Subject::Peer(node), deed).await;
        }
    }

    /// Notes that a publisher has signed two announcements with one number. The same pair may come
    /// from everybody, again and again: it counts once.
    pub async fn note_fork(&self, publisher: &Publisher, seq: u64) {
        let subject = Subject::Publisher(*publisher);
        let why = format!("signed two announcements with number {seq}");
        let noted = match self.inner.catalog.score(&subject).await {
            Ok(score) if score.reasons.iter().any(|one| one.why == why) => return,
            Ok(_) => self.set(&subject, Deed::Forked, &why).await,
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(%subject, %error, "a fork was not noted");
        }
    }

    async fn judge(&self, subject: &Subject, deed: Deed) -> Result<(), CatalogError> {
        // Most peers are at the ceiling most of the time: that costs no write.
        let now = self.inner.catalog.score(subject).await?;
        let is_known = now
            .reasons
            .first()
            .is_some_and(|last| last.why == deed.why());
        if is_known && deed.after(now.score) == now.score {
            return Ok(());
        }
        self.set(subject, deed, deed.why()).await
    }

    async fn set(&self, subject: &Subject, deed: Deed, why: &str) -> Result<(), CatalogError> {
        let at = self.inner.clock.now();
        let rule = |score| deed.after(score);
        let catalog = &self.inner.catalog;
        let judged = catalog
            .judge(subject, deed.conduct(), why, at, rule)
            .await?;
        if judged.has_revoked() {
            tracing::warn!(%subject, why, "revoked: its score is 0");
            self.changed().await?;
        }
        Ok(())
    }

    /// Whether nothing is to be had to do with a peer. For hot paths: it reads no row.
    pub fn refuses_peer(&self, peer: &PeerId) -> bool {
        node_of(peer).is_some_and(|node| self.refuses_node(&node))
    }

    /// As [`Self::refuses_peer`].
    pub fn refuses_node(&self, node: &NodeId) -> bool {
        let refused = self.inner.refused_peers.read();
        let refused = refused.unwrap_or_else(PoisonError::into_inner);
        refused.contains(node)
    }

    /// What this node has to do with a publisher.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn interest(&self, publisher: &Publisher) -> Result<Interest, CatalogError> {
        self.inner.catalog.interest(publisher).await
    }

    /// Everybody of whom nothing more is taken, and what becomes of what they had here: what
    /// replication and the index are reconciled with.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn fates(&self) -> Result<BTreeMap<Publisher, Fate>, CatalogError> {
        let refused = self.inner.catalog.refused_publishers().await?;
        let default = self.inner.settings.fate;
        let fate =
            |one: cidcast_catalog::RefusedPublisher| (one.publisher, one.fate.unwrap_or(default));
        Ok(refused.into_iter().map(fate).collect())
    }

    /// Changes whenever somebody is refused who was not, or the other way round.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Up to `limit` scores, lowest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn scores(&self, limit: u32) -> Result<Vec<Score>, CatalogError> {
        self.inner.catalog.scores(limit).await
    }

    /// What somebody has earned, and why.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn score(&self, subject: &Subject) -> Result<Score, CatalogError> {
        self.inner.catalog.score(subject).await
    }

    /// Lets somebody begin anew, who may have been revoked.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn reset_score(&self, subject: &Subject) -> Result<Score, CatalogError> {
        let at = self.inner.clock.now();
        let why = "the operator has reset the score";
        let catalog = &self.inner.catalog;
        catalog
            .judge(subject, Conduct::Neither, why, at, |_| FIRST_SCORE)
            .await?;
        self.changed().await?;
        catalog.score(subject).await
    }

    /// Blocks somebody. Without a `fate`, the configured one applies to what a publisher had here.
    ///
    /// # Errors
    /// [`BlockError`]
    pub async fn block(
        &self,
        subject: &Subject,
        reason: &str,
        fate: Option<Fate>,
    ) -> Result<(), BlockError> {
        self.check_not_oneself(subject).await?;
        let reason: String = reason.chars().take(MAX_REASON).collect();
        let at = self.inner.clock.now();
        self.inner.catalog.block(subject, &reason, fate, at).await?;
        tracing::info!(%subject, "blocked");
        Ok(self.changed().await?)
    }

    /// Takes back the operator's block, and lets somebody in whom an imported list blocks. Answers
    /// whether it was blocked at all.
    ///
    /// # Errors
    /// [`BlockError`]
    pub async fn unblock(&self, subject: &Subject) -> Result<bool, BlockError> {
        let at = self.inner.clock.now();
        let was_blocked = self.inner.catalog.unblock(subject, at).await?;
        self.changed().await?;
        Ok(was_blocked)
    }

    /// Up to `limit` of those who are blocked, after the first `skip`, and whose word that is.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn blocked(&self, skip: u32, limit: u32) -> Result<Vec<Blocked>, CatalogError> {
        self.inner.catalog.blocked(skip, limit).await
    }

    /// Every imported block list.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn block_lists(&self) -> Result<Vec<StoredBlockList>, CatalogError> {
        self.inner.catalog.block_lists().await
    }

    /// Takes back an imported block list, and every block that only it said.
    ///
    /// # Errors
    /// [`BlockError`]
    pub async fn remove_block_list(&self, id: i64) -> Result<(), BlockError> {
        self.inner.catalog.remove_block_list(id).await?;
        Ok(self.changed().await?)
    }

    async fn check_not_oneself(&self, subject: &Subject) -> Result<(), BlockError> {
        match subject {
            Subject::Peer(node) if node.to_string() == self.inner.swarm.peer_id() => {
                Err(BlockError::Oneself(*node))
            }
            Subject::Publisher(publisher) if self.interest(publisher).await? == Interest::Own => {
                Err(BlockError::OwnPublisher(*publisher))
            }
            _ => Ok(()),
        }
    }

    /// To be called after rows have changed who is refused.
    async fn changed(&self) -> Result<(), CatalogError> {
        self.read_refused_peers().await?;
        self.inner.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn read_refused_peers(&self) -> Result<(), CatalogError> {
        let refused = self.inner.catalog.refused_peers().await?;
        let mut kept = self
            .inner
            .refused_peers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = refused.into_iter().collect();
        Ok(())
    }

    fn refused_peers(&self) -> HashSet<NodeId> {
        let refused = self.inner.refused_peers.read();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A peer that can be a cidcast node.
pub(crate) fn node_of(peer: &PeerId) -> Option<NodeId> {
    peer.to_string().parse().ok()
}

/// The swarm's name of a node.
pub(crate) fn peer_of(node: &NodeId) -> Option<PeerId> {
    node.to_string().parse().ok()
}
