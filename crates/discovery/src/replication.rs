//! Replication: what is copied to this disk, and what has to go for it.
//!
//! [`plan`] decides, as a pure function of follows, feeds and what is here; rows say what was
//! decided and how it goes; one loop carries it out. A copy is fetched block by block by its CIDs,
//! pinned open to anyone, and served and provided like an own asset, so that it lives on when its
//! origin is gone. Parts that have arrived are pinned on the way: a transfer that is cut off goes on
//! where it was.
//!
//! Owns: one loop and as many transfers as the settings allow. Ends: with the `Shutdown` it was
//! started under. Cancel safety: everything is in rows and pins; the next start goes on.

mod checkpoint;
mod holders;
pub mod plan;
mod reconcile;
pub mod schedule;
mod settings;
mod survey;
mod transfer;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use cidcast_catalog::{
    Acknowledgement, AssetOf, Catalog, CatalogError, Copy, CopyQuery, Listing, Removed, Replica,
    ReplicaTotals, TransferPace, ViewTotals,
};
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_ipfs::{Flow, Network, Throttle};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::figures::Figures;
use crate::notices::{Elsewhere, Herald};
use schedule::Rate;
pub use settings::{ReplicationSettings, Start};
use transfer::Means;
use worker::Worker;

/// What replication is started with.
#[derive(Debug)]
pub struct ReplicationArgs {
    /// Follows, feeds and copies.
    pub catalog: Catalog,
    /// Where copies are kept.
    pub store: Store,
    /// Where they come from.
    pub network: Network,
    /// To meet nodes that have them.
    pub swarm: SwarmHandle,
    /// Tells publishers of them.
    pub herald: Herald,
    /// Knows of copies on other nodes.
    pub elsewhere: Elsewhere,
    /// Where to count.
    pub figures: Figures,
    /// For lifetimes, schedules and retries.
    pub clock: Clock,
    /// What the operator decided.
    pub settings: ReplicationSettings,
}

/// Whether transfers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As the schedule says.
    Scheduled,
    /// Not at all, until the operator says so.
    Paused,
}

/// How replication goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Bytes that copies may take.
    pub budget: u64,
    /// Bytes of all that should be here by the last plan.
    pub planned_bytes: u64,
    /// Copies by state, and their bytes.
    pub totals: ReplicaTotals,
    /// Transfers that run.
    pub running: usize,
    /// What the operator said.
    pub pace: Pace,
    /// How fast copies are fetched now.
    pub rate: Rate,
}

/// The copies of this node: to look at and to steer. Clones are the same.
#[derive(Debug, Clone)]
pub struct Replicas {
    catalog: Catalog,
    clock: Clock,
    pace: Arc<watch::Sender<Pace>>,
    changes: Arc<watch::Sender<u64>>,
    status: watch::Receiver<Status>,
}

impl Replicas {
    /// Starts to keep copies as the follows say.
    pub fn start(args: ReplicationArgs, shutdown: &Shutdown) -> Self {
        let first = match args.settings.start {
            Start::Running => Pace::Scheduled,
            Start::Paused => Pace::Paused,
        };
        let (pace, paces) = watch::channel(first);
        let (changes, changed) = watch::channel(0);
        let (report, status) = watch::channel(Status {
            budget: args.settings.budget,
            planned_bytes: 0,
            totals: ReplicaTotals::default(),
            running: 0,
            pace: first,
            rate: args.settings.schedule.rate(args.clock.now()),
        });
        let replicas = Self {
            catalog: args.catalog.clone(),
            clock: args.clock.clone(),
            pace: Arc::new(pace),
            changes: Arc::new(changes),
            status,
        };
        let heard = args.elsewhere.heard();
        let worker = Worker {
            means: Means {
                catalog: args.catalog,
                store: args.store,
                network: args.network,
                swarm: args.swarm,
                elsewhere: args.elsewhere,
                // The first turn says how fast.
                throttle: Throttle::new(Flow::Paused),
                checkpoint: args.settings.checkpoint,
                figures: args.figures,
                clock: args.clock,
            },
            settings: Arc::new(args.settings),
            herald: args.herald,
            handle: replicas.clone(),
            pace: paces,
            changes: changed,
            heard,
            status: report,
            running: JoinSet::new(),
            transfers: BTreeMap::new(),
        };
        let token = shutdown.token().clone();
        shutdown.spawn("replication", async move {
            Box::pin(token.run_until_cancelled_owned(worker.run())).await
        });
        replicas
    }

