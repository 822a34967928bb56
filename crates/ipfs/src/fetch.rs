//! Bringing a whole DAG here.
//!
//! A walk with a bounded number of blocks on the way at a time. What is in the store already is
//! not fetched again, so that a fetch which was cut off goes on where it was: [`Fetch::finish`] may
//! be dropped or fail, and be called again. What a fetch got stays while it lives, or, with
//! [`Fetch::keeping`], as long as the store keeps it; whoever wants it for good pins the root
//! before dropping the [`Fetched`].

mod order;
mod scope;
mod walk;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use cidcast_exchange::{Class, WantError};
use cidcast_store::{GetError, InFlight, PinScope, Store};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::sources::Fed;
use crate::throttle::Throttle;
pub use scope::Scope;
use walk::Walk;
pub use walk::{FetchOrder, WalkError};
use work::{Done, Getting, Work};

/// How to fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchSettings {
    /// How urgent it is.
    pub class: Class,
    /// Blocks on the way at a time. The exchange bounds their bytes, so this is for small ones: 256
    /// of 16 KiB keep a line of 50 ms at 80 MB/s.
    pub width: usize,
    /// What comes first.
    pub order: FetchOrder,
    /// Blocks that the DAG may have.
    pub max_blocks: usize,
}

impl FetchSettings {
    /// The defaults for this urgency.
    pub fn new(class: Class) -> Self {
        Self {
            class,
            width: 256,
            order: FetchOrder::Playback,
            // As many as the store pins by default: 2 TB of segments.
            max_blocks: 2_000_000,
        }
    }
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchProgress {
    /// Blocks that are here.
    pub blocks: u64,
    /// Bytes that came over the network.
    pub bytes: u64,
    /// Blocks that are known to belong to the DAG; grows until every directory is here.
    pub blocks_known: u64,
    /// Peers that gave something.
    pub peers: usize,
}

/// Why a fetch did not finish. What has arrived stays; [`Fetch::finish`] can be called again.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A block could not be had.
    #[error(transparent)]
    Want(#[from] WantError),
    /// The DAG cannot be walked.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] GetError),
}

/// A DAG on its way here.
pub struct Fetch {
    fed: Fed,
    store: Store,
    walk: Walk,
    width: usize,
    patience: Duration,
    kept: Option<Arc<InFlight>>,
    throttle: Option<Throttle>,
    progress: watch::Sender<FetchProgress>,
}

/// A DAG, or the part of it that was wanted, that is here, complete, and held until this is dropped.
pub struct Fetched {
    fed: Fed,
    /// How much it was.
    pub progress: FetchProgress,
    /// The part that is here, to pin it with [`Store::pin_part`].
    pub scope: PinScope,
}

impl Fetched {
    /// What holds the blocks.
    pub fn guard(&self) -> &InFlight {
        self.fed.session().guard()
    }
}

impl Fetch {
    pub(crate) fn new(
        fed: Fed,
        store: Store,
        root: Cid,
        settings: FetchSettings,
        patience: Duration,
    ) -> Self {
        Self {
            fed,
            store,
            walk: Walk::new(&root, settings.order, settings.max_blocks),
            width: settings.width.max(1),
            patience,
            kept: None,
            throttle: None,
            progress: watch::Sender::new(FetchProgress::default()),
        }
    }

    /// Makes this guard hold every block of the DAG as well, from before it is asked for: of
    /// [`Store::keep_partial`], so that what arrives is kept when this is cut off.
    pub fn keeping(mut self, guard: Arc<InFlight>) -> Self {
        self.kept = Some(guard);
        self
    }

    /// Only this part. Has to be said before [`Self::finish`].
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.walk.set_scope(scope);
        self
    }

    /// No faster than this; for what nobody waits for.
    #[must_use]
    pub fn throttled(mut self, throttle: Throttle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// How far it is, at any time.
    pub fn progress(&self) -> watch::Receiver<FetchProgress> {
        self.progress.subscribe()
    }

    /// Fetches until every block is here.
    ///
    /// # Errors
    ///
    /// [`FetchError`] at the first block that cannot be had. Calling this again goes on.
    pub async fn finish(&mut self) -> Result<Fetched, FetchError> {
        self.walk.recall();
        let getting = Getting {
            fed: &self.fed,
            store: &self.store,
            patience: self.patience,
            throttle: self.throttle.as_ref(),
            kept: self.kept.as_deref(),
        };
        let mut running = FuturesUnordered::new();
        // Steps that were begun and are not done.
        let mut open = 0;
        loop {
            // Several at a time, so that several can be looked for at a time.
            if self.width - open >= (self.width / 4).max(1) {
                let work = getting.next(&mut self.walk, self.width - open);
                open += work.iter().map(Work::steps).sum::<usize>();
                running.extend(work.into_iter().map(|work| getting.run(work)));
            }
            let Some(done) = running.next().await else {
                break;
            };
            match done? {
                Done::Looked { leaves, rest } => {
                    open -= leaves.len();
                    leaves.iter().for_each(|step| self.walk.finish_leaf(step));
                    running.extend(rest.into_iter().map(|work| getting.run(work)));
                }
                Done::Got(step, block) => {
                    open -= 1;
                    self.walk.finish(&step, &block)?;
                }
            }
            self.progress.send_replace(progress(&self.fed, &self.walk));
        }
        let progress = progress(&self.fed, &self.walk);
        Ok(Fetched {
            fed: self.fed.clone(),
            progress,
            scope: match self.walk.ended() {
                ended if ended.is_empty() => PinScope::Whole,
                ended => PinScope::Without(ended),
            },
        })
    }
}

fn progress(fed: &Fed, walk: &Walk) -> FetchProgress {
    let received = fed.session().progress();
    FetchProgress {
        blocks: walk.done(),
        bytes: received.bytes,
        blocks_known: walk.known(),
        peers: received.from.len(),
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("progress", &*self.progress.borrow())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
