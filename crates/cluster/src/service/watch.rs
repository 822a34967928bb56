//! What the store does for the cluster: how far pins are, and how much room there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use cidcast_ipfs::pinner::{PinJob, PinJobState};
use cidcast_runtime::locked;
use tokio::time::MissedTickBehavior;

use super::seat::Seat;
use crate::event::{Event, LocalPin};

/// How often to look while something is on its way.
const BUSY: Duration = Duration::from_millis(500);
/// How often to look at the room and the figures.
const IDLE: Duration = Duration::from_secs(5);
/// A capacity that follows the disk is said anew when it is off by more than one part in so many.
const STEP: u64 = 16;

impl Seat {
    pub(super) async fn keep_watching(self: &Arc<Self>) {
        // Pins that the last run had begun: the pinner goes on with them by itself.
        let mut left: BTreeSet<Cid> = self.jobs().into_keys().collect();
        let mut capacity = None;
        let mut ended = self.parts.pinner.ended();
        let mut figures = tokio::time::interval(IDLE);
        let mut looks = tokio::time::interval(BUSY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.look_at_pins().await;
            self.look_at_left(&mut left).await;
            let is_busy = !locked(&self.under_way).is_empty();
            tokio::select! {
                _ = looks.tick(), if is_busy => self.look_at_space(&mut capacity).await,
                // The next pin can begin.
                Ok(()) = ended.changed() => {}
                () = self.space.notified() => self.look_at_space(&mut capacity).await,
                _ = figures.tick() => {
                    self.look_at_space(&mut capacity).await;
                    self.show_figures().await;
                }
            }
        }
    }

    fn jobs(&self) -> BTreeMap<Cid, PinJob> {
        let jobs = self.parts.pinner.jobs().into_iter();
        let own = jobs.filter(|job| job.holder == self.holder);
        own.map(|job| (job.root, job)).collect()
    }

    async fn look_at_pins(&self) {
        let roots: Vec<Cid> = locked(&self.under_way).iter().copied().collect();
        if roots.is_empty() {
            return;
        }
        // Before the pins: one that becomes complete in between is seen as a pin, not missed.
        let jobs = self.jobs();
        for root in roots {
            let state = match jobs.get(&root).map(|job| &job.state) {
                Some(PinJobState::Queued) => LocalPin::Queued,
                Some(PinJobState::Pinning(progress)) => LocalPin::Pinning {
                    bytes: progress.bytes,
                },
                Some(PinJobState::Error { message, .. }) => LocalPin::Failed {
                    error: message.clone(),
                },
                None => match self.pinned_bytes(root).await {
                    Some(bytes) => LocalPin::Pinned { bytes },
                    // Between the job and the pin, or given up after a long time.
                    None => LocalPin::Failed {
                        error: "it was given up: nobody has had it for too long".to_owned(),
                    },
                },
            };
            // It may have been called off while it was looked at.
            let is_wanted = match state {
                LocalPin::Pinned { .. } => locked(&self.under_way).remove(&root),
                _ => locked(&self.under_way).contains(&root),
            };
            if is_wanted {
                self.feed(Event::Local { root, state });
            }
        }
    }

    /// What an earlier run began: taken on if it is wanted, counted once it is here, and given up
    /// when there was time enough to want it.
    async fn look_at_left(&self, left: &mut BTreeSet<Cid>) {
        if left.is_empty() {
            return;
        }
        let (jobs, settings) = (self.jobs(), &self.settings.machine);
        let is_late = self.age() > settings.deadline + settings.grace;
        for root in std::mem::take(left) {
            if locked(&self.under_way).contains(&root) {
                continue;
            }
            if !jobs.contains_key(&root) {
                if let Some(bytes) = self.pinned_bytes(root).await {
                    let state = LocalPin::Pinned { bytes };
                    self.feed(Event::Local { root, state });
                }
            } else if is_late {
                let removed = self.parts.pinner.remove(self.holder.clone(), root).await;
                if let Err(error) = removed {
                    tracing::warn!(%root, %error, "a pin of an earlier run could not be let go of");
                }
            } else {
                left.insert(root);
            }
        }
    }

    async fn look_at_space(&self, capacity: &mut Option<u64>) {
        let store = self.parts.store.clone();
        let stat = tokio::task::spawn_blocking(move || store.stat());
        let disk = match stat.await {
            Ok(Ok(stat)) => stat.free_bytes,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the room on disk is not known");
                return;
            }
            Err(_) => return,
        };
        let now = self.now();
        let held = self.with(|machine| machine.health(now).held_bytes);
        let (offered, free) = match self.settings.capacity {
            Some(offered) => (offered, disk.min(offered.saturating_sub(held))),
            None => {
                let there = disk.saturating_add(held);
                let said = capacity.filter(|said| there.abs_diff(*said) <= *said / STEP);
                (said.unwrap_or(there), disk)
            }
        };
        *capacity = Some(offered);
        let capacity = offered;
        self.parts.metrics.show_own(capacity, free);
        self.feed(Event::Space { capacity, free });
    }

    /// The room has changed.
    pub(super) fn show_space(&self) {
        self.space.notify_one();
    }

    async fn show_figures(&self) {
        let now = self.now();
        let (health, members) = self.with(|machine| (machine.health(now), machine.members(now)));
        self.parts.metrics.show(&health, &members);
        match self.parts.catalog.cluster_log_usage().await {
            Ok(usage) => self.parts.metrics.show_logs(usage),
            Err(error) => tracing::debug!(%error, "the logs could not be measured"),
        }
    }
}
