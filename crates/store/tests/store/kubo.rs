//! The same folder of blocks under Kubo and under this store. Needs Kubo: set `IPFS_BIN` to its
//! binary and run with `--ignored`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cid::Cid;
use cidcast_store::{Audience, Store};
use tempfile::TempDir;

use crate::fixture::{Tree, holder, leaf, settings, temp_dir, tree};

fn ipfs(repo: &Path, args: &[&str]) -> Vec<u8> {
    let Some(binary) = std::env::var_os("IPFS_BIN") else {
        panic!("set IPFS_BIN to the ipfs binary")
    };
    let output = Command::new(binary)
        .args(args)
        .env("IPFS_PATH", repo)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn new_repo(dir: &TempDir, name: &str) -> PathBuf {
    let repo = dir.path().join(name);
    ipfs(&repo, &["init", "--profile=test", "--empty-repo"]);
    repo
}

/// Adds a file of several blocks with Kubo; its bytes and root.
fn add_with_kubo(dir: &TempDir, repo: &Path) -> (Vec<u8>, Cid) {
    let data: Vec<u8> = (0..750_000u32).flat_map(u32::to_le_bytes).collect();
    let file = dir.path().join("file");
    fs::write(&file, &data).unwrap();
    let added = ipfs(repo, &["add", "-Q", "--offline", file.to_str().unwrap()]);
    (
        data,
        String::from_utf8_lossy(&added).trim().parse().unwrap(),
    )
}

fn add_with_ours(repo: &Path) -> Tree {
    let ours = tree(0, 20);
    let store = Store::open(repo, settings()).unwrap();
    let guard = store.in_flight();
    ours.put(&store, &guard);
    store
        .pin(&holder("a"), &ours.root, Audience::Members)
        .unwrap();
    store.close().unwrap();
    ours
}

/// Says so where there is no Kubo; `cargo xtask test` sets `IPFS_BIN` where there is one.
fn kubo_is_missing() -> bool {
    let missing = std::env::var_os("IPFS_BIN").is_none();
    if missing {
        println!("skipped: needs Kubo, set IPFS_BIN");
    }
    missing
}

fn assert_kubo_reads(repo: &Path, ours: &Tree) {
    let block = ipfs(
        repo,
        &["block", "get", "--offline", &leaf(7).cid.to_string()],
    );
    assert_eq!(block, leaf(7).data);
    let refs = ipfs(
        repo,
        &["refs", "-r", "-u", "--offline", &ours.root.to_string()],
    );
    let below_root = refs
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .count();
    assert_eq!(below_root + 1, ours.blocks.len());
    ipfs(repo, &["repo", "verify"]);
}

#[test]
fn a_kubo_repository_is_read_as_it_is() {
    if kubo_is_missing() {
        return;
    }
    let dir = temp_dir();
    let repo = new_repo(&dir, "kubo");
    let (_, root) = add_with_kubo(&dir, &repo);
    let store = Store::open(&repo, settings()).unwrap();
    let pinned = store.pin(&holder("a"), &root, Audience::Members).unwrap();
    assert!(pinned.blocks > 3);
    assert!(store.verify(|_| {}, || false).unwrap().is_good());
}

#[test]
fn kubo_reads_blocks_that_were_added_to_its_repository() {
    if kubo_is_missing() {
        return;
    }
    let dir = temp_dir();
    let repo = new_repo(&dir, "kubo");
    add_with_kubo(&dir, &repo);
    assert_kubo_reads(&repo, &add_with_ours(&repo));
}

#[test]
fn kubo_reads_a_folder_that_this_store_made() {
    if kubo_is_missing() {
        return;
    }
    let dir = temp_dir();
    let repo = new_repo(&dir, "ours");
    fs::remove_dir_all(repo.join("blocks")).unwrap();
    assert_kubo_reads(&repo, &add_with_ours(&repo));
}

#[test]
fn our_car_file_is_that_of_kubo_and_kubo_imports_it() {
    if kubo_is_missing() {
        return;
    }
    let dir = temp_dir();
    let repo = new_repo(&dir, "kubo");
    let (data, root) = add_with_kubo(&dir, &repo);
    let theirs = ipfs(
        &repo,
        &[
            "dag",
            "export",
            "--progress=false",
            "--offline",
            &root.to_string(),
        ],
    );
    let store = Store::open(&repo, settings()).unwrap();
    let mut ours = Vec::new();
    store.export_car(&root, &mut ours).unwrap();
    assert!(ours == theirs, "the CAR files differ");

    let car = dir.path().join("root.car");
    fs::write(&car, &ours).unwrap();
    let other = new_repo(&dir, "other");
    ipfs(
        &other,
        &["dag", "import", "--offline", car.to_str().unwrap()],
    );
    assert!(ipfs(&other, &["cat", "--offline", &root.to_string()]) == data);
}
