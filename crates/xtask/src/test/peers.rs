//! The reference IPFS node that interoperability tests talk to.

use std::path::PathBuf;

use anyhow::Result;

use crate::program::{Program, on_path};
use crate::repository;

/// Where Kubo is: named by `IPFS_BIN`, built from the sources that the project's peers folder
/// holds, or on `PATH`. `None` says so: the tests that need it say that they are skipped.
pub(crate) fn kubo() -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os("IPFS_BIN") {
        return Ok(Some(named.into()));
    }
    let script = repository::root()?.join("../shared/peers/build.sh");
    if script.is_file() {
        match Program::new("bash").arg(&script).arg("kubo").output() {
            Ok(said) => {
                let path = said.lines().find_map(|line| line.strip_prefix("IPFS_BIN="));
                return Ok(path.map(PathBuf::from));
            }
            Err(error) => println!("Kubo was not built: {error:#}"),
        }
    }
    let found = on_path("ipfs");
    if found.is_none() {
        println!(
            "no Kubo here: the tests that compare with it are skipped (set IPFS_BIN to run them)"
        );
    }
    Ok(found)
}
