//! `cargo xtask fuzz`: every fuzz target for a while.
//!
//! Starts from the seeds in `fuzz/seeds` and keeps what it learns in `fuzz/corpus`, which git
//! ignores. An input that breaks a target is left in `fuzz/artifacts` and named.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::install::{self, FUZZ};
use crate::program::Program;
use crate::repository;

/// Building all targets with the sanitizer, and a target's start.
const BUILD: Duration = Duration::from_secs(60 * 60);

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these targets; all if none is named.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Build without AddressSanitizer: faster, and as good for code without `unsafe`.
    #[arg(long)]
    no_sanitizer: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let fuzz = install::tool(FUZZ)?;
    let folder = repository::root()?.join("fuzz");
    let sanitizer = if options.no_sanitizer {
        "none"
    } else {
        "address"
    };
    let cargo_fuzz = |command: &str| {
        Program::new("rustup")
            .args(["run", "nightly"])
            .arg(&fuzz)
            .args(["fuzz", command])
            .current_dir(&folder)
    };
    let listed = cargo_fuzz("list").output().context(
        "fuzzing needs the nightly toolchain: rustup toolchain install nightly --profile minimal",
    )?;
    let known: Vec<&str> = listed.lines().collect();
    for target in &options.targets {
        ensure!(
            known.contains(&target.as_str()),
            "there is no target {target}: there are {}",
            known.join(", ")
        );
    }
    let wanted = |target: &&str| {
        options.targets.is_empty() || options.targets.iter().any(|named| named == target)
    };
    let mut broken = Vec::new();
    for target in known.iter().copied().filter(wanted) {
        println!("\n=== {target}");
        let corpus = folder.join("corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        // Targets whose input is structured make their own.
        let seeds = folder.join("seeds").join(target);
        let seeds = seeds.is_dir().then_some(seeds);
        let seconds = options.seconds;
        let run = cargo_fuzz("run")
            .args(["--sanitizer", sanitizer, target])
            .arg(corpus)
            .args(seeds)
            .args(["--", &format!("-max_total_time={seconds}"), "-timeout=10"])
            .args([
                "-rss_limit_mb=2048",
                "-max_len=65536",
                "-print_final_stats=1",
            ])
            .deadline(BUILD + Duration::from_secs(seconds));
        if let Err(error) = run.run() {
            println!("error: {error:#}");
            broken.push(target);
        }
    }
    ensure!(
        broken.is_empty(),
        "broken: {} (the inputs are in fuzz/artifacts)",
        broken.join(", ")
    );
    Ok(())
}
