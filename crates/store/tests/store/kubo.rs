//! The same folder of blocks under Kubo and under this store. Needs Kubo: set `IPFS_BIN` to its
//! binary and run with `--ignored`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cidcast_store::{Audience, Store};

use crate::fixture::{holder, leaf, settings, temp_dir, tree};

fn ipfs(repo: &Path, args: &[&str]) -> Output {
    let binary = std::env::var_os("IPFS_BIN").expect("set IPFS_BIN to the ipfs binary");
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
    output
}

fn words(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[test]
#[ignore = "needs Kubo: set IPFS_BIN"]
fn a_kubo_repository_is_read_as_it_is_and_kubo_reads_ours() {
    let dir = temp_dir();
    let repo = dir.path().join("repo");
    ipfs(&repo, &["init", "--profile=test"]);
    let file = dir.path().join("file");
    fs::write(
        &file,
        (0..3_000_000u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let added = ipfs(&repo, &["add", "-Q", "--offline", file.to_str().unwrap()]);
    let root = words(&added)[0].parse().unwrap();

    // Theirs, read by us: as it is, and the same CAR file.
    let store = Store::open(&repo, settings()).unwrap();
    assert!(
        store
            .pin(&holder("a"), &root, Audience::Members)
            .unwrap()
            .blocks
            > 3
    );
    assert!(store.verify(|_| {}, || false).unwrap().is_good());
    let mut car = Vec::new();
    store.export_car(&root, &mut car).unwrap();
    let ours = tree(0, 20);
    let guard = store.in_flight();
    ours.put(&store, &guard);
    store
        .pin(&holder("b"), &ours.root, Audience::Members)
        .unwrap();
    store.close().unwrap();
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
    assert!(theirs.stdout == car, "the CAR files differ");

    // Ours, read by them: in their folder, and in one that we made.
    let kubo_reads = |repo: &Path| {
        let cid = leaf(7).cid.to_string();
        assert_eq!(
            ipfs(repo, &["block", "get", "--offline", &cid]).stdout,
            leaf(7).data
        );
        let refs = words(&ipfs(
            repo,
            &["refs", "-r", "-u", "--offline", &ours.root.to_string()],
        ));
        assert_eq!(refs.len() + 1, ours.blocks.len());
    };
    kubo_reads(&repo);
    let fresh = dir.path().join("fresh");
    ipfs(&fresh, &["init", "--profile=test", "--empty-repo"]);
    fs::remove_dir_all(fresh.join("blocks")).unwrap();
    let store = Store::open(&fresh, settings()).unwrap();
    let guard = store.in_flight();
    ours.put(&store, &guard);
    store.close().unwrap();
    kubo_reads(&fresh);
    assert!(
        words(&ipfs(&fresh, &["repo", "verify"]))
            .join(" ")
            .contains("verify complete")
    );

    // Our CAR file, imported by them.
    let car_file = dir.path().join("root.car");
    fs::write(&car_file, &car).unwrap();
    ipfs(
        &fresh,
        &["dag", "import", "--offline", car_file.to_str().unwrap()],
    );
    let read = ipfs(&fresh, &["cat", "--offline", &root.to_string()]);
    assert_eq!(read.stdout, fs::read(&file).unwrap());
}
