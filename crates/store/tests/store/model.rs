//! Random histories against a model that fits in the head: a block is on disk if and only if a
//! pin refers to it or a guard holds it.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use cidcast_store::{Audience, InFlight, Store};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fixture::{Tree, holder, open, temp_dir, tree};

const HOLDERS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Op {
    Put {
        tree: usize,
    },
    DropGuard,
    Pin {
        holder: usize,
        tree: usize,
        audience: Audience,
    },
    Unpin {
        holder: usize,
        tree: Option<usize>,
    },
    SetAudience {
        holder: usize,
        audience: Audience,
    },
    Sweep,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let (holder, tree) = (0..HOLDERS.len(), 0..trees().len());
    prop_oneof![
        4 => tree.clone().prop_map(|tree| Op::Put { tree }),
        2 => Just(Op::DropGuard),
        4 => (holder.clone(), tree.clone(), audience())
            .prop_map(|(holder, tree, audience)| Op::Pin { holder, tree, audience }),
        2 => (holder.clone(), proptest::option::of(tree))
            .prop_map(|(holder, tree)| Op::Unpin { holder, tree }),
        1 => (holder, audience())
            .prop_map(|(holder, audience)| Op::SetAudience { holder, audience }),
        1 => Just(Op::Sweep),
        1 => Just(Op::Reopen),
    ]
}

fn trees() -> Vec<Tree> {
    vec![tree(0, 4), tree(2, 6), tree(4, 9), tree(0, 9)]
}

fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof![
        Just(Audience::Writers),
        Just(Audience::Members),
        Just(Audience::Anyone),
    ]
}

struct World {
    dir: TempDir,
    trees: Vec<Tree>,
    store: Store,
    guard: InFlight,
    held: BTreeSet<usize>,
    pins: BTreeMap<(usize, usize), Audience>,
}

impl World {
    fn new() -> Self {
        let dir = temp_dir();
        let store = open(&dir);
        let guard = store.in_flight();
        Self {
            dir,
            trees: trees(),
            store,
            guard,
            held: BTreeSet::new(),
            pins: BTreeMap::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Put { tree } => {
                self.trees[tree].put(&self.store, &self.guard);
                self.held.insert(tree);
            }
            Op::DropGuard => {
                self.guard = self.store.in_flight();
                self.held.clear();
            }
            Op::Pin {
                holder: h,
                tree,
                audience,
            } => {
                let whole = self.present().is_superset(&self.blocks_of(tree));
                let root = self.trees[tree].root;
                let pinned = self.store.pin(&holder(HOLDERS[h]), &root, audience);
                assert_eq!(pinned.is_ok(), whole, "{pinned:?}");
                if whole {
                    self.pins.insert((h, tree), audience);
                }
            }
            Op::Unpin { holder: h, tree } => {
                let root = tree.map(|tree| self.trees[tree].root);
                self.store
                    .unpin(&holder(HOLDERS[h]), root.as_ref())
                    .unwrap();
                self.pins
                    .retain(|pin, _| pin.0 != h || tree.is_some_and(|tree| tree != pin.1));
            }
            Op::SetAudience {
                holder: h,
                audience,
            } => {
                self.store
                    .set_audience(&holder(HOLDERS[h]), audience)
                    .unwrap();
                let mine = self.pins.iter_mut().filter(|(pin, _)| pin.0 == h);
                mine.for_each(|(_, now)| *now = audience);
            }
            Op::Sweep => {
                self.store.sweep().unwrap();
            }
            Op::Reopen => {
                self.store.close().unwrap();
                self.store = open(&self.dir);
                self.guard = self.store.in_flight();
                self.held.clear();
                // What only a guard held was lost from sight when the store closed.
                self.store.sweep().unwrap();
            }
        }
    }

    fn blocks_of(&self, tree: usize) -> BTreeSet<Cid> {
        self.trees[tree]
            .blocks
            .iter()
            .map(|block| block.cid)
            .collect()
    }

    fn present(&self) -> BTreeSet<Cid> {
        let pinned = self.pins.keys().map(|pin| &pin.1);
        pinned
            .chain(&self.held)
            .flat_map(|tree| self.blocks_of(*tree))
            .collect()
    }

    fn check(&self) {
        self.store.flush_deletes().unwrap();
        let present = self.present();
        let mut pinned_bytes = BTreeMap::new();
        for block in self.trees.iter().flat_map(|tree| &tree.blocks) {
            assert_eq!(
                self.store.has(&block.cid).unwrap(),
                present.contains(&block.cid)
            );
            let mine =
                |pin: &(&(usize, usize), &Audience)| self.blocks_of(pin.0.1).contains(&block.cid);
            let expected = self.pins.iter().filter(mine).map(|pin| *pin.1).max();
            assert_eq!(self.store.audience(&block.cid).unwrap(), expected);
            if expected.is_some() {
                pinned_bytes.insert(block.cid, block.data.len() as u64);
            }
        }
        assert_eq!(
            self.store.disk_usage().unwrap().blocks,
            present.len() as u64
        );
        let stat = self.store.stat().unwrap();
        assert_eq!(stat.pins, self.pins.len() as u64);
        assert_eq!(stat.blocks, pinned_bytes.len() as u64);
        assert_eq!(stat.bytes, pinned_bytes.values().sum::<u64>());
        assert_eq!(stat.pending_deletes, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_exactly_the_wanted_blocks(ops in prop::collection::vec(op(), 1..30)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
        let report = world.store.verify(|_| (), || false).unwrap();
        prop_assert!(report.is_good());
    }
}
