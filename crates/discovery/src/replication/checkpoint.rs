//! Keeping what has arrived of a package that is not complete.
//!
//! Blocks without a pin go when the node restarts. So now and then the largest complete parts of
//! the package are pinned: a kill at any point loses at most what came since. The parts' pins go
//! when the whole package has its own.

use std::collections::HashSet;

use cidcast_store::{Audience, DatabaseError, GetError, Holder, PinError, Store, links};
use cidcast_types::Cid;

/// The raw codec: a block without links.
const RAW: u64 = 0x55;
/// Blocks that are looked at in one go; what a larger package has beyond is pinned in later ones.
const MAX_LOOKS: usize = 200_000;
/// No package is this deep; what somebody made so is pinned when it is complete.
const MAX_DEPTH: usize = 64;
/// Parts pinned in one transaction.
const MAX_PARTS: usize = 4_096;

/// Parts could not be pinned. The transfer goes on; the next checkpoint tries again.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    #[error(transparent)]
    Read(#[from] GetError),
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error(transparent)]
    Pins(#[from] DatabaseError),
}

/// The parts of one package that have pins.
#[derive(Debug)]
pub(super) struct Checkpoint {
    store: Store,
    holder: Holder,
    root: Cid,
    pinned: HashSet<Cid>,
}

impl Checkpoint {
    /// Finds the parts that an earlier attempt has pinned. Blocks on the disk.
    pub(super) fn open(store: Store, holder: Holder, root: Cid) -> Result<Self, CheckpointError> {
        let pinned = store.pinned_roots(&holder)?.into_iter().collect();
        Ok(Self {
            store,
            holder,
            root,
            pinned,
        })
    }

    /// Pins what has become complete; answers how many parts that are. Blocks on the disk.
    pub(super) fn save(&mut self) -> Result<usize, CheckpointError> {
        let mut look = Look {
            store: &self.store,
            pinned: &self.pinned,
            found: Vec::new(),
            left: MAX_LOOKS,
        };
        // The whole package is for whoever waits for it.
        look.below(&self.root, MAX_DEPTH)?;
        let mut found = look.found;
        found.truncate(MAX_PARTS);
        if !found.is_empty() {
            self.store.pin_all(&self.holder, &found, Audience::Anyone)?;
            self.pinned.extend(&found);
        }
        Ok(found.len())
    }
}

/// One look at what is here.
struct Look<'a> {
    store: &'a Store,
    pinned: &'a HashSet<Cid>,
    /// Complete parts without a pin, none inside another.
    found: Vec<Cid>,
    left: usize,
}

impl Look<'_> {
    /// Collects the complete parts below `cid`; whether all of it is here.
    fn below(&mut self, cid: &Cid, depth: usize) -> Result<bool, CheckpointError> {
        if depth == 0 {
            return Ok(false);
        }
        let data = match self.store.get(cid) {
            Ok(data) => data,
            Err(GetError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // What cannot be read ends the transfer, not the checkpoint.
        let Ok(children) = links(cid, &data) else {
            return Ok(false);
        };
        let mut is_whole = true;
        for child in &children {
            if self.left == 0 {
                return Ok(false);
            }
            self.left -= 1;
            if self.pinned.contains(child) {
                continue;
            }
            let before = self.found.len();
            let is_complete = match child.codec() {
                RAW => self.store.size(child).is_ok(),
                _ => self.below(child, depth - 1)?,
            };
            if is_complete {
                self.found.truncate(before);
                self.found.push(*child);
            }
            is_whole &= is_complete;
        }
        Ok(is_whole)
    }
}
