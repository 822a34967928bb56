//! The walk through a DAG whose blocks arrive in any order.
//!
//! A state machine: it gives steps (blocks to get), takes their bytes, and knows when all are
//! there. Steps that were given and never finished can be recalled, so that a walk goes on where
//! it was cut off.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use cid::multihash::Multihash;
use cidcast_store::{LinksError, links};

use super::{Scope, order};
use crate::unixfs::{DAG_PB, Node};

/// Links that may wait; a hostile DAG of many wide blocks ends here. One takes about 150 bytes.
const MAX_WAITING: usize = 2_000_000;
/// A path longer than this is no package's, and is not carried further.
const MAX_PATH: usize = 256;

/// In which order blocks are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FetchOrder {
    /// What a player needs first, by the names in a package.
    #[default]
    Playback,
    /// Each link with all that is below it before the next one: few blocks wait at a time.
    DepthFirst,
}

/// A DAG that cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A block's links could not be read.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// More blocks than the caller allows.
    #[error("{root} has more than {limit} blocks; fetch a part of it, or raise the limit")]
    TooLarge {
        /// Where the walk began.
        root: Cid,
        /// The bound.
        limit: usize,
    },
}

/// Smaller comes first.
type Place = (u64, u64);

/// A block to get.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) cid: Cid,
    /// Its place in the order of need.
    pub(super) order: u64,
    place: Place,
    path: Arc<str>,
    depth: Depth,
}

/// How far a walk goes below a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Depth {
    /// All the way.
    Below,
    /// It ends there: what is below lies outside of the scope.
    Only,
}

/// What waits in a place: the block, the path to it, and how far to go.
type Waiting = (Cid, Arc<str>, Depth);

/// A walk under one root.
#[derive(Debug)]
pub(super) struct Walk {
    root: Cid,
    order: FetchOrder,
    limit: usize,
    scope: Scope,
    waiting: BTreeMap<Place, Waiting>,
    given: BTreeMap<Place, Waiting>,
    /// The codec counts: the same bytes under raw and dag-pb have different links.
    seen: HashSet<(u64, Multihash<64>)>,
    /// Blocks at which the walk ended, of those that are not seen.
    ended: BTreeSet<Cid>,
    twice: u64,
    done: u64,
    /// Nodes expanded so far.
    expanded: u64,
    links: u64,
}

impl Walk {
    pub(super) fn new(root: &Cid, order: FetchOrder, limit: usize) -> Self {
        let mut walk = Self {
            root: *root,
            order,
            limit,
            scope: Scope::Whole,
            waiting: BTreeMap::new(),
            given: BTreeMap::new(),
            seen: HashSet::new(),
            ended: BTreeSet::new(),
            twice: 0,
            done: 0,
            expanded: 0,
            links: 0,
        };
        walk.add((0, 0), *root, Arc::from(""));
        walk
    }

    /// Has to be said before the first step.
    pub(super) fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// The blocks below which nothing was walked, and which are in the way to nothing else.
    pub(super) fn ended(&self) -> BTreeSet<Cid> {
        self.ended.clone()
    }

    /// The next block to get; `None` while only what was given is missing.
    pub(super) fn next(&mut self) -> Option<Step> {
        let (place, (cid, path, depth)) = self.waiting.pop_first()?;
        self.given.insert(place, (cid, Arc::clone(&path), depth));
        // 2^24 links of one rank keep their order; beyond that they are equal.
        let order = (place.0.min(u64::MAX >> 24) << 24) | place.1.min((1 << 24) - 1);
        Some(Step {
            cid,
            order,
            place,
            path,
            depth,
        })
    }

    /// Takes back every step that was given and not finished.
    pub(super) fn recall(&mut self) {
        self.waiting.append(&mut self.given);
    }

    /// A step's block is here and cannot have links.
    pub(super) fn finish_leaf(&mut self, step: &Step) {
        self.given.remove(&step.place);
        self.done += 1;
    }

