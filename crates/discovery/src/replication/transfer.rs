//! Bringing one copy here: fetched, checked block by block against its CIDs, pinned.
//!
//! Owns: the parts of the copy that have arrived (see [`super::checkpoint`]). Ends: with the copy
//! pinned, with an error, or when it is not wanted any more. Cancel safety: what was pinned at the
//! last checkpoint stays, and the next transfer of the same copy goes on from there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidcast_catalog::{
    AssetOf, Catalog, CatalogError, HeldPackage, Renditions, Replica, ReplicaProgress,
    WantedReplica,
};
use cidcast_ipfs::fetch::{Fetch, FetchError, FetchProgress, FetchSettings, Fetched, Scope};
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_ipfs::{Class, Network, Throttle};
use cidcast_runtime::Clock;
use cidcast_store::{
    Audience, DatabaseError, ParseHolderError, PinError, PinScope, PinSummary, Store,
};
use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::figures::Figures;
use crate::notices::Elsewhere;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::holders;

/// How often the row says how far it is, and whether the copy is still wanted is looked up.
const LOOK: Duration = Duration::from_secs(2);
/// How often what arrived is pinned, at most: a checkpoint syncs the disk.
const CHECKPOINT: Duration = Duration::from_secs(15);
/// For nodes of the publisher to answer.
const DIAL: Duration = Duration::from_secs(10);
/// Addresses of the publisher's nodes, and of holders, that are dialled for one copy.
const MAX_DIALS: usize = 4;
/// What a copy may be larger than announced: directories and playlists of other versions.
const MARGIN: u64 = 4 << 20;

/// Why a copy is not here.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// Blocks could not be had, or the DAG not be walked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It is not what was announced.
    #[error(
        "it is larger than the {announced} bytes that its publisher announced: block the publisher \
         if this is no mistake"
    )]
    TooLarge {
        /// What was announced.
        announced: u64,
    },
    /// It is complete and could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// Pins could not be read or changed.
    #[error(transparent)]
    Pins(#[from] DatabaseError),
    /// What an earlier attempt left could not be read.
    #[error("what an earlier attempt left cannot be read: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A pin could not be named.
    #[error(transparent)]
    Holder(#[from] ParseHolderError),
    /// Its row could not be read or written.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// It was given up or replaced meanwhile.
    #[error("it is not wanted any more")]
    NotWanted,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl TransferError {
    /// Whether another attempt can end differently although nothing else changes.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Fetch(FetchError::Walk(_)) => false,
            Self::Fetch(FetchError::Want(_) | FetchError::Store(_))
            | Self::Pin(_)
            | Self::Pins(_)
            | Self::Checkpoint(_)
            | Self::Holder(_)
            | Self::Catalog(_)
            | Self::NotWanted
            | Self::Stopping => true,
        }
    }
}

impl From<JoinError> for TransferError {
    fn from(_: JoinError) -> Self {
        Self::Stopping
    }
}

/// What transfers share.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) catalog: Catalog,
    pub(super) store: Store,
    pub(super) network: Network,
    pub(super) swarm: SwarmHandle,
    pub(super) elsewhere: Elsewhere,
    /// All transfers together.
    pub(super) throttle: Throttle,
    /// New bytes that are worth a checkpoint.
    pub(super) checkpoint: u64,
    pub(super) figures: Figures,
    pub(super) clock: Clock,
}

/// A copy on its way.
pub(super) struct Transfer {
    means: Means,
    wanted: WantedReplica,
}

impl Transfer {
    pub(super) fn new(means: Means, replica: &Replica) -> Self {
        Self {
            means,
            wanted: replica.wanted.clone(),
        }
    }

    /// Brings the copy here, and saves that it is.
    pub(super) async fn run(self) -> Result<HeldPackage, TransferError> {
        self.note(FetchProgress::default()).await?;
        self.meet_holders().await?;
        let fetched = self.fetch().await?;
        self.note(fetched.progress).await?;
        let summary = self.pin(fetched.scope.clone()).await?;
        drop(fetched);
        self.let_go_of_parts().await?;
        let held = HeldPackage {
            root: self.wanted.root,
            renditions: self.wanted.renditions.clone(),
            bytes: summary.bytes,
            at: self.means.clock.now(),
        };
        let is_wanted = self
            .means
            .catalog
            .replica_pinned(&self.wanted.of, &held)
            .await?;
        self.let_go_of_earlier_forms(is_wanted).await?;
        match is_wanted {
            true => Ok(held),
            false => Err(TransferError::NotWanted),
        }
    }

