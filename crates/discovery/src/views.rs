//! Views: how often something was watched, never by whom.
//!
//! The gateway counts in memory; this takes the numbers out, adds them to the rows of the day, and
//! lets the herald tell publishers of days that are over. There is no address, no time of day and
//! no name of a viewer anywhere in it, so none can be told.
//!
//! Owns: one loop. Ends: with the `Shutdown` it was started under, after one last time. Cancel
//! safety: a kill loses the views of at most half a minute.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::Day;
use cidcast_catalog::{Catalog, CatalogError, Watched};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_types::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, sleep};

use crate::notices::{Herald, HeraldError};

/// How often counts are saved.
const SAVE: Duration = Duration::from_secs(30);
/// How often days that are over are looked for, and rows that are too old.
const TELL: Duration = Duration::from_secs(3600);
/// How long days of views are kept one by one before they are added up, and how long a copy whose
/// promise is over is still shown, as one that was; in milliseconds.
const KEEP: u64 = 90 * 24 * 3600 * 1000;

/// Takes out what was counted since the last call. Clones are the same.
#[derive(Clone)]
pub struct TakeViews(Arc<dyn Fn() -> Vec<(Watched, u64)> + Send + Sync>);

impl TakeViews {
    /// `take` answers what was counted since it was last called, and does not block.
    pub fn new(take: impl Fn() -> Vec<(Watched, u64)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }
}

impl fmt::Debug for TakeViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeViews").finish_non_exhaustive()
    }
}

/// What counting views is started with.
#[derive(Debug)]
pub struct ViewsArgs {
    /// Where counts are kept.
    pub catalog: Catalog,
    /// Tells publishers.
    pub herald: Herald,
    /// For the day.
    pub clock: Clock,
    /// What was counted since the last call.
    pub take: TakeViews,
    /// Counts all of them.
    pub count: Counter,
}

/// Starts to keep counts of views.
pub fn start(args: ViewsArgs, shutdown: &Shutdown) {
    let token = shutdown.token().clone();
    shutdown.spawn("views", async move {
        let mut keeper = Keeper { args, told: None };
        loop {
            let ended = token.run_until_cancelled(sleep(SAVE)).await.is_none();
            keeper.turn().await;
            if ended {
                return;
            }
        }
    });
}

struct Keeper {
    args: ViewsArgs,
    told: Option<Instant>,
}

impl Keeper {
    async fn turn(&mut self) {
        if let Err(error) = self.save().await {
            tracing::warn!(%error, "views could not be saved");
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            if let Err(error) = self.tell().await {
                tracing::warn!(%error, "publishers could not be told of views");
            }
        }
    }

    async fn save(&self) -> Result<(), CatalogError> {
        let views = (self.args.take.0)();
        if views.is_empty() {
            return Ok(());
        }
        self.args
            .count
            .inc_by(views.iter().map(|(_, count)| count).sum());
        let now = self.args.clock.now();
        self.args.catalog.add_views(&views, Day::of(now), now).await
    }

    async fn tell(&self) -> Result<(), HeraldError> {
        let now = self.args.clock.now();
        self.args.herald.tell_of_views(now).await?;
        let catalog = &self.args.catalog;
        let old = Timestamp::from_millis(now.as_millis().saturating_sub(KEEP));
        let before = Day::of(old);
        catalog.fold_views(before).await?;
        catalog.forget_copies(old).await?;
        Ok(())
    }
}
