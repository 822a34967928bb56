//! DAGs that are on their way here: what has arrived stays, across restarts, for a bounded time.
//!
//! A row says whose it is and until when. While the store is open, a guard holds every block
//! under the root that is here; the guards are taken before anything can delete, so that neither
//! the sweep nor the deleting thread takes what the process before has fetched.
//!
//! Blocks without a pin are not synced, so a power cut may have damaged them: what an earlier
//! process left is hashed before it is built upon, and thrown away if it is wrong.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use cidcast_runtime::locked;
use cidcast_types::Timestamp;

use super::{Core, Store};
use crate::dag::Walk;
use crate::error::{DatabaseError, PartialError};
use crate::hold::InFlight;
use crate::key::Match;
use crate::links::is_leaf;
use crate::pins::{Holder, Partial};

/// Partial DAGs at a time. Each is a job that somebody asked for.
const MAX_PARTIALS: u64 = 4096;

/// What holds the blocks of partial DAGs.
#[derive(Default)]
pub(super) struct Kept(HashMap<(Holder, Cid), Guard>);

struct Guard {
    in_flight: Arc<InFlight>,
    /// Whether an earlier process wrote what is here.
    is_inherited: bool,
}

impl Store {
    /// Keeps what arrives of a DAG until it is dropped or expires, also across restarts; the guard
    /// must be told of each block ([`InFlight::hold`]) before that is asked for. Keeping it again
    /// gives the same guard and replaces time and note. What an earlier process left is hashed
    /// first, so this may take as long as reading it.
    pub fn keep_partial(&self, partial: &Partial) -> Result<Arc<InFlight>, PartialError> {
        let core = &self.core;
        if !core.pins.save_partial(partial, MAX_PARTIALS)? {
            return Err(PartialError::TooMany {
                limit: MAX_PARTIALS,
            });
        }
        let key = (partial.holder.clone(), partial.root);
        let (in_flight, is_inherited) = {
            let mut kept = locked(&core.kept);
            let guard = kept.0.entry(key.clone()).or_insert_with(|| Guard {
                in_flight: Arc::new(self.in_flight()),
                is_inherited: false,
            });
            (Arc::clone(&guard.in_flight), guard.is_inherited)
        };
        if is_inherited {
            core.drop_damaged(&partial.root)?;
            if let Some(guard) = locked(&core.kept).0.get_mut(&key) {
                guard.is_inherited = false;
            }
        }
        Ok(in_flight)
    }

    /// Every partial DAG, by holder and root.
    pub fn partials(&self) -> Result<Vec<Partial>, DatabaseError> {
        self.core.pins.partials()
    }

    /// Lets go of a partial DAG: its blocks that nothing else wants are deleted in the background.
    /// None is no error.
    pub fn drop_partial(&self, holder: &Holder, root: &Cid) -> Result<(), DatabaseError> {
        self.core.pins.remove_partial(holder, root)?;
        let guard = locked(&self.core.kept).0.remove(&(holder.clone(), *root));
        drop(guard);
        Ok(())
    }

    /// Lets go of every partial DAG whose time is over; which ones.
    pub fn drop_expired_partials(&self, now: Timestamp) -> Result<Vec<Partial>, DatabaseError> {
        let mut over = self.partials()?;
        over.retain(|partial| partial.until <= now);
        for partial in &over {
            self.drop_partial(&partial.holder, &partial.root)?;
        }
        Ok(over)
    }
}

impl Core {
    /// Takes the guards of what an earlier process left. For the opening of the store, before
    /// anything can delete.
    pub(super) fn hold_partials(&self) -> Result<(), DatabaseError> {
        for partial in self.pins.partials()? {
            let guard = InFlight::new(Arc::clone(&self.holds), Arc::clone(&self.queue));
            self.hold_present(&partial.root, &guard);
            let key = (partial.holder, partial.root);
            let guard = Guard {
                in_flight: Arc::new(guard),
                is_inherited: true,
            };
            locked(&self.kept).0.insert(key, guard);
        }
        Ok(())
    }

    /// Holds whatever is known to belong to the DAG. What cannot be read or walked is fetched
    /// again: no reason not to open.
    fn hold_present(&self, root: &Cid, guard: &InFlight) {
        let mut walk = Walk::new(root, self.settings.max_dag_blocks);
        while let Ok(Some(step)) = walk.next() {
            guard.hold_put(step.key);
            if is_leaf(&step.cid) {
                continue;
            }
            if let Ok(Some(data)) = self.folder.read(&step.key) {
                // A damaged directory: its place is known, its links are not.
                let _ = walk.expand(&step.cid, &data);
            }
        }
    }

    /// Hashes every block under `root` that is here and that no pin refers to, and removes those
    /// that are not what their names say.
    fn drop_damaged(&self, root: &Cid) -> Result<(), PartialError> {
        let mut walk = Walk::new(root, self.settings.max_dag_blocks);
        let mut removed = 0_u64;
        while let Ok(Some(step)) = walk.next() {
            let Some(data) = self.folder.read(&step.key)? else {
                continue;
            };
            // Pinned blocks were synced before they were pinned.
            if !self.pins.is_referenced(&step.key)? && step.key.matches(&data) == Match::No {
                self.folder.remove(&step.key)?;
                removed += 1;
                continue;
            }
            if !is_leaf(&step.cid) {
                let _ = walk.expand(&step.cid, &data);
            }
        }
        if removed > 0 {
            tracing::info!(%root, removed, "removed blocks that were cut off while they were written");
        }
        Ok(())
    }
}
