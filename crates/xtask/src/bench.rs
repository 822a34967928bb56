//! `cargo xtask bench`: this project beside what it is compared with, in one run.
//!
//! Both sides do the same work on the same machine, turn by turn, so that whatever else the
//! machine does slows both. What comes out is the median of the rounds' ratios and whether it
//! meets its bar: a time alone says more about the machine than about the program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use tempfile::TempDir;

use crate::install::{self, FFMPEG};
use crate::program::Program;
use crate::repository;

mod bar;
mod bare;
mod catalog;
mod clip;
mod cluster;
mod discovery;
mod exchange;
mod ingest;
mod playable;
mod store;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to measure; everything if nothing is named.
    #[arg(value_name = "WHAT")]
    what: Vec<What>,
    /// How often each side runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The video for `ingest`, instead of 55 s of 720p made from the clip in the repository.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
    /// Megabytes that `store` adds and `exchange` moves.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    megabytes: u64,
    /// Announced assets in the catalog of `catalog`.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    assets: u64,
    /// The cargo profile of what is measured; `dev` is built soonest and says little.
    #[arg(long, default_value = "measured")]
    profile: String,
    /// Fail if a bar is missed.
    #[arg(long)]
    strict: bool,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Upload to pinned beside one bare ffmpeg, and the first playable segment.
    Ingest,
    /// Adding a file to the store beside `ipfs add`.
    Store,
    /// Moving a file between nodes, from Kubo and to Kubo, beside Kubo to Kubo.
    Exchange,
    /// A catalog of very many announced assets. Only when it is named: it takes ten minutes.
    Catalog,
    /// How announcements travel in a network of up to 1,000 nodes, simulated, and how fast a node
    /// catches up. Only when it is named: it takes ten minutes.
    Discovery,
    /// What up to 100,000 pins cost the members of a cluster, simulated. Only when it is named.
    Cluster,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let all = options.what.is_empty();
    let wanted = |what| all || options.what.contains(&what);
    let built = build(&options.profile)?;
    let mut measured = Vec::new();
    if wanted(What::Store) {
        measured.extend(store::run(options, &built)?);
    }
    if wanted(What::Exchange) {
        measured.extend(exchange::run(options, &built)?);
    }
    if wanted(What::Ingest) {
        install::system(FFMPEG)?;
        measured.extend(ingest::run(options, &built)?);
    }
    if options.what.contains(&What::Catalog) {
        measured.extend(catalog::run(options, &built)?);
    }
    if options.what.contains(&What::Discovery) {
        measured.extend(discovery::run(&built)?);
    }
    if options.what.contains(&What::Cluster) {
        measured.extend(cluster::run(&built)?);
    }
    println!("\n{}", machine());
    for line in &measured {
        println!("{line}");
    }
    let missed = measured.iter().filter(|line| !line.passes()).count();
    if options.strict {
        ensure!(missed == 0, "{missed} of {} bars missed", measured.len());
    }
    Ok(())
}

/// What the ratios were measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    // Linux only, and only to warn: the ratios do not depend on it.
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("median of the rounds (lowest to highest), {cores} cores, load {load} at the end")
}

/// Builds what is measured and answers the folder that it is in. Everything at once, because
/// cargo builds shared dependencies again when other packages are asked for.
fn build(profile: &str) -> Result<PathBuf> {
    let cargo = Program::new("cargo")
        .args(["build", "--profile", profile])
        .args(["--package", "cidcast", "--bin", "cidcast"])
        .args(["--package", "cidcast-ipfs", "--example", "add_file"])
        .args(["--example", "transfer"])
        .args(["--package", "cidcast-catalog", "--example", "announced"])
        .args(["--package", "cidcast-discovery", "--example", "simulation"])
        .args(["--example", "catching_up"])
        .args(["--package", "cidcast-cluster", "--example", "pinset"])
        .args(["--features", "cidcast-discovery/simulation"])
        .current_dir(repository::root()?);
    install::node()?.on_path_of(cargo)?.run()?;
    let folder = match profile {
        "dev" => "debug",
        other => other,
    };
    Ok(repository::target()?.join(folder))
}

/// A folder for one measurement: on the disk of the build, because the system's temporary folder
/// may be memory. Removed when dropped.
fn scratch() -> Result<TempDir> {
    tempfile::tempdir_in(clip::folder()?).context("no room for a temporary folder")
}

/// The folders of a benchmark that makes many small files. They are removed together at its end:
/// ext4 without a journal gives a new file no inode that was freed in the last minutes, and looks at
/// each of those nearby (`recently_deleted` in fs/ext4/ialloc.c). With the files of the round before
/// deleted, creating 1,600 took 4 s instead of 0.1 s.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Result<Self> {
        let root = scratch()?;
        spread(root.path());
        Ok(Self(root))
    }

    /// A new folder.
    fn folder(&self) -> Result<PathBuf> {
        let folder = tempfile::tempdir_in(&self.0).context("no room for a temporary folder")?;
        Ok(folder.keep())
    }
}

/// Asks ext4 to put each folder in this one at a place of its own on the disk, away from what others
/// have deleted. Other file systems do not know the flag.
fn spread(folder: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(folder) = std::fs::File::open(folder) {
        use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
        let _ = ioctl_getflags(&folder)
            .and_then(|flags| ioctl_setflags(&folder, flags | IFlags::TOPDIR));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = folder;
}

/// How long `work` takes, begun with nothing left to write to the disk.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    rustix::fs::sync();
    let begin = Instant::now();
    let value = work()?;
    Ok((begin.elapsed(), value))
}
