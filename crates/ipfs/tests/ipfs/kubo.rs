//! The same trees through a real Kubo, where there is one: `IPFS_BIN`, or `ipfs` on the path.

use std::path::{Path, PathBuf};
use std::process::Command;

use cidcast_ipfs::unixfs::add::cid_of_reader;

use crate::recipes::{Recipe, content};

fn ipfs(binary: &Path, repo: &Path, arguments: &[&str]) -> String {
    let output = Command::new(binary)
        .args(arguments)
        .env("IPFS_PATH", repo)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The Kubo to compare with, if it knows the profile.
fn kubo() -> Option<PathBuf> {
    let binary = PathBuf::from(std::env::var_os("IPFS_BIN").unwrap_or_else(|| "ipfs".into()));
    let help = Command::new(&binary)
        .args(["config", "profile", "--help"])
        .output();
    let knows =
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("unixfs-v1-2025"));
    knows.then_some(binary)
}

#[test]
fn kubo_adds_the_same_trees_under_the_same_root_cids() {
    let Some(binary) = kubo() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let repo = tempfile::tempdir().unwrap();
    ipfs(
        &binary,
        repo.path(),
        &["init", "--empty-repo", "--profile=unixfs-v1-2025"],
    );
    let add = |path: &Path| {
        let arguments = ["add", "-r", "-Q", "--only-hash", path.to_str().unwrap()];
        ipfs(&binary, repo.path(), &arguments)
    };
    for recipe in [
        Recipe::many(4946, 2),
        Recipe::many(4947, 0),
        Recipe::unicode(),
        Recipe::package(),
        Recipe::sharded_nested(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        recipe.write(folder.path());
        assert_eq!(add(folder.path()), recipe.root().cid.to_string());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = content(3 << 20);
    std::fs::write(file.path(), &bytes).unwrap();
    let ours = cid_of_reader(&bytes[..]).unwrap();
    assert_eq!(add(file.path()), ours.cid.to_string());
}
