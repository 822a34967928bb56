//! Starts jobs when there is work and room, and keeps track of those that run.
//!
//! Owns: one loop and the set of running jobs. Ends: at shutdown, when every job has stopped.
//! Each turn is short: ask the catalog what is runnable, start as many as there are places. A job
//! that was cut short by shutdown keeps its rows and is found again at the next start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidcast_catalog::ChangeError;
use cidcast_types::AssetId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::NO_SPACE;
use crate::ingest::Inner;
use crate::job;

/// How often the catalog is asked even when nobody said that something changed: retries come due
/// by the clock, and expired uploads are dropped here.
const TURN: Duration = Duration::from_secs(2);

/// Free bytes above the minimum before a job that failed for want of room goes on: enough for a
/// chunk, so that it does not fail again at once.
const ROOM_TO_RESUME: u64 = 16 << 20;

/// Jobs that run now. At most one per asset.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<AssetId, Job>>);

#[derive(Clone)]
struct Job {
    cancel: CancellationToken,
    ended: CancellationToken,
}

impl Running {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AssetId, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs run.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn begin(&self, id: AssetId, parent: &CancellationToken) -> Option<Job> {
        let mut jobs = self.lock();
        if jobs.contains_key(&id) {
            return None;
        }
        let job = Job {
            cancel: parent.child_token(),
            ended: CancellationToken::new(),
        };
        jobs.insert(id, job.clone());
        Some(job)
    }

    fn end(&self, id: &AssetId) {
        if let Some(job) = self.lock().remove(id) {
            job.ended.cancel();
        }
    }

    /// Tells the job of an asset to stop; resolves when it has. At once if none runs.
    pub(crate) async fn stop(&self, id: &AssetId) {
        let job = self.lock().get(id).cloned();
        if let Some(job) = job {
            job.cancel.cancel();
            job.ended.cancelled().await;
        }
    }
}

/// The loop.
pub(crate) async fn run(inner: Arc<Inner>) {
    let jobs = TaskTracker::new();
    while !inner.shutdown.is_triggered() {
        turn(&inner, &jobs).await;
        tokio::select! {
            () = inner.shutdown.triggered() => {}
            () = inner.wake.notified() => {}
            () = tokio::time::sleep(TURN) => {}
        }
    }
    jobs.close();
    jobs.wait().await;
}

async fn turn(inner: &Arc<Inner>, jobs: &TaskTracker) {
    if let Err(error) = inner.uploads_expire().await {
        tracing::warn!(%error, "could not drop expired uploads");
    }
    if let Err(error) = resume_with_room(inner).await {
        tracing::warn!(%error, "could not resume jobs that wait for room");
    }
    let running = inner.running.len();
    let places = inner.settings.jobs.saturating_sub(running);
    if places == 0 {
        return;
    }
    // Those that run are listed too: ask for enough to see past them.
    match inner
        .catalog
        .runnable(
            inner.clock.now(),
            u32::try_from(running + places).unwrap_or(u32::MAX),
        )
        .await
    {
        Ok(ids) => ids.into_iter().for_each(|id| start(inner, jobs, id)),
        Err(error) => tracing::warn!(%error, "could not ask for runnable jobs"),
    }
}

/// Puts jobs that failed for want of room back into the queue when there is room again.
async fn resume_with_room(inner: &Inner) -> Result<(), ChangeError> {
    let waiting = inner.catalog.failed_with(NO_SPACE).await?;
    let room = inner.settings.min_free_bytes.saturating_add(ROOM_TO_RESUME);
    if waiting.is_empty() || inner.files.free_bytes().is_ok_and(|free| free < room) {
        return Ok(());
    }
    inner.files.keep_reserve();
    for id in waiting {
        tracing::info!(asset = %id, "there is room again, job goes on");
        inner.catalog.requeue(&id, inner.clock.now()).await?;
        inner.events.changed(id);
    }
    Ok(())
}

fn start(inner: &Arc<Inner>, jobs: &TaskTracker, id: AssetId) {
    if inner.running.len() >= inner.settings.jobs {
        return;
    }
    let Some(job) = inner.running.begin(id, inner.shutdown.token()) else {
        return;
    };
    let inner = Arc::clone(inner);
    jobs.spawn(async move {
        let ending = Ending {
            inner: Arc::clone(&inner),
            id,
        };
        job::run(&inner, id, &job.cancel).await;
        drop(ending);
    });
}

/// Gives the place back even if the job panics, so that one bad asset cannot stop the others.
struct Ending {
    inner: Arc<Inner>,
    id: AssetId,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.inner.running.end(&self.id);
        self.inner.wake.notify_one();
    }
}
