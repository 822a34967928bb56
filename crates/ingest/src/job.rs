//! One asset's way through the steps, and what is recorded when one fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cidcast_catalog::{Asset, CatalogError, ChangeError};
use cidcast_store::{Audience, Holder};
use cidcast_types::{AssetId, AssetState, Timestamp, Visibility};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::failure::StepError;
use crate::ingest::Inner;
use crate::steps::{package, pin, probe, transcode};

/// How long a job rests whose failure could not be recorded.
const UNRECORDED_PAUSE: Duration = Duration::from_secs(5);

/// What every step of one job needs.
pub(crate) struct Context {
    pub(crate) node: Arc<Inner>,
    pub(crate) asset: AssetId,
    pub(crate) holder: Holder,
    pub(crate) cancel: CancellationToken,
}

impl Context {
    /// The asset's row as it is now.
    pub(crate) async fn row(&self) -> Result<Asset, StepError> {
        self.node
            .catalog
            .get(&self.asset)
            .await?
            .ok_or(StepError::Cancelled)
    }

    /// Who may have the asset's blocks, as its row says now.
    pub(crate) async fn audience(&self) -> Result<Audience, StepError> {
        Ok(audience_of(self.row().await?.visibility))
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.node.files.source(&self.asset)
    }

    pub(crate) fn changed(&self) {
        self.node.events.changed(self.asset);
    }

    /// The same job, with a part that can be stopped alone.
    pub(crate) fn part(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            asset: self.asset,
            holder: self.holder.clone(),
            cancel: self.cancel.child_token(),
        }
    }

    /// Moves the row to a working state.
    pub(crate) async fn enter(&self, state: AssetState) -> Result<(), StepError> {
        self.check()?;
        self.node
            .catalog
            .set_state(&self.asset, state, self.node.clock.now())
            .await?;
        self.changed();
        Ok(())
    }

    /// Tells how far the work is. Missing one report is no reason to stop the work.
    pub(crate) async fn report(&self, percent: f32, speed: Option<f32>) {
        if let Err(error) = self
            .node
            .catalog
            .set_progress(&self.asset, percent, speed)
            .await
        {
            tracing::debug!(asset = %self.asset, %error, "could not save progress");
        }
        self.changed();
    }

    /// Waits for a place to run an encoder process in, and for room for its output.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>, StepError> {
        let permit = self
            .node
            .slots
            .acquire()
            .await
            .map_err(|_| StepError::Cancelled)?;
        self.check()?;
        self.check_room()?;
        let running = self.node.metrics.encoders.clone();
        running.inc();
        Ok(Slot {
            _permit: permit,
            running,
        })
    }

    /// Stops the step if the disk is nearly full: the catalog and other programs need the rest.
    fn check_room(&self) -> Result<(), StepError> {
        let needed = self.node.settings.min_free_bytes;
        match self.node.files.free_bytes() {
            Ok(free) if free < needed => Err(StepError::NoSpace { needed }),
            _ => Ok(()),
        }
    }

    /// Stops the step if someone asked for it.
    pub(crate) fn check(&self) -> Result<(), StepError> {
        if self.cancel.is_cancelled() {
            Err(StepError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// A place to run an encoder process in.
pub(crate) struct Slot<'a> {
    _permit: SemaphorePermit<'a>,
    running: Gauge,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.running.dec();
    }
}

/// Which readers a visibility lets in.
pub(crate) fn audience_of(visibility: Visibility) -> Audience {
    match visibility {
        Visibility::Private => Audience::Members,
        Visibility::Unlisted | Visibility::Public => Audience::Anyone,
    }
}

/// Runs the job of one asset until it is ready, failed, or told to stop.
pub(crate) async fn run(node: &Arc<Inner>, asset: AssetId, cancel: &CancellationToken) {
    let context = Context {
        node: Arc::clone(node),
        asset,
        holder: crate::ingest::holder(&asset),
        cancel: cancel.clone(),
    };
    let started = node.clock.now();
    match steps(&context).await {
        Ok(()) => {
            node.metrics.ready.inc();
            let took = node
                .clock
                .now()
                .as_millis()
                .saturating_sub(started.as_millis());
            tracing::info!(%asset, took_ms = took, "asset is ready");
        }
        Err(StepError::Cancelled) => tracing::info!(%asset, "job stopped"),
        Err(error) => record(&context, &error).await,
    }
    context.changed();
}

async fn steps(context: &Context) -> Result<(), StepError> {
    let probed = probe::run(context).await?;
    let transcoded = transcode::run(context, probed).await?;
    let packaged = package::run(context, transcoded).await?;
    pin::run(context, packaged).await
}

/// Writes down why a job stopped and when it goes on.
async fn record(context: &Context, error: &StepError) {
    let node = &context.node;
    let attempt = match context.row().await {
        Ok(row) => row.attempt.saturating_add(1),
        Err(_) => return,
    };
    let next = next_attempt(context, error, attempt);
    let failure = error.failure();
    node.metrics.failed.inc();
    tracing::warn!(
        asset = %context.asset,
        code = failure.code,
        attempt,
        retry = next.is_some(),
        error = %failure.detail,
        "job failed"
    );
    let save = async || {
        let now = node.clock.now();
        let fail = node
            .catalog
            .fail(&context.asset, &failure, attempt, next, now);
        fail.await
    };
    let mut saved = save().await;
    if let Err(ChangeError::Catalog(CatalogError::DiskFull(_))) = saved {
        node.files.spend_reserve();
        saved = save().await;
    }
    if let Err(error) = saved {
        // The row keeps its old state, so the job is found and tried again by the scheduler.
        tracing::error!(asset = %context.asset, %error, "could not record the failure");
        // Not at once: what cannot be recorded now would fail again, thousands of times a second.
        tokio::select! {
            () = context.cancel.cancelled() => {}
            () = tokio::time::sleep(UNRECORDED_PAUSE) => {}
        }
    }
}

fn next_attempt(context: &Context, error: &StepError, attempt: u32) -> Option<Timestamp> {
    let node = &context.node;
    let retry = node.settings.retry;
    // Without room the job fails; the scheduler puts it back when there is room again.
    if error.is_permanent() || error.is_no_space() {
        return None;
    }
    Some(node.clock.now().after(retry.delay(attempt)?))
}