    /// A step's block is here; what it links to comes next.
    pub(super) fn finish(&mut self, step: &Step, block: &Bytes) -> Result<(), WalkError> {
        if step.depth == Depth::Only {
            self.finish_leaf(step);
            return Ok(());
        }
        let below = links(&step.cid, block)?;
        let names = names(&step.cid, block);
        self.finish_leaf(step);
        self.expanded += 1;
        for (n, cid) in below.into_iter().enumerate() {
            let path = match names.as_ref().and_then(|names| names.get(n)) {
                Some(name) if !name.is_empty() => joined(&step.path, name),
                _ => Arc::clone(&step.path),
            };
            let place = self.place(&path, n as u64);
            self.add(place, cid, path);
        }
        if self.seen.len() + self.ended.len() > self.limit || self.waiting.len() > MAX_WAITING {
            return Err(WalkError::TooLarge {
                root: self.root,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Blocks that are here.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Blocks that are known to belong to the DAG, here or not.
    pub(super) fn known(&self) -> u64 {
        (self.seen.len() + self.ended.len()) as u64 + self.twice
    }

    fn place(&mut self, path: &str, n: u64) -> Place {
        self.links += 1;
        match self.order {
            FetchOrder::Playback => (order::rank(path), self.links),
            // What was expanded last comes first.
            FetchOrder::DepthFirst => ((u64::MAX >> 24) - self.expanded, n),
        }
    }

    fn add(&mut self, place: Place, cid: Cid, path: Arc<str>) {
        let key = (cid.codec(), *cid.hash());
        if self.scope.leaves_out(&path) {
            if !self.seen.contains(&key) && self.ended.insert(cid) {
                self.waiting.insert(place, (cid, path, Depth::Only));
            }
            return;
        }
        if self.seen.insert(key) {
            // What was met as an end is met again on the way to something: it counts twice.
            if self.ended.remove(&cid) {
                self.twice += 1;
            }
            self.waiting.insert(place, (cid, path, Depth::Below));
        }
    }
}

/// The names of a directory's links, in their order.
fn names(cid: &Cid, block: &Bytes) -> Option<Vec<String>> {
    if cid.codec() != DAG_PB {
        return None;
    }
    match Node::decode(cid, block.clone()).ok()? {
        Node::Directory(links) => Some(links.into_iter().map(|link| link.name).collect()),
        Node::Shard(shard) => Some(shard.links.into_iter().map(|(_, link)| link.name).collect()),
        Node::File(_) | Node::Symlink(_) => None,
    }
}

fn joined(path: &Arc<str>, name: &str) -> Arc<str> {
    if path.len() + name.len() >= MAX_PATH {
        return Arc::clone(path);
    }
    if path.is_empty() {
        Arc::from(name)
    } else {
        Arc::from(format!("{path}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use multihash_codetable::{Code, MultihashDigest as _};

    use super::*;
    use crate::unixfs::add::{Tree, add_bytes};

    /// Takes every step from `store`; the blocks that were asked for.
    fn all(walk: &mut Walk, store: &cidcast_store::Store) -> HashSet<Cid> {
        let mut asked = HashSet::new();
        while let Some(step) = walk.next() {
            let block = store.get(&step.cid).unwrap();
            walk.finish(&step, &block).unwrap();
            asked.insert(step.cid);
        }
        asked
    }

    #[test]
    fn a_rendition_with_the_content_of_a_chosen_one_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        let settings = cidcast_store::StoreSettings::default();
        let store = cidcast_store::Store::open(folder.path(), settings).unwrap();
        let guard = store.in_flight();
        let mut tree = Tree::new();
        let file = |content: &'static [u8]| {
            add_bytes(&store, &guard, &Bytes::from_static(content)).unwrap()
        };
        // The copies come before and after in the order of names.
        for path in ["video/a/0.m4s", "video/b/0.m4s", "video/c/0.m4s"] {
            tree.insert(path, file(b"same")).unwrap();
        }
        tree.insert("video/d/0.m4s", file(b"other")).unwrap();
        let root = tree.finish(&store, &guard).unwrap().cid;
        let raw = |content| Cid::new_v1(0x55, Code::Sha2_256.digest(content));

        let mut whole = Walk::new(&root, FetchOrder::Playback, 100);
        assert_eq!(all(&mut whole, &store).len(), 6);
        assert!(whole.ended().is_empty());

        let mut part = Walk::new(&root, FetchOrder::Playback, 100);
        part.set_scope(Scope::Renditions(BTreeSet::from(["video/b".to_owned()])));
        let asked = all(&mut part, &store);
        assert!(asked.contains(&raw(b"same")) && !asked.contains(&raw(b"other")));
        assert_eq!(
            asked.len(),
            5,
            "the directory that is left out comes itself"
        );
        assert_eq!(part.ended().len(), 1, "only the one without a chosen copy");
        assert_eq!(part.done(), part.known());
    }
}
