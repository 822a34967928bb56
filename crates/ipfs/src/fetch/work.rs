//! What a fetch does with the steps of its walk: look, then ask.
//!
//! Whether a block is there is known without reading it. Many are looked for in one go on one
//! thread: for small blocks, a thread for each look costs more than the look.

use std::time::Duration;

use bytes::Bytes;
use cidcast_exchange::{Session, WantError};
use cidcast_store::{GetError, InFlight, Store};

use super::FetchError;
use super::walk::{Step, Walk};
use crate::sources::Fed;
use crate::throttle::Throttle;
use crate::unixfs::RAW;

/// Blocks that are looked for in one go: a few hundred microseconds of a thread.
const MAX_LOOK: usize = 64;

/// What every block of a fetch is got with.
#[derive(Clone, Copy)]
pub(super) struct Getting<'a> {
    pub(super) fed: &'a Fed,
    pub(super) store: &'a Store,
    pub(super) patience: Duration,
    pub(super) throttle: Option<&'a Throttle>,
    /// Holds every block besides the session.
    pub(super) kept: Option<&'a InFlight>,
}

/// A piece of work.
pub(super) enum Work {
    /// See which of these are in the store.
    Look(Vec<Step>),
    /// Get a block that may be in the store, and read it.
    Read(Step),
    /// Get one that is not in the store.
    Want(Step),
}

/// What came of it.
pub(super) enum Done {
    Looked {
        /// In the store, and nothing can be below them.
        leaves: Vec<Step>,
        rest: Vec<Work>,
    },
    Got(Step, Bytes),
}

impl Work {
    /// Steps in it.
    pub(super) fn steps(&self) -> usize {
        match self {
            Self::Look(steps) => steps.len(),
            Self::Read(_) | Self::Want(_) => 1,
        }
    }
}

impl Getting<'_> {
    /// What comes next, at most `most` steps of it.
    pub(super) fn next(self, walk: &mut Walk, most: usize) -> Vec<Work> {
        let (mut work, mut looks) = (Vec::new(), Vec::new());
        for step in std::iter::from_fn(|| walk.next()).take(most) {
            if let Some(kept) = self.kept {
                kept.hold(&step.cid);
            }
            // What is here is not throttled, and a leaf that is here is not read.
            if is_leaf(&step) || self.throttle.is_some() {
                looks.push(step);
            } else {
                work.push(Work::Read(step));
            }
        }
        work.extend(looks.chunks(MAX_LOOK).map(|few| Work::Look(few.to_vec())));
        work
    }

    pub(super) async fn run(self, work: Work) -> Result<Done, FetchError> {
        let session = self.fed.session();
        match work {
            Work::Look(steps) => {
                let (session, store) = (session.clone(), self.store.clone());
                let looked = tokio::task::spawn_blocking(move || look(steps, &session, &store));
                Ok(looked.await.map_err(|_| WantError::Stopping)??)
            }
            Work::Read(step) => {
                let block = session.get(&step.cid, step.order, self.patience);
                let block = block.await?;
                Ok(Done::Got(step, block))
            }
            Work::Want(step) => {
                let block = match self.throttle {
                    Some(throttle) => self.get_throttled(&step, throttle).await?,
                    None => {
                        let block = session.get_missing(&step.cid, step.order, self.patience);
                        block.await?
                    }
                };
                Ok(Done::Got(step, block))
            }
        }
    }

    /// The block may have come by another way while this waited, so it is looked for again.
    async fn get_throttled(self, step: &Step, throttle: &Throttle) -> Result<Bytes, WantError> {
        let share = throttle.share().await;
        let session = self.fed.session();
        let block = session.get(&step.cid, step.order, self.patience).await?;
        share.came(block.len());
        Ok(block)
    }
}

fn is_leaf(step: &Step) -> bool {
    step.cid.codec() == RAW
}

/// On a thread that may block.
fn look(steps: Vec<Step>, session: &Session, store: &Store) -> Result<Done, GetError> {
    let (mut leaves, mut rest) = (Vec::new(), Vec::new());
    for step in steps {
        // Held before it is looked for, so that it stays when it is found.
        session.guard().hold(&step.cid);
        match store.size(&step.cid) {
            Ok(_) if is_leaf(&step) => leaves.push(step),
            Ok(_) => rest.push(Work::Read(step)),
            Err(GetError::NotFound { .. }) => rest.push(Work::Want(step)),
            Err(error) => return Err(error),
        }
    }
    Ok(Done::Looked { leaves, rest })
}
