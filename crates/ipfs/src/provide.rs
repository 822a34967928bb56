//! Telling the DHT what is here.
//!
//! Reconcile: [`Provider::set`] says which CIDs should be found at this node, and one loop makes
//! it so, now and on schedule. What leaves the set leaves the DHT's own store at once, so that this
//! node neither says nor repeats that it has it; records that other peers hold expire by themselves
//! (within 48 hours, kad-dht specification).
//!
//! Owns: one task and a few look-ups at a time. Ends: with the `Shutdown` it was started under.
//! Cancel safety: nothing is kept on disk; after a restart everything is provided again.

mod rotation;

use std::collections::BTreeSet;
use std::time::Duration;

use cid::Cid;
use cidcast_runtime::Shutdown;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rust_ipfs::Ipfs;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::swarm::{Swarm, Withdrawals};
use rotation::{Next, Rotation, Task};

/// Look-ups at a time. One takes seconds; four keep up with 10,000 keys a day and leave the line
/// to viewers.
const WIDTH: usize = 4;
/// How long providing one key may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Half of what the library's provider store takes: the rest is for other peers' keys, which this
/// node stores when it is a DHT server.
const PLACES: usize = 512;
/// How often an empty DHT is asked again whether somebody has come. rust-ipfs has no event for it.
const ALONE: Duration = Duration::from_secs(10);

/// How to provide.
#[derive(Debug, Clone, Copy)]
pub struct ProviderSettings {
    /// How often each CID is provided. Records of the network live for 48 hours, and some peers
    /// forget them after 24.
    pub every: Duration,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(22 * 3600),
        }
    }
}

/// How providing goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderStatus {
    /// CIDs that should be found here.
    pub wanted: usize,
    /// Those that were provided within the period.
    pub provided: usize,
}

/// Keeps provider records. Clones are the same provider.
#[derive(Clone)]
pub struct Provider {
    wanted: watch::Sender<BTreeSet<Cid>>,
    status: watch::Receiver<ProviderStatus>,
}

impl Provider {
    /// Starts with nothing to provide.
    pub fn start(swarm: &Swarm, settings: ProviderSettings, shutdown: &Shutdown) -> Self {
        let (wanted, changes) = watch::channel(BTreeSet::new());
        let (report, status) = watch::channel(ProviderStatus::default());
        let worker = Worker {
            ipfs: swarm.ipfs().clone(),
            withdrawals: swarm.withdrawals().clone(),
            rotation: Rotation::new(settings.every, PLACES),
            start: Instant::now(),
            report,
        };
        let token = shutdown.token().clone();
        shutdown.spawn("provider", async move {
            token.run_until_cancelled_owned(worker.run(changes)).await
        });
        Self { wanted, status }
    }

    /// Replaces the CIDs that should be found here.
    pub fn set(&self, wanted: BTreeSet<Cid>) {
        self.wanted.send_if_modified(|now| {
            let is_new = *now != wanted;
            *now = wanted;
            is_new
        });
    }

    /// How providing goes, at any time.
    pub fn status(&self) -> watch::Receiver<ProviderStatus> {
        self.status.clone()
    }
}

struct Worker {
    ipfs: Ipfs,
    withdrawals: Withdrawals,
    rotation: Rotation,
    start: Instant,
    report: watch::Sender<ProviderStatus>,
}

impl Worker {
    async fn run(mut self, mut changes: watch::Receiver<BTreeSet<Cid>>) {
        let mut running = FuturesUnordered::new();
        loop {
            let (tasks, wait) = self.due(WIDTH.saturating_sub(running.len())).await;
            for cid in tasks {
                running.push(provide(self.ipfs.clone(), cid, changes.clone()));
            }
            self.tell();
            tokio::select! {
                changed = changes.changed() => {
                    // The handle is gone: nobody can want anything any more.
                    if changed.is_err() {
                        return;
                    }
                    let wanted = changes.borrow_and_update().clone();
                    self.rotation.set(&wanted, self.start.elapsed());
                }
                Some((cid, outcome)) = running.next(), if !running.is_empty() => {
                    let now = self.start.elapsed();
                    match outcome {
                        Outcome::Provided => self.rotation.provided(&cid, now),
                        Outcome::Failed => self.rotation.failed(&cid, now),
                    }
                }
                () = over(wait) => {}
            }
        }
    }

    /// Withdraws what is not wanted, and says what to provide now (at most `width` CIDs) and when
    /// to look again.
    async fn due(&mut self, width: usize) -> (Vec<Cid>, Option<Instant>) {
        let mut tasks = Vec::new();
        let mut withdrawn = Vec::new();
        let mut wait = None;
        while tasks.len() < width {
            match self.rotation.next(self.start.elapsed()) {
                Next::Do(Task::Provide(cid)) => tasks.push(cid),
                Next::Do(Task::Withdraw(cid)) => withdrawn.push(cid.hash().to_bytes()),
                Next::At(due) => {
                    wait = Some(self.start + due);
                    break;
                }
                Next::Nothing => break,
            }
        }
        if !withdrawn.is_empty() {
            tracing::debug!(keys = withdrawn.len(), "withdrawn from the DHT");
            self.withdrawals.apply(&self.ipfs, withdrawn).await;
        }
        (tasks, wait)
    }

    fn tell(&self) {
        let (wanted, provided) = self.rotation.counts(self.start.elapsed());
        let now = ProviderStatus { wanted, provided };
        self.report.send_if_modified(|status| {
            let is_new = *status != now;
            *status = now;
            is_new
        });
    }
}

enum Outcome {
    Provided,
    Failed,
}

async fn provide(ipfs: Ipfs, cid: Cid, wanted: watch::Receiver<BTreeSet<Cid>>) -> (Cid, Outcome) {
    // With nobody to tell, the library reports success.
    until_company(&ipfs).await;
    // That may have taken long, and what has become private meanwhile must not be told of.
    if !wanted.borrow().contains(&cid) {
        return (cid, Outcome::Failed);
    }
    let key = cid.hash().to_bytes();
    let outcome = match timeout(DEADLINE, ipfs.dht_provide(key)).await {
        Ok(Ok(())) => Outcome::Provided,
        Ok(Err(error)) => {
            tracing::debug!(%cid, %error, "could not be provided");
            Outcome::Failed
        }
        Err(_) => Outcome::Failed,
    };
    (cid, outcome)
}

/// Waits until the DHT has a peer: one that answers a look-up of this node itself.
async fn until_company(ipfs: &Ipfs) {
    let own = ipfs.keypair().public().to_peer_id();
    loop {
        let is_connected = !ipfs.connected().await.unwrap_or_default().is_empty();
        if is_connected {
            let found = timeout(DEADLINE, ipfs.get_closest_peers(own)).await;
            if matches!(found, Ok(Ok(peers)) if !peers.is_empty()) {
                return;
            }
        }
        tokio::time::sleep(ALONE).await;
    }
}

/// Waits until a time; without one, for ever.
async fn over(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
