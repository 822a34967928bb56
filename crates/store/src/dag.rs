//! Walking a DAG depth first, without recursion, each block once.

use std::collections::HashSet;

use bytes::Bytes;
use cid::Cid;

use crate::error::DagError;
use crate::key::BlockKey;
use crate::links::links;

/// Links that wait to be followed; a hostile DAG of many wide blocks ends here.
const MAX_PENDING: usize = 4_000_000;

/// A walk under one root. The caller reads the blocks: for each step it calls
/// [`Walk::expand`] with the bytes, or not, if the block is a leaf.
pub(crate) struct Walk {
    root: Cid,
    limit: usize,
    /// Depth first: the next link is at the end.
    pending: Vec<Cid>,
    /// The codec counts: the same bytes under raw and dag-pb have different links.
    seen: HashSet<(u64, BlockKey)>,
    blocks: HashSet<BlockKey>,
}

/// The next block of a walk.
pub(crate) struct Step {
    /// As the link names it.
    pub(crate) cid: Cid,
    /// Where its bytes are in the store.
    pub(crate) key: BlockKey,
    pub(crate) visit: Visit,
}

/// Whether a walk comes by a block for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    First,
    /// Seen before under another codec.
    Again,
}

impl Walk {
    /// Begins at `root` and ends with an error after `limit` blocks.
    pub(crate) fn new(root: &Cid, limit: usize) -> Self {
        Self {
            root: *root,
            limit,
            pending: vec![*root],
            seen: HashSet::new(),
            blocks: HashSet::new(),
        }
    }

    /// The next block in the store, or `None` when all were visited. What a CID carries in itself
    /// is followed here.
    pub(crate) fn next(&mut self) -> Result<Option<Step>, DagError> {
        while let Some(cid) = self.pending.pop() {
            let key = match BlockKey::of(&cid) {
                Ok(key) => key,
                Err(inline) => {
                    let data = Bytes::copy_from_slice(inline);
                    self.expand(&cid, &data)?;
                    continue;
                }
            };
            if !self.seen.insert((cid.codec(), key)) {
                continue;
            }
            let visit = if self.blocks.insert(key) {
                Visit::First
            } else {
                Visit::Again
            };
            if self.blocks.len() > self.limit {
                return Err(self.too_large());
            }
            return Ok(Some(Step { cid, key, visit }));
        }
        Ok(None)
    }

    /// Adds the links of a block, so that the first one comes next.
    pub(crate) fn expand(&mut self, cid: &Cid, data: &Bytes) -> Result<(), DagError> {
        let fresh = |link: &Cid| match BlockKey::of(link) {
            Ok(key) => !self.seen.contains(&(link.codec(), key)),
            Err(_) => true,
        };
        let mut children = links(cid, data)?;
        children.retain(fresh);
        children.reverse();
        self.pending.append(&mut children);
        if self.pending.len() > MAX_PENDING {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> DagError {
        DagError::TooLarge {
            root: self.root,
            limit: self.limit,
        }
    }
}
