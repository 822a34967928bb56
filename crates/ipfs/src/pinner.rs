//! Fetching whole DAGs to keep them: pins that are not complete yet.
//!
//! Reconcile: the rows of the store's partial DAGs say what is wanted; one loop fetches, pins and
//! removes the row, a few at a time, and tries again later what cannot be had. A row outlives the
//! process, and so does what has arrived: a pin that is cut off goes on where it was.
//!
//! Owns: the loop and the fetches in it. Ends: with the `Shutdown` that it was started under; every
//! row stays. Cancel safety: the loop may be dropped at any point, nothing is half done.

mod job;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cid::Cid;
use cidcast_runtime::{Clock, Shutdown, locked};
use cidcast_store::{Audience, DatabaseError, Holder, PartialError, Store, Unpinned};
use cidcast_types::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::fetch::FetchProgress;
use crate::network::Network;
use crate::throttle::{Flow, Throttle};
use job::Job;

/// A pin that cannot be completed for so long is given up, and what has arrived of it deleted.
const PATIENCE: Duration = Duration::from_secs(30 * 86_400);
/// A pin that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinJob {
    /// Who wants it.
    pub holder: Holder,
    /// The root of the DAG.
    pub root: Cid,
    /// Who may have its blocks, once it is complete.
    pub audience: Audience,
    /// How many attempts at it have failed.
    pub failures: u32,
    /// How far it is.
    pub state: PinJobState,
}

/// How far a pin is that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinJobState {
    /// It waits for its turn.
    Queued,
    /// It is being fetched.
    Pinning(FetchProgress),
    /// It could not be completed.
    Error {
        /// Why, and what to do.
        message: String,
        /// When it is tried again.
        retry_at: Timestamp,
    },
}

/// What is pinned, or on its way to it. Clones are the same pinner.
#[derive(Clone)]
pub struct Pinner {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    network: Network,
    clock: Clock,
    jobs: Mutex<BTreeMap<Key, Entry>>,
    news: Notify,
    /// How many attempts have ended, well or not.
    ended: watch::Sender<u64>,
    /// Shared by all fetches.
    throttle: Throttle,
}

type Key = (Holder, Cid);

struct Entry {
    job: Job,
    running: Option<Running>,
}

struct Running {
    cancel: CancellationToken,
    progress: watch::Receiver<FetchProgress>,
}

/// A pin could not be taken on.
#[derive(Debug, thiserror::Error)]
pub enum PinnerError {
    /// What has arrived of it cannot be kept.
    #[error(transparent)]
    Partial(#[from] PartialError),
    /// The pin database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The node is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
}

impl Pinner {
    /// Goes on with what an earlier process left, under `shutdown`.
    ///
    /// # Errors
    ///
    /// [`PinnerError`] if the rows cannot be read; nothing is left running.
    pub async fn start(
        network: Network,
        store: Store,
        clock: Clock,
        shutdown: &Shutdown,
    ) -> Result<Self, PinnerError> {
        let inner = Inner {
            store,
            network,
            clock,
            jobs: Mutex::default(),
            news: Notify::new(),
            ended: watch::Sender::new(0),
            throttle: Throttle::new(Flow::Free),
        };
        let pinner = Self {
            inner: Arc::new(inner),
        };
        let rows = pinner.inner.blocking(|store| store.partials()).await??;
        let jobs = rows
            .iter()
            .filter_map(Job::of)
            .map(|job| (job.key(), job.into()));
        locked(&pinner.inner.jobs).extend(jobs);
        let (inner, token) = (Arc::clone(&pinner.inner), shutdown.token().clone());
        shutdown.spawn("pinner", async move {
            token.run_until_cancelled_owned(inner.keep_pinning()).await
        });
        Ok(pinner)
    }

    /// Pins the DAG under `root` for `holder`: at once if it is here, otherwise it is fetched. Once
    /// this returns it is remembered, whatever happens to the process. A pin that exists takes the
    /// new audience; one that failed is tried again now.
    ///
    /// # Errors
    ///
    /// [`PinnerError`]; nothing has changed.
    pub async fn add(
        &self,
        holder: Holder,
        root: Cid,
        audience: Audience,
    ) -> Result<(), PinnerError> {
        let inner = &self.inner;
        let since = inner.clock.now();
        let job = Job::new(holder, root, audience, since);
        let row = job.row(since.after(PATIENCE));
        inner
            .blocking(move |store| store.keep_partial(&row))
            .await??;
        let mut jobs = locked(&inner.jobs);
        match jobs.get_mut(&job.key()) {
            // It is on its way: only the audience is new.
            Some(entry) if entry.running.is_some() => entry.job.audience = audience,
            _ => {
                jobs.insert(job.key(), job.into());
            }
        }
        drop(jobs);
        inner.news.notify_one();
        Ok(())
    }

    /// Gives up one pin of a holder, complete or not. None is no error.
    ///
    /// # Errors
    ///
    /// [`PinnerError`]; the call can be repeated.
    pub async fn remove(&self, holder: Holder, root: Cid) -> Result<Removed, PinnerError> {
        let entry = locked(&self.inner.jobs).remove(&(holder.clone(), root));
        if let Some(running) = entry.as_ref().and_then(|entry| entry.running.as_ref()) {
            running.cancel.cancel();
        }
        let removed = self.inner.blocking(move |store| {
            store.drop_partial(&holder, &root)?;
            store.unpin(&holder, Some(&root))
        });
        let unpinned = removed.await??;
        Ok(Removed {
            was_on_its_way: entry.is_some(),
            unpinned,
        })
    }

    /// How fast all fetches together may be; without a limit at first.
    pub fn limit(&self, flow: Flow) {
        self.inner.throttle.set(flow);
    }

    /// Changes whenever an attempt at a pin has ended, well or not.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.inner.ended.subscribe()
    }

    /// Every pin that is not complete, by holder and root.
    pub fn jobs(&self) -> Vec<PinJob> {
        locked(&self.inner.jobs).values().map(Entry::view).collect()
    }
}

/// What giving up a pin did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whether it was not complete yet.
    pub was_on_its_way: bool,
    /// What the store let go of.
    pub unpinned: Unpinned,
}

impl From<Job> for Entry {
    fn from(job: Job) -> Self {
        Self { job, running: None }
    }
}

impl Entry {
    fn view(&self) -> PinJob {
        let job = &self.job;
        let state = match (&self.running, &job.failure) {
            (Some(running), _) => PinJobState::Pinning(*running.progress.borrow()),
            (None, Some(failure)) => PinJobState::Error {
                message: failure.message.clone(),
                retry_at: failure.retry_at,
            },
            (None, None) => PinJobState::Queued,
        };
        PinJob {
            holder: job.holder.clone(),
            root: job.root,
            audience: job.audience,
            failures: job.failures(),
            state,
        }
    }
}

impl Inner {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, PinnerError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|_| PinnerError::Stopping)
    }
}

impl fmt::Debug for Pinner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinner")
            .field("jobs", &locked(&self.inner.jobs).len())
            .finish_non_exhaustive()
    }
}
