//! What a fetch does with the steps of its walk: look, then ask.
//!
//! Whether a leaf is there is known without reading it. Many are looked for in one go on one
//! thread: for small blocks, a thread for each look costs more than the look.

use std::time::Duration;

use bytes::Bytes;
use cidcast_exchange::{Session, WantError};
use cidcast_store::{GetError, Store};

use super::FetchError;
use super::walk::{Step, Walk};
use crate::sources::Fed;
use crate::unixfs::RAW;

/// Leaves that are looked for in one go: a few hundred microseconds of a thread.
const MAX_LOOK: usize = 64;

/// A piece of work.
pub(super) enum Work {
    /// See which of these leaves are in the store.
    Look(Vec<Step>),
    /// Get a block that may be in the store, and read it.
    Read(Step),
    /// Get a leaf that is not in the store.
    Want(Step),
}

/// What came of it.
pub(super) enum Done {
    Looked {
        here: Vec<Step>,
        missing: Vec<Step>,
    },
    Got(Step, Bytes),
}

impl Work {
    /// What comes next, at most `most` steps of it.
    pub(super) fn next(walk: &mut Walk, most: usize) -> Vec<Self> {
        let (mut work, mut leaves) = (Vec::new(), Vec::new());
        for step in std::iter::from_fn(|| walk.next()).take(most) {
            if step.cid.codec() == RAW {
                leaves.push(step);
            } else {
                work.push(Self::Read(step));
            }
        }
        let looks = leaves.chunks(MAX_LOOK).map(|few| Self::Look(few.to_vec()));
        work.extend(looks);
        work
    }

    /// Steps in it.
    pub(super) fn steps(&self) -> usize {
        match self {
            Self::Look(steps) => steps.len(),
            Self::Read(_) | Self::Want(_) => 1,
        }
    }

    pub(super) async fn run(
        self,
        fed: &Fed,
        store: &Store,
        patience: Duration,
    ) -> Result<Done, FetchError> {
        let session = fed.session();
        match self {
            Self::Look(steps) => {
                let (session, store) = (session.clone(), store.clone());
                let looked = tokio::task::spawn_blocking(move || look(steps, &session, &store));
                Ok(looked.await.map_err(|_| WantError::Stopping)??)
            }
            Self::Read(step) => {
                let block = session.get(&step.cid, step.order, patience).await?;
                Ok(Done::Got(step, block))
            }
            Self::Want(step) => {
                let block = session.get_missing(&step.cid, step.order, patience);
                let block = block.await?;
                Ok(Done::Got(step, block))
            }
        }
    }
}

/// On a thread that may block.
fn look(steps: Vec<Step>, session: &Session, store: &Store) -> Result<Done, GetError> {
    let (mut here, mut missing) = (Vec::new(), Vec::new());
    for step in steps {
        // Held before it is looked for, so that it stays when it is found.
        session.guard().hold(&step.cid);
        match store.size(&step.cid) {
            Ok(_) => here.push(step),
            Err(GetError::NotFound { .. }) => missing.push(step),
            Err(error) => return Err(error),
        }
    }
    Ok(Done::Looked { here, missing })
}
