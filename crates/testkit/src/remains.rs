//! What a node leaves on its disk and among the processes.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Everything in a data directory that belongs to an asset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remains {
    /// Uploaded files.
    pub sources: Vec<PathBuf>,
    /// Files and folders of encoders.
    pub work: Vec<PathBuf>,
    /// Files of blocks.
    pub blocks: Vec<PathBuf>,
    /// Command lines of running encoders.
    pub processes: Vec<String>,
}

impl Remains {
    /// Looks now. Files that go away while it looks count as gone.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn of(data_dir: &Path) -> Result<Self> {
        let blocks = below(&data_dir.join("store/blocks"));
        Ok(Self {
            sources: below(&data_dir.join("sources")),
            work: below(&data_dir.join("work")),
            blocks: blocks
                .into_iter()
                .filter(|path| path.extension().is_some_and(|ending| ending == "data"))
                .collect(),
            processes: processes_of(data_dir)?
                .into_iter()
                .filter(|line| !line.contains("serve"))
                .collect(),
        })
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

/// Command lines of running processes that name the directory or something in it.
///
/// # Errors
///
/// If `/proc` cannot be read.
pub fn processes_of(data_dir: &Path) -> Result<Vec<String>> {
    let name = data_dir.to_string_lossy().into_owned();
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        // Processes end while we look, and dead ones have no command line.
        let Ok(words) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        if line.contains(&name) {
            lines.push(line);
        }
    }
    Ok(lines)
}
