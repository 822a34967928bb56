//! The loop: which pin comes next, one attempt at it, and what becomes of it.

use std::time::Duration;

use cidcast_exchange::Class;
use cidcast_runtime::{Backoff, locked};
use cidcast_store::{Audience, PinError};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::job::Job;
use super::{Inner, PATIENCE, PinnerError, Running};
use crate::fetch::{Fetch, FetchError, FetchProgress, FetchSettings, Fetched};

/// Fetches at a time: each fills the line on its own, a second one uses the gaps.
const AT_ONCE: usize = 2;
/// A peer that comes back is used within the hour.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(10),
    factor: 3,
    ceiling: Duration::from_secs(3600),
    // More than fit into `PATIENCE`.
    attempts: 1000,
};
/// How often to look for rows whose time is over, of pins and of others.
const TIDY: Duration = Duration::from_secs(3600);

/// Why one attempt did not get there.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error(transparent)]
    Pinner(#[from] PinnerError),
}

/// A job whose turn it is.
struct Attempt {
    job: Job,
    cancel: CancellationToken,
    progress: watch::Sender<FetchProgress>,
}

impl Inner {
    pub(super) async fn keep_pinning(&self) {
        let mut attempts = FuturesUnordered::new();
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            while attempts.len() < AT_ONCE {
                match self.next_due() {
                    Some(attempt) => attempts.push(self.attempt(attempt)),
                    None => break,
                }
            }
            let wait = self.until_next_due();
            tokio::select! {
                Some(()) = attempts.next(), if !attempts.is_empty() => {
                    self.ended.send_modify(|count| *count += 1);
                }
                () = self.news.notified() => {}
                () = tokio::time::sleep(wait), if attempts.len() < AT_ONCE => {}
                _ = tidy.tick() => self.forget_expired().await,
            }
        }
    }

    /// The oldest job whose time has come, marked as running.
    fn next_due(&self) -> Option<Attempt> {
        let now = self.clock.now();
        let mut jobs = locked(&self.jobs);
        let due = jobs.values_mut();
        let due = due.filter(|entry| entry.running.is_none() && entry.job.due_at() <= now);
        let entry = due.min_by_key(|entry| entry.job.since)?;
        let (sender, receiver) = watch::channel(FetchProgress::default());
        let cancel = CancellationToken::new();
        entry.running = Some(Running {
            cancel: cancel.clone(),
            progress: receiver,
        });
        Some(Attempt {
            job: entry.job.clone(),
            cancel,
            progress: sender,
        })
    }

    fn until_next_due(&self) -> Duration {
        let jobs = locked(&self.jobs);
        let waiting = jobs.values().filter(|entry| entry.running.is_none());
        let next = waiting.map(|entry| entry.job.due_at().as_millis()).min();
        let wait = next.map(|at| at.saturating_sub(self.clock.now().as_millis()));
        wait.map_or(TIDY, Duration::from_millis)
    }

    /// One attempt, from the first block to the saved state.
    async fn attempt(&self, attempt: Attempt) {
        let job = &attempt.job;
        let Err(error) = self.fetch_and_pin(&attempt).await else {
            return;
        };
        if attempt.cancel.is_cancelled() {
            return;
        }
        tracing::warn!(root = %job.root, %error, "a pin could not be completed, will retry");
        if let Err(error) = self.note_failure(job, &error).await {
            tracing::warn!(root = %job.root, %error, "its state could not be saved");
        }
    }

    async fn fetch_and_pin(&self, attempt: &Attempt) -> Result<(), AttemptError> {
        let (job, cancel) = (&attempt.job, &attempt.cancel);
        let row = job.row(job.since.after(PATIENCE));
        let kept = self.blocking(move |store| store.keep_partial(&row)).await?;
        let kept = kept.map_err(PinnerError::from)?;
        let settings = FetchSettings::new(Class::Replication);
        let fetch = self.network.fetch(job.root, settings).keeping(kept);
        let fetch = fetch.throttled(self.throttle.clone());
        let fetching = followed(fetch, &attempt.progress);
        match cancel.run_until_cancelled(fetching).await {
            Some(fetched) => {
                // The blocks are held until they are pinned.
                let fetched = fetched?;
                self.pin(job).await?;
                drop(fetched);
                Ok(())
            }
            None => Ok(self.forget_unless_wanted(job).await?),
        }
    }

    /// Pins what is complete and removes its row; or nothing, if it was given up meanwhile.
    async fn pin(&self, job: &Job) -> Result<(), AttemptError> {
        let (holder, root, audience) = (job.holder.clone(), job.root, self.audience_of(job));
        let pinned = self.blocking(move |store| store.pin(&holder, &root, audience));
        pinned.await??;
        let was_wanted = locked(&self.jobs).remove(&job.key()).is_some();
        let (holder, root) = (job.holder.clone(), job.root);
        let done = self.blocking(move |store| {
            if !was_wanted {
                store.unpin(&holder, Some(&root))?;
            }
            store.drop_partial(&holder, &root)
        });
        done.await?.map_err(PinnerError::from)?;
        tracing::info!(%root, "pinned");
        Ok(())
    }

    /// As it is asked for now: it may have changed since the attempt began.
    fn audience_of(&self, job: &Job) -> Audience {
        let jobs = locked(&self.jobs);
        let entry = jobs.get(&job.key());
        entry.map_or(job.audience, |entry| entry.job.audience)
    }

    async fn note_failure(&self, job: &Job, error: &AttemptError) -> Result<(), PinnerError> {
        let now = self.clock.now();
        let row = {
            let mut jobs = locked(&self.jobs);
            let Some(entry) = jobs.get_mut(&job.key()) else {
                return Ok(());
            };
            entry.running = None;
            let failures = entry.job.failures() + 1;
            let wait = RETRY.delay(failures).unwrap_or(RETRY.ceiling);
            entry.job.fail(error.to_string(), now.after(wait));
            entry.job.row(entry.job.since.after(PATIENCE))
        };
        self.blocking(move |store| store.keep_partial(&row))
            .await??;
        self.forget_unless_wanted(job).await
    }

    /// Removes a row that was written while its pin was given up.
    async fn forget_unless_wanted(&self, job: &Job) -> Result<(), PinnerError> {
        if locked(&self.jobs).contains_key(&job.key()) {
            return Ok(());
        }
        let (holder, root) = job.key();
        let dropped = self.blocking(move |store| store.drop_partial(&holder, &root));
        Ok(dropped.await??)
    }

    async fn forget_expired(&self) {
        let now = self.clock.now();
        let expired = self.blocking(move |store| store.drop_expired_partials(now));
        let over = match expired.await {
            Ok(Ok(over)) => over,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what has expired could not be looked for");
                return;
            }
            Err(_) => return,
        };
        for partial in over {
            tracing::warn!(root = %partial.root, holder = %partial.holder,
                "not completed for too long, given up");
            let entry = locked(&self.jobs).remove(&(partial.holder, partial.root));
            if let Some(running) = entry.and_then(|entry| entry.running) {
                running.cancel.cancel();
            }
        }
    }
}

/// Fetches to the end and tells on the way how far it is.
async fn followed(
    mut fetch: Fetch,
    progress: &watch::Sender<FetchProgress>,
) -> Result<Fetched, FetchError> {
    let mut told = fetch.progress();
    let tell = async {
        while told.changed().await.is_ok() {
            progress.send_replace(*told.borrow_and_update());
        }
        std::future::pending::<()>().await;
    };
    let mut tell = std::pin::pin!(tell);
    let mut work = std::pin::pin!(fetch.finish());
    loop {
        tokio::select! {
            end = &mut work => return end,
            () = &mut tell => {}
        }
    }
}
