//! Adding a file to the store beside `ipfs add` of the same file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::bar::{Bar, Measured};
use super::{Options, Scratch, clip, timed};
use crate::program::Program;
use crate::test::peers;

pub(super) fn run(options: &Options, built: &Path) -> Result<Vec<Measured>> {
    let rounds = options.rounds;
    let Some(ipfs) = peers::kubo()? else {
        bail!("`bench store` compares with Kubo: set IPFS_BIN to its `ipfs` or put that on PATH");
    };
    let adder = built.join("examples/add_file");
    let scratch = Scratch::new()?;
    let file = scratch.folder()?.join("random.bin");
    clip::random(&file, options.megabytes * 1_000_000)?;
    let (mut ratios, mut synced) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let ((ours, cid), (kubo, theirs)) = if round % 2 == 0 {
            let ours = add(&adder, &file, &scratch)?;
            (ours, ipfs_add(&ipfs, &file, &scratch)?)
        } else {
            let kubo = ipfs_add(&ipfs, &file, &scratch)?;
            (add(&adder, &file, &scratch)?, kubo)
        };
        ensure!(cid == theirs, "the store made {cid}, Kubo {theirs}");
        println!(
            "round {} of {rounds}: {:.3} s beside {:.3} s of ipfs add, {:.3} s with a sync",
            round + 1,
            ours.as_secs_f64(),
            kubo.pinned.as_secs_f64(),
            kubo.synced.as_secs_f64()
        );
        ratios.push(kubo.pinned.as_secs_f64() / ours.as_secs_f64());
        synced.push(kubo.synced.as_secs_f64() / ours.as_secs_f64());
    }
    let measured = |beside, bar, ratios| Measured {
        what: "add to the store, bytes per second",
        beside,
        bar,
        ratios,
    };
    Ok(vec![
        measured("ipfs add", Bar::AtLeast(1.5), ratios),
        measured("ipfs add, synced", Bar::None, synced),
    ])
}

/// How long `ipfs add` took.
struct Added {
    /// Until it ended: it has pinned, and leaves the blocks to the system.
    pinned: Duration,
    /// Until they were on the disk, too.
    synced: Duration,
}

/// A process that opens a new store, adds, syncs, pins and closes.
fn add(adder: &Path, file: &Path, scratch: &Scratch) -> Result<(Duration, String)> {
    let folder = scratch.folder()?;
    let command = Program::new(adder).arg(folder.join("store")).arg(file);
    let (time, said) = timed(|| command.output())?;
    Ok((time, said.trim().to_owned()))
}

/// `ipfs add` without a daemon into a new repository, which adds and pins too.
fn ipfs_add(ipfs: &Path, file: &Path, scratch: &Scratch) -> Result<(Added, String)> {
    let folder = scratch.folder()?;
    let repository: PathBuf = folder.join("ipfs");
    let ipfs = || Program::new(ipfs).env("IPFS_PATH", &repository);
    ipfs().args(["init", "--empty-repo"]).output()?;
    let command = ipfs()
        .args(["add", "--offline", "--quieter", "--cid-version", "1"])
        .args(["--raw-leaves", "--chunker", "size-1048576"])
        .args(["--max-file-links", "1024"])
        .arg(file);
    let (pinned, said) = timed(|| command.output())?;
    let begin = Instant::now();
    rustix::fs::syncfs(File::open(&folder)?)?;
    let synced = pinned + begin.elapsed();
    let cid = said.lines().last().context("ipfs add printed no CID")?;
    Ok((Added { pinned, synced }, cid.to_owned()))
}
