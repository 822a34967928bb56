//! Every configuration file that ships is one that the node accepts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::program::Program;

/// A complaint for each file in `config/` that `cidcast config check` refuses.
pub(crate) fn check(root: &Path, build: fn() -> Result<PathBuf>) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("config"))? {
        files.push(entry?.path());
    }
    if files.is_empty() {
        return Ok(vec![
            "config/ is empty: ship a documented configuration".to_owned(),
        ]);
    }
    let cidcast = build()?;
    let mut complaints = Vec::new();
    files.sort();
    for file in files {
        let check = Program::new(&cidcast).args(["config", "check"]).arg(&file);
        if let Err(error) = check.output() {
            complaints.push(format!("{}: {error:#}", file.display()));
        }
    }
    Ok(complaints)
}
