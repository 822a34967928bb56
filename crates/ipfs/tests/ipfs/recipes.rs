//! Trees of files that are built the same way in memory, on disk, and where the golden root CIDs
//! were made.

use std::fs;
use std::path::Path;

use cidcast_ipfs::unixfs::add::{Tree, TreeRoot, cid_of_reader};

const MIB: usize = 1 << 20;

/// Files by path, and directories that have none.
#[derive(Default)]
pub(crate) struct Recipe {
    files: Vec<(String, Vec<u8>)>,
    empty: Vec<String>,
}

/// Bytes that repeat only after 4 GiB.
pub(crate) fn content(len: usize) -> Vec<u8> {
    let byte = |i: usize| i.wrapping_mul(2_654_435_761).to_le_bytes()[3];
    (0..len).map(byte).collect()
}

impl Recipe {
    /// One directory of `count` small files, the first of which has `padding` more letters.
    pub(crate) fn many(count: usize, padding: usize) -> Self {
        let mut recipe = Self::default();
        for i in 0..count {
            let padding = if i == 0 { padding } else { 0 };
            let name = format!("{}{i:05}.m4s", "p".repeat(padding));
            recipe.add(name, i.to_string());
        }
        recipe
    }

    pub(crate) fn unicode() -> Self {
        let mut recipe = Self::default();
        for path in [
            "日本語/каталог/файл.txt",
            "\u{e9}.txt",
            "e\u{301}.txt",
            "emoji 😀.bin",
            "with space",
            "Z",
            "a",
            "~",
        ] {
            recipe.add(path, path);
        }
        recipe
    }

    /// The shape of an asset's package, with some segments longer than one block.
    pub(crate) fn package() -> Self {
        let mut recipe = Self::default();
        for name in ["master.m3u8", "manifest.mpd", "asset.json", "poster.jpg"] {
            recipe.add(name, name);
        }
        for rendition in ["240p", "720p"] {
            let folder = format!("video/{rendition}");
            recipe.add(format!("{folder}/init.mp4"), format!("init {rendition}"));
            for i in 0..12 {
                let len = 1000 * i + if i == 3 { MIB } else { 0 };
                recipe.add(format!("{folder}/{i:05}.m4s"), content(len));
            }
        }
        recipe.empty.push("captions".to_owned());
        recipe
    }

    /// A sharded directory of 6,000 directories and one file of two blocks.
    pub(crate) fn sharded_nested() -> Self {
        let mut recipe = Self::default();
        for i in 0..6000 {
            recipe.add(format!("{i}/nested-{}.txt", i % 7), i.to_string());
        }
        recipe.add("big", content(MIB + 1));
        recipe
    }

    fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.push((path.into(), bytes.into()));
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        (self.files.iter()).map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for (path, bytes) in self.files() {
            tree.insert(path, cid_of_reader(bytes).unwrap()).unwrap();
        }
        for path in &self.empty {
            tree.insert_directory(path).unwrap();
        }
        tree
    }

    pub(crate) fn root(&self) -> TreeRoot {
        self.tree().build().unwrap().1
    }

    pub(crate) fn write(&self, folder: &Path) {
        for (path, bytes) in self.files() {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        for path in &self.empty {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
    }
}