    /// Fetches, with its row up to date and checkpoints on the way.
    async fn fetch(&self) -> Result<Fetched, TransferError> {
        let mut fetch = self.begin(self.scope().await?);
        let progress = fetch.progress();
        let checkpoint = self.open_checkpoint().await?;
        let checkpoint = Arc::new(Mutex::new(checkpoint));
        let finish = fetch.finish();
        tokio::pin!(finish);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut saved_bytes, mut saved_at, mut seen) = (0, Instant::now(), 0);
        loop {
            tokio::select! {
                done = &mut finish => {
                    let done = done?;
                    let fetched = &self.means.figures.fetched;
                    fetched.inc_by(done.progress.bytes.saturating_sub(seen));
                    return Ok(done);
                }
                _ = looks.tick() => {
                    let now = *progress.borrow();
                    self.note(now).await?;
                    let fresh = now.bytes.saturating_sub(saved_bytes);
                    self.means.figures.fetched.inc_by(now.bytes.saturating_sub(seen));
                    // One that stands still, because it is paused or nobody answers, may as well.
                    let is_due = saved_at.elapsed() >= CHECKPOINT || now.bytes == seen;
                    seen = now.bytes;
                    if fresh >= self.means.checkpoint || (fresh > 0 && is_due) {
                        (saved_bytes, saved_at) = (now.bytes, Instant::now());
                        save(&checkpoint).await;
                        self.means.figures.checkpoints.inc();
                    }
                }
            }
        }
    }

    fn begin(&self, scope: Scope) -> Fetch {
        let settings = FetchSettings::new(Class::Replication);
        let means = &self.means;
        let fetch = means.network.fetch(self.wanted.root.cid(), settings);
        fetch.within(scope).throttled(means.throttle.clone())
    }

    /// The part of the package that is wanted. Where a rendition lies is what its publisher says
    /// today.
    async fn scope(&self) -> Result<Scope, TransferError> {
        let Renditions::Only(names) = &self.wanted.renditions else {
            return Ok(Scope::Whole);
        };
        let AssetOf { publisher, asset } = &self.wanted.of;
        let announced = self.means.catalog.announced_asset(publisher, asset).await?;
        let announced = announced.filter(|asset| asset.content.root == self.wanted.root);
        let content = announced.ok_or(TransferError::NotWanted)?.content;
        let chosen = content.renditions.into_iter();
        let chosen = chosen.filter(|rendition| names.contains(&rendition.name));
        let paths: BTreeSet<String> = chosen.map(|rendition| rendition.path).collect();
        Ok(Scope::Renditions(paths))
    }

    async fn open_checkpoint(&self) -> Result<Checkpoint, TransferError> {
        let holder = holders::of_parts(&self.wanted.of)?;
        let (store, root) = (self.means.store.clone(), self.wanted.root.cid());
        let opened = tokio::task::spawn_blocking(move || Checkpoint::open(store, holder, root));
        Ok(opened.await??)
    }

    /// Notes how far it is; ends the transfer if it is not wanted any more, or is not what was
    /// announced.
    async fn note(&self, now: FetchProgress) -> Result<(), TransferError> {
        let announced = self.wanted.bytes;
        if now.bytes
            > announced
                .saturating_add(announced / 8)
                .saturating_add(MARGIN)
        {
            return Err(TransferError::TooLarge { announced });
        }
        let progress = ReplicaProgress {
            bytes: now.bytes,
            blocks: now.blocks,
            blocks_known: now.blocks_known,
        };
        let catalog = &self.means.catalog;
        match catalog.replica_pinning(&self.wanted, progress).await? {
            true => Ok(()),
            false => Err(TransferError::NotWanted),
        }
    }

    /// Connects to nodes that should have it: the publisher's own, and those that said so, of which
    /// others know. The exchange asks everybody who is connected.
    async fn meet_holders(&self) -> Result<(), TransferError> {
        let feed = self.means.catalog.feed(&self.wanted.of.publisher).await?;
        let nodes = feed.map(|feed| feed.profile.nodes).unwrap_or_default();
        let (_, holders) = tokio::join!(
            self.dial(&nodes),
            self.means.elsewhere.holders(&self.wanted.of)
        );
        self.dial(&holders?).await;
        Ok(())
    }

    async fn dial(&self, addresses: &[String]) {
        let dials = addresses.iter().take(MAX_DIALS).map(|address| async move {
            if let Err(error) = self.means.swarm.connect(address, DIAL).await {
                tracing::debug!(address, %error, "a node that should have a copy does not answer");
            }
        });
        futures::future::join_all(dials).await;
    }

    async fn pin(&self, scope: PinScope) -> Result<PinSummary, TransferError> {
        let holder = holders::of_copy(&self.wanted.of)?;
        let (store, root) = (self.means.store.clone(), self.wanted.root.cid());
        let pinned = tokio::task::spawn_blocking(move || {
            store.pin_part(&holder, &root, Audience::Anyone, &scope)
        });
        Ok(pinned.await??)
    }

    /// The parts are under the pin of the whole now.
    async fn let_go_of_parts(&self) -> Result<(), TransferError> {
        let (store, parts) = (
            self.means.store.clone(),
            holders::of_parts(&self.wanted.of)?,
        );
        tokio::task::spawn_blocking(move || store.unpin(&parts, None)).await??;
        Ok(())
    }

    /// Removes the pins of packages that the asset had earlier; the new one too, if it is not
    /// wanted any more.
    async fn let_go_of_earlier_forms(&self, is_wanted: bool) -> Result<(), TransferError> {
        let (store, root) = (self.means.store.clone(), self.wanted.root.cid());
        let copy = holders::of_copy(&self.wanted.of)?;
        let removed = tokio::task::spawn_blocking(move || -> Result<(), DatabaseError> {
            for pinned in store.pinned_roots(&copy)? {
                if pinned != root || !is_wanted {
                    store.unpin(&copy, Some(&pinned))?;
                }
            }
            Ok(())
        });
        Ok(removed.await??)
    }
}

/// Pins what has arrived. A failure costs only what a restart would have to fetch again.
async fn save(checkpoint: &Arc<Mutex<Checkpoint>>) {
    let checkpoint = Arc::clone(checkpoint);
    let saved = tokio::task::spawn_blocking(move || {
        let mut checkpoint = checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoint.save()
    });
    match saved.await {
        Ok(Ok(parts)) => tracing::debug!(parts, "parts of a copy are pinned"),
        Ok(Err(error)) => tracing::warn!(%error, "parts of a copy could not be pinned"),
        Err(_) => {}
    }
}
