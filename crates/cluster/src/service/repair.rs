//! Looking for damage without being asked, and repairing it from other members.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use cidcast_ipfs::Class;
use cidcast_ipfs::fetch::FetchSettings;
use cidcast_runtime::locked;
use cidcast_store::{DagReport, PinScope, VerifyError};

use super::seat::Seat;
use crate::event::{Event, LocalPin};

/// Bytes a second that a check may read: they are for when nothing else happens.
const PACE: u64 = 16 << 20;
/// One part of the time in so many goes into checks: at this pace some 340 GB a day.
const SHARE: u32 = 4;
/// Before the same repair is tried again.
const AGAIN: Duration = Duration::from_secs(30);

impl Seat {
    /// Checks one root after another: with each interval of the audits as many as its share of the
    /// time allows, at least one.
    pub(super) async fn keep_checking(self: &Arc<Self>) {
        let interval = self.settings.machine.audit_interval;
        let mut last: Option<Cid> = None;
        loop {
            let hurry = tokio::select! {
                () = tokio::time::sleep(interval) => false,
                () = self.checks.notified() => true,
            };
            let roots = self.checkable().await;
            if hurry {
                for root in roots {
                    self.check(root).await;
                }
                continue;
            }
            // On from where it was, and once around at most.
            let begin = roots.partition_point(|root| last.is_some_and(|last| *root <= last));
            let (before, after) = roots.split_at(begin);
            let began = Instant::now();
            for root in after.iter().chain(before) {
                self.check(*root).await;
                last = Some(*root);
                if began.elapsed() >= interval / SHARE {
                    break;
                }
            }
        }
    }

    /// Roots of the pinset of which every block is to be here, for whomever.
    async fn checkable(&self) -> Vec<Cid> {
        let store = self.parts.store.clone();
        let pins = tokio::task::spawn_blocking(move || store.pins());
        let pins = match pins.await {
            Ok(Ok(pins)) => pins,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what is to be checked could not be listed");
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        let whole = pins.into_iter().filter(|pin| pin.scope == PinScope::Whole);
        let mut roots: Vec<Cid> = self.with(|machine| {
            let known = whole.map(|pin| pin.root);
            known.filter(|root| machine.spec(root).is_some()).collect()
        });
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    async fn check(self: &Arc<Self>, root: Cid) {
        if locked(&self.repairing).contains(&root) {
            return;
        }
        let report = match self.verify(root).await {
            Ok(report) if report.damaged.is_empty() => return,
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%root, %error, "a copy could not be checked");
                return;
            }
        };
        tracing::warn!(%root, blocks = report.damaged.len(), "blocks are damaged or missing");
        self.parts.metrics.damaged(report.damaged.len());
        if self.with(|machine| machine.is_held(&root)) {
            // It does not count until it is whole again, and the machine has it repaired.
            self.feed(Event::Suspected { root });
            return;
        }
        // Of an asset of this node, which another member keeps for the cluster.
        self.keep("cluster repair", |seat| async move {
            seat.verify_and_repair(root).await;
        });
    }

    async fn verify(&self, root: Cid) -> Result<DagReport, VerifyError> {
        let (store, token) = (self.parts.store.clone(), self.tasks.token().clone());
        let began = Instant::now();
        let mut read = 0_u64;
        let pause = move |bytes: usize| {
            read += bytes as u64;
            let due = Duration::from_millis(read.saturating_mul(1000) / PACE);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        };
        let check = move || store.verify_dag(&root, pause, || token.is_cancelled());
        let checked = tokio::task::spawn_blocking(check).await;
        checked.unwrap_or(Err(VerifyError::Cancelled))
    }

    /// Hashes every block of a root, and fetches anew what is damaged, until all of it is good or it
    /// is not wanted here any longer.
    pub(super) async fn verify_and_repair(&self, root: Cid) {
        if !locked(&self.repairing).insert(root) {
            return;
        }
        while !self.is_repaired(root).await {
            tokio::time::sleep(AGAIN).await;
        }
        locked(&self.repairing).remove(&root);
    }

    /// One attempt; whether there is nothing left to do.
    async fn is_repaired(&self, root: Cid) -> bool {
        let Ok(_place) = self.repairs.acquire().await else {
            return true;
        };
        let report = match self.verify(root).await {
            Ok(report) => report,
            Err(error) => return self.not_repaired(root, error.to_string()).await,
        };
        if report.damaged.is_empty() {
            return self.tell_whole(root).await;
        }
        if !self.with(|machine| machine.is_elsewhere(&root)) {
            let many = report.damaged.len();
            let error = format!("{many} blocks are damaged, and no other member has them");
            return self.not_repaired(root, error).await;
        }
        let store = self.parts.store.clone();
        let discarded = tokio::task::spawn_blocking(move || {
            let mut damaged = report.damaged.iter();
            damaged.try_for_each(|block| store.discard_damaged(block).map(drop))
        });
        if let Ok(Err(error)) = discarded.await {
            return self.not_repaired(root, error.to_string()).await;
        }
        let settings = FetchSettings::new(Class::Replication);
        let mut fetch = self.parts.network.fetch(root, settings);
        match fetch.finish().await {
            Ok(_) => {
                tracing::info!(%root, "repaired");
                self.parts.metrics.repaired();
                let text = format!("damaged blocks of {root} were fetched anew from other members");
                let noted = self
                    .parts
                    .catalog
                    .note_cluster_event("repaired", &text, self.now());
                if let Err(error) = noted.await {
                    tracing::warn!(%error, "an event of the cluster could not be noted");
                }
                self.tell_whole(root).await
            }
            Err(error) => self.not_repaired(root, error.to_string()).await,
        }
    }

    /// The machine learns that a copy is whole, if it is the cluster's.
    async fn tell_whole(&self, root: Cid) -> bool {
        if let Some(bytes) = self.pinned_bytes(root).await {
            let state = LocalPin::Pinned { bytes };
            self.feed(Event::Local { root, state });
        }
        true
    }

    /// Whether to give up: it is not pinned here any longer.
    async fn not_repaired(&self, root: Cid, error: String) -> bool {
        tracing::warn!(%root, error, "a damaged copy could not be repaired yet");
        if self.pinned_bytes(root).await.is_some() {
            let state = LocalPin::Failed { error };
            self.feed(Event::Local { root, state });
            return false;
        }
        let store = self.parts.store.clone();
        let pins = tokio::task::spawn_blocking(move || store.pins()).await;
        let Ok(Ok(pins)) = pins else { return true };
        !pins.iter().any(|pin| pin.root == root)
    }

    /// The bytes of a root, if it is pinned for the cluster.
    pub(super) async fn pinned_bytes(&self, root: Cid) -> Option<u64> {
        let (store, holder) = (self.parts.store.clone(), self.holder.clone());
        let pin = tokio::task::spawn_blocking(move || store.pin_of(&holder, &root));
        match pin.await {
            Ok(Ok(pin)) => pin.map(|pin| pin.bytes),
            Ok(Err(error)) => {
                tracing::warn!(%root, %error, "a pin could not be looked up");
                None
            }
            Err(_) => None,
        }
    }
}
