//! `cargo xtask tidy`: rules about the shape of the code that no linter knows.
//!
//! Each rule is a function from what it looks at to the complaints it has; only this file reads
//! the disk, and only `config` starts a program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::repository;

mod config;
mod layers;
mod names;
mod paths;
mod purity;
mod sizes;
mod source;

use source::Source;

/// Checks everything, prints every complaint, and fails if there is one. `build` gives the node
/// that is asked about configuration files.
pub(crate) fn run(build: fn() -> Result<PathBuf>) -> Result<()> {
    let root = repository::root()?;
    let files = repository::files()?;
    let sources = sources(&root, &files)?;
    let mut complaints = Vec::new();
    for source in &sources {
        complaints.extend(source.missing_docs());
        complaints.extend(purity::check(source));
    }
    let production: Vec<&Source> = sources
        .iter()
        .filter(|source| source.is_production())
        .collect();
    let sizes = sizes::Sizes::of(&production);
    println!("{sizes}");
    complaints.extend(sizes.complaints());
    complaints.extend(layers::check(&repository::metadata()?)?);
    complaints.extend(files.iter().filter_map(|file| names::check(file)));
    for file in &files {
        if let Ok(text) = fs::read_to_string(root.join(file)) {
            complaints.extend(paths::check(file, &text));
        }
    }
    match config::check(&root, build) {
        Ok(found) => complaints.extend(found),
        Err(error) => complaints.push(format!("config/ was not checked: {error:#}")),
    }
    if complaints.is_empty() {
        println!(
            "tidy: {} source files, nothing to complain about",
            sources.len()
        );
        return Ok(());
    }
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    bail!("tidy has {} complaints", complaints.len())
}

/// Every Rust file of the repository, parsed.
fn sources(root: &Path, files: &[PathBuf]) -> Result<Vec<Source>> {
    let rust = files
        .iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "rs"));
    rust.map(|file| {
        let text = fs::read_to_string(root.join(file))?;
        Source::parse(file, &text).with_context(|| format!("{} does not parse", file.display()))
    })
    .collect()
}
