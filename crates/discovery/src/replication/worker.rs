//! The one loop of replication.
//!
//! Plan → give up what has to go → start what is due, as many at a time as allowed. It runs when
//! something has changed (a feed, a follow, the operator's word, the end of a transfer) and now and
//! then without. Everything that it knows is in rows and pins, so it may end at any instruction.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_catalog::{AssetOf, CatalogError, FailedAttempt, HeldPackage, Replica, TransferPace};
use cidcast_ipfs::Flow;
use cidcast_store::{DatabaseError, ParseHolderError};
use cidcast_types::{Cid, PinState, Timestamp};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::holders;
use super::reconcile::reconcile;
use super::schedule::Rate;
use super::survey::{Choices, View};
use super::transfer::{Means, Transfer, TransferError};
use super::{Pace, Replicas, ReplicationSettings, Status};
use crate::notices::{Heard, Herald};

/// Without an event: views and copies elsewhere change what is wanted too.
const TURN: Duration = Duration::from_secs(300);
/// Changes come in bursts: one plan for all of them.
const SETTLE: Duration = Duration::from_millis(500);
/// After the catalog or the pins failed.
const AFTER_FAULT: Duration = Duration::from_secs(10);
/// Copies that are given up in one go.
const DROPS: u32 = 200;

/// Rows or pins failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Pins(#[from] DatabaseError),
    #[error(transparent)]
    Herald(#[from] crate::notices::HeraldError),
    #[error(transparent)]
    Holder(#[from] ParseHolderError),
    #[error("the node is stopping")]
    Stopping(#[from] tokio::task::JoinError),
}

/// The loop.
pub(super) struct Worker {
    pub(super) means: Means,
    pub(super) settings: Arc<ReplicationSettings>,
    pub(super) herald: Herald,
    pub(super) handle: Replicas,
    pub(super) pace: watch::Receiver<Pace>,
    /// Counts what asks for a new plan.
    pub(super) changes: watch::Receiver<u64>,
    /// What others said of copies elsewhere.
    pub(super) heard: watch::Receiver<Heard>,
    pub(super) status: watch::Sender<Status>,
    pub(super) running: JoinSet<(AssetOf, Result<HeldPackage, TransferError>)>,
    pub(super) transfers: BTreeMap<AssetOf, AbortHandle>,
}

impl Worker {
    pub(super) async fn run(mut self) {
        if let Err(error) = self.forget_leftovers().await {
            tracing::warn!(%error, "pins of copies could not be compared with their rows");
        }
        self.take_up_pause().await;
        loop {
            self.changes.borrow_and_update();
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "replication has to wait");
                    AFTER_FAULT
                }
            };
            self.rest(wait).await;
        }
    }

    /// A pause outlives a restart.
    async fn take_up_pause(&self) {
        match self.means.catalog.replication_pace().await {
            Ok(TransferPace::Paused) => self.handle.go(Pace::Paused),
            Ok(TransferPace::Running) => {}
            Err(error) => tracing::warn!(%error, "whether transfers are paused cannot be read"),
        }
    }

    /// One round; how long the next one may wait.
    async fn turn(&mut self) -> Result<Duration, WorkError> {
        let now = self.means.clock.now();
        let view = self.view(now);
        let done = reconcile(&self.means.catalog, &view, self.settings.budget).await?;
        if done.undecided > 0 {
            self.means.elsewhere.hurry();
        }
        if done.wanted > 0 || done.given_up > 0 {
            tracing::info!(
                wanted = done.wanted,
                given_up = done.given_up,
                "copies planned"
            );
        }
        self.give_up(now).await?;
        self.halt(&done.paused);
        self.herald.acknowledge(now).await?;
        self.herald.tell_of_copies(now).await?;
        let rate = self.rate(now);
        self.means.throttle.set(flow(rate));
        if rate != Rate::Paused {
            self.start_due(now, &done.paused).await?;
        }
        self.report(done.bytes, rate).await?;
        self.wait(now).await
    }

    fn view(&mut self, now: Timestamp) -> View {
        View {
            choices: Choices {
                fate: self.settings.fate,
                obey: self.settings.obey,
            },
            node: self.means.swarm.peer_id().parse().ok(),
            asked: self.heard.borrow_and_update().asked.clone(),
            now,
        }
    }

    /// What the operator and the time of day allow.
    fn rate(&self, now: Timestamp) -> Rate {
        match self.handle.pace() {
            Pace::Paused => Rate::Paused,
            Pace::Scheduled => self.settings.schedule.rate(now),
        }
    }

    async fn wait(&self, now: Timestamp) -> Result<Duration, WorkError> {
        let retry = self.means.catalog.next_replica_at().await?;
        let change = self.settings.schedule.next_change(now);
        let until = |at: Timestamp| {
            Duration::from_millis(at.as_millis().saturating_sub(now.as_millis()).max(1))
        };
        let waits = retry.into_iter().chain(change).map(until);
        Ok(waits.min().unwrap_or(TURN).min(TURN))
    }

    /// Waits for an event or the time, and settles what has ended.
    async fn rest(&mut self, wait: Duration) {
        let event = tokio::select! {
            () = sleep(wait) => return,
            ended = self.running.join_next(), if !self.running.is_empty() => ended,
            // Their senders are in `handle` and `means`: they cannot be gone.
            _ = self.changes.changed() => None,
            _ = self.heard.changed() => None,
            _ = self.pace.changed() => None,
        };
        match event {
            Some(Ok((of, ended))) => self.settle(of, ended).await,
            // Stopped by hand; the row says that it is to go on.
            Some(Err(_)) => {}
            None => {
                let _ = timeout(SETTLE, self.pace.changed()).await;
            }
        }
    }

    async fn settle(&mut self, of: AssetOf, ended: Result<HeldPackage, TransferError>) {
        self.transfers.remove(&of);
        let error = match ended {
            Ok(held) => {
                tracing::info!(%of, bytes = held.bytes, "a copy is pinned");
                return;
            }
            Err(TransferError::NotWanted | TransferError::Stopping) => return,
            Err(error) => error,
        };
        tracing::info!(%of, %error, "a copy could not be fetched");
        if let Err(fault) = self.note_failure(&of, &error).await {
            tracing::warn!(%of, error = %fault, "a failed copy could not be noted");
        }
    }

    async fn note_failure(&self, of: &AssetOf, error: &TransferError) -> Result<(), CatalogError> {
        let catalog = &self.means.catalog;
        let Some(row) = catalog.replica(of).await? else {
            return Ok(());
        };
        let delay = self.settings.retry.delay(row.failures.saturating_add(1));
        let delay = delay.filter(|_| error.may_pass());
        let now = self.means.clock.now();
        let failed = FailedAttempt {
            error: error.to_string(),
            next_at: delay.map(|delay| now.after(delay)),
        };
        catalog.replica_failed(of, &failed).await
    }

    /// Ends the transfers of publishers that are paused. The rows say where they were.
    fn halt(&mut self, paused: &BTreeSet<Publisher>) {
        self.transfers.retain(|of, task| {
            let goes_on = !paused.contains(&of.publisher);
            if !goes_on {
                task.abort();
            }
            goes_on
        });
    }

    async fn start_due(
        &mut self,
        now: Timestamp,
        paused: &BTreeSet<Publisher>,
    ) -> Result<(), WorkError> {
        let most = self.settings.parallel.max(1);
        if self.transfers.len() >= most {
            return Ok(());
        }
        // Those that run are due too.
        let enough = u32::try_from(most * 2).unwrap_or(u32::MAX);
        let catalog = &self.means.catalog;
        let due = catalog.replicas_to_fetch(now, paused, enough).await?;
        for replica in due {
            let of = replica.wanted.of;
            if self.transfers.len() >= most {
                break;
            }
            if self.transfers.contains_key(&of) {
                continue;
            }
            let transfer = Transfer::new(self.means.clone(), &replica);
            let task = self
                .running
                .spawn(async move { (of, transfer.run().await) });
            self.transfers.insert(of, task);
        }
        Ok(())
    }

    /// Lets go of what is marked to go.
    async fn give_up(&mut self, now: Timestamp) -> Result<(), WorkError> {
        loop {
            let leaving = self.means.catalog.replicas_to_drop(DROPS).await?;
            if leaving.is_empty() {
                return Ok(());
            }
            for replica in leaving {
                let of = replica.wanted.of;
                if let Some(task) = self.transfers.remove(&of) {
                    task.abort();
                }
                self.unpin(&of).await?;
                // Before the row is gone, so that a kill in between repeats it.
                self.herald.tell_of_the_end(&replica, now).await?;
                self.means.catalog.drop_replica(&of).await?;
                tracing::info!(%of, "a copy was given up");
            }
        }
    }

    async fn unpin(&self, of: &AssetOf) -> Result<(), WorkError> {
        let (parts, copy) = (holders::of_parts(of)?, holders::of_copy(of)?);
        let store = self.means.store.clone();
        let removed = tokio::task::spawn_blocking(move || -> Result<(), DatabaseError> {
            store.unpin(&parts, None)?;
            store.unpin(&copy, None)?;
            Ok(())
        });
        Ok(removed.await??)
    }

    /// Pins of copies without a row, which a kill between two steps leaves.
    async fn forget_leftovers(&self) -> Result<(), WorkError> {
        let mut wanted = HashSet::new();
        let mut after = 0;
        loop {
            let page = self.means.catalog.replicas(after, DROPS).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for replica in &page {
                wanted.extend(pins_of(replica)?);
            }
        }
        let store = self.means.store.clone();
        let removed = tokio::task::spawn_blocking(move || -> Result<usize, DatabaseError> {
            let mut removed = 0;
            for prefix in holders::ALL {
                for pin in store.pins_with(prefix)? {
                    let holder = pin.holder.as_str().to_owned();
                    let is_wanted = wanted.contains(&(holder.clone(), None))
                        || wanted.contains(&(holder, Some(pin.root)));
                    if !is_wanted {
                        store.unpin(&pin.holder, Some(&pin.root))?;
                        removed += 1;
                    }
                }
            }
            Ok(removed)
        });
        let removed = removed.await??;
        if removed > 0 {
            tracing::info!(removed, "pins of copies that nobody wants are gone");
        }
        Ok(())
    }

    async fn report(&self, planned_bytes: u64, rate: Rate) -> Result<(), WorkError> {
        let totals = self.means.catalog.replica_totals().await?;
        let status = Status {
            budget: self.settings.budget,
            planned_bytes,
            totals,
            running: self.transfers.len(),
            pace: self.handle.pace(),
            rate,
        };
        self.means.figures.planned(&status);
        self.status.send_replace(status);
        Ok(())
    }
}

/// The pins that a row accounts for, by holder and root; of parts every root.
fn pins_of(replica: &Replica) -> Result<Vec<(String, Option<Cid>)>, ParseHolderError> {
    let of = &replica.wanted.of;
    let (parts, copy) = (holders::of_parts(of)?, holders::of_copy(of)?);
    let held = replica.held.as_ref().map(|held| held.root.cid());
    let wanted = Some(replica.wanted.root.cid());
    let mut all = Vec::new();
    if replica.state != PinState::Pinned {
        all.push((parts.as_str().to_owned(), None));
    }
    for root in [held, wanted].into_iter().flatten() {
        all.push((copy.as_str().to_owned(), Some(root)));
    }
    Ok(all)
}

fn flow(rate: Rate) -> Flow {
    match rate {
        Rate::Unlimited => Flow::Free,
        Rate::Bytes(bytes) => Flow::Rate(bytes),
        Rate::Paused => Flow::Paused,
    }
}
