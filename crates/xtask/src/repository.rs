//! Where things are in this repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::install;
use crate::program::Program;

/// The root folder of the workspace.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .context("crates/xtask lies two folders below the root")?;
    Ok(root.to_owned())
}

/// What cargo says about the members of the workspace.
pub(crate) fn metadata() -> Result<Value> {
    let output = Program::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(root()?)
        .output()?;
    serde_json::from_str(&output).context("cargo metadata did not print JSON")
}

/// The folder that cargo builds into.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata.get("target_directory").and_then(Value::as_str);
    Ok(folder
        .context("cargo metadata names no target folder")?
        .into())
}

/// Builds `cidcast` and answers where it is. The build of the web app needs a Node.js, which is
/// installed where it is missing.
pub(crate) fn build_node() -> Result<PathBuf> {
    build(&["build", "--package", "cidcast"])
}

/// Builds all that is tested, and answers where `cidcast` is. Cargo unites the features of what is
/// built together: building a package alone here would build its dependencies a second time.
pub(crate) fn build_everything() -> Result<PathBuf> {
    build(&["build", "--workspace", "--all-targets"])
}

fn build(arguments: &[&str]) -> Result<PathBuf> {
    let cargo = Program::new("cargo").args(arguments).current_dir(root()?);
    install::node()?.on_path_of(cargo)?.run()?;
    let binary = target()?.join("debug").join("cidcast");
    if !binary.is_file() {
        bail!("cargo built cidcast, but there is no {}", binary.display());
    }
    Ok(binary)
}

/// Every file that git tracks or would track, relative to the root.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let listed = Program::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(root()?)
        .output()?;
    let root = root()?;
    let files = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from);
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}
