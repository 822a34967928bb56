//! Directory trees: paths to finished files, then one root.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use cidcast_store::{InFlight, Store};

use super::directory::{self, DirectoryError};
use super::{AddError, Block, Target, TreeRoot, put};

/// More names than this in one path are refused: building walks them by recursion.
const MAX_DEPTH: usize = 64;

/// A directory being put together. Directories on the way to a path appear by themselves.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Done(Target),
    Open(Tree),
}

/// Why a path cannot be in a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The path is empty or has a name that no directory can hold.
    #[error(
        "path {path:?} has an empty, relative or unprintable name; use names joined by one slash each"
    )]
    Name {
        /// The path.
        path: String,
    },
    /// The path has more names than a tree may be deep.
    #[error("path {path:?} is more than 64 directories deep; use a flatter layout")]
    TooDeep {
        /// The path.
        path: String,
    },
    /// The path, or a directory on the way to it, is taken.
    #[error("path {path:?} is taken by another entry; insert each path once")]
    Taken {
        /// The path.
        path: String,
    },
}

impl Tree {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a finished file or directory at `path` (names joined by `/`).
    ///
    /// # Errors
    ///
    /// [`InsertError`] if the path is no path, or is taken.
    pub fn insert(&mut self, path: &str, target: impl Into<Target>) -> Result<(), InsertError> {
        self.place(path, Entry::Done(target.into()))
    }

    /// Puts an empty directory at `path`, into which later paths may lead.
    ///
    /// # Errors
    ///
    /// As [`Tree::insert`].
    pub fn insert_directory(&mut self, path: &str) -> Result<(), InsertError> {
        self.place(path, Entry::Open(Self::new()))
    }

    fn place(&mut self, path: &str, entry: Entry) -> Result<(), InsertError> {
        let names: Vec<&str> = path.split('/').collect();
        let owned = || path.to_owned();
        if names.len() > MAX_DEPTH {
            return Err(InsertError::TooDeep { path: owned() });
        }
        if !names.iter().copied().all(is_name) {
            return Err(InsertError::Name { path: owned() });
        }
        let mut tree = self;
        let Some((last, directories)) = names.split_last() else {
            return Err(InsertError::Name { path: owned() });
        };
        for name in directories {
            let open = Entry::Open(Self::new());
            tree = match tree.entries.entry((*name).to_owned()).or_insert(open) {
                Entry::Open(tree) => tree,
                Entry::Done(_) => return Err(InsertError::Taken { path: owned() }),
            };
        }
        match tree.entries.entry((*last).to_owned()) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(_) => Err(InsertError::Taken { path: owned() }),
        }
    }

    /// The blocks of all directories, children before parents, and the root.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if a directory's names cannot be told apart by their hashes.
    pub fn build(self) -> Result<(Vec<Block>, TreeRoot), DirectoryError> {
        let mut blocks = Vec::new();
        let Target { cid, dag_bytes } = self.build_into(&mut blocks)?;
        Ok((blocks, TreeRoot { cid, dag_bytes }))
    }

    fn build_into(self, out: &mut Vec<Block>) -> Result<Target, DirectoryError> {
        let mut entries = BTreeMap::new();
        for (name, entry) in self.entries {
            let target = match entry {
                Entry::Done(target) => target,
                Entry::Open(tree) => tree.build_into(out)?,
            };
            entries.insert(name, target);
        }
        directory::build(entries, out)
    }

    /// Puts the blocks of all directories into the store and returns the root.
    ///
    /// # Errors
    ///
    /// [`AddError::Directory`] as [`Tree::build`], [`AddError::Put`] if the store does not take a
    /// block.
    pub fn finish(self, store: &Store, guard: &InFlight) -> Result<TreeRoot, AddError> {
        let (blocks, root) = self.build()?;
        put(store, guard, &blocks)?;
        Ok(root)
    }
}

/// Names that mean the same in a UnixFS directory, a URL path and a file system.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|c: char| c.is_control())
}