    /// Asks for a new plan: a feed, a follow or a block has changed.
    pub fn wake(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How it goes, at any time.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What the operator said.
    pub fn pace(&self) -> Pace {
        *self.pace.borrow()
    }

    /// Stops every transfer until [`Self::resume`], also after a restart. What has arrived stays.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn pause(&self) -> Result<(), CatalogError> {
        self.catalog
            .set_replication_pace(TransferPace::Paused)
            .await?;
        self.go(Pace::Paused);
        Ok(())
    }

    /// Lets transfers run again, as the schedule says.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn resume(&self) -> Result<(), CatalogError> {
        self.catalog
            .set_replication_pace(TransferPace::Running)
            .await?;
        self.go(Pace::Scheduled);
        Ok(())
    }

    fn go(&self, pace: Pace) {
        self.pace.send_replace(pace);
    }

    /// Up to `limit` copies that are here or on their way, with an id after `after`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn list(&self, after: i64, limit: u32) -> Result<Vec<Replica>, CatalogError> {
        self.catalog.replicas(after, limit).await
    }

    /// One copy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn get(&self, of: &AssetOf) -> Result<Option<Replica>, CatalogError> {
        self.catalog.replica(of).await
    }

    /// Tries failed copies again at once: one, or all. Answers how many.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retry(&self, only: Option<&AssetOf>) -> Result<u64, CatalogError> {
        let hurried = self.catalog.retry_replicas(only).await?;
        self.wake();
        Ok(hurried)
    }

    /// Removes an asset from this node for good: its copy goes, it is neither listed nor found, and
    /// no announcement brings it back before [`Self::allow`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remove(&self, of: &AssetOf, reason: &str) -> Result<(), CatalogError> {
        let announced = self
            .catalog
            .announced_asset(&of.publisher, &of.asset)
            .await?;
        let removed = Removed {
            of: *of,
            root: announced.map(|asset| asset.content.root),
            reason: reason.chars().take(MAX_REASON).collect(),
            at: self.clock.now(),
        };
        self.catalog.remove_for_good(&removed).await?;
        let hidden = Listing::Hidden;
        self.catalog
            .set_listing(&of.publisher, &of.asset, hidden)
            .await?;
        self.wake();
        Ok(())
    }

    /// Lets an asset come back that was removed; answers whether it was.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn allow(&self, of: &AssetOf) -> Result<bool, CatalogError> {
        let was_removed = self.catalog.allow_again(of).await?;
        if was_removed {
            let shown = Listing::Shown;
            self.catalog
                .set_listing(&of.publisher, &of.asset, shown)
                .await?;
        }
        self.wake();
        Ok(was_removed)
    }

    /// Up to `limit` removed assets after the first `skip`, the last first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn removed(&self, skip: u32, limit: u32) -> Result<Vec<Removed>, CatalogError> {
        self.catalog.removed(skip, limit).await
    }

    /// Copies on other nodes, as they said.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn copies(&self, query: &CopyQuery) -> Result<Vec<Copy>, CatalogError> {
        self.catalog.copies(query).await
    }

    /// What other nodes did when an asset was retracted.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn acknowledgements(
        &self,
        of: &AssetOf,
    ) -> Result<Vec<Acknowledgement>, CatalogError> {
        self.catalog.acknowledgements(of).await
    }

    /// How often an asset was watched, here and elsewhere.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn views(&self, of: &AssetOf) -> Result<ViewTotals, CatalogError> {
        self.catalog.view_totals(of).await
    }
}

/// Longest reason for a removal that is kept, in characters.
const MAX_REASON: usize = 1_000;
