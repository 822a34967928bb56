//! `cargo xtask test`: every check and every test, one after another, all of them shown.
//!
//! A step that fails does not stop the others; the last line of the output counts them all in
//! the form `N passed, N failed, N skipped`, where a test counts as one and so does a check.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

mod count;
pub(crate) mod peers;
mod steps;

use count::Count;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps (repeatable).
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
}

/// A part of the whole, in the order in which they run: what fails fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// rustfmt leaves every file as it is.
    Format,
    /// The dependency rules: who may use what, licences, sources, advisories.
    Deny,
    /// No dependency that nobody uses.
    Unused,
    /// Spelling.
    Typos,
    /// The web app type-checks and its tests pass.
    Web,
    /// clippy has nothing to say.
    Lint,
    /// Sizes, module docs, layers, names, configuration files.
    Tidy,
    /// Unit, integration and black-box tests.
    Cargo,
    /// The app in a real browser.
    Browser,
    /// The public compliance suite of the Pinning Service API.
    Pinning,
    /// Dockerfile, compose file and systemd unit.
    Shipping,
}

/// How a step went.
#[derive(Debug)]
enum Outcome {
    /// It ran; what it counted.
    Ran(Count),
    /// It could not run here, and why that is all right.
    Skipped(String),
}

/// How a step ended, for the table at the end.
#[derive(Debug)]
struct Line {
    step: String,
    verdict: &'static str,
    count: Count,
    took: Duration,
}

/// Runs the steps and prints the summary; an error if any failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen: BTreeSet<Step> = if options.only.is_empty() {
        Step::value_variants().iter().copied().collect()
    } else {
        options.only.iter().copied().collect()
    };
    let lines: Vec<Line> = chosen.into_iter().map(run_step).collect();
    let mut total = Count::default();
    println!(
        "\n{:<10} {:>8} passed   failed  skipped      time",
        "step", ""
    );
    for Line {
        step,
        verdict,
        count,
        took,
    } in lines
    {
        let Count {
            passed,
            failed,
            skipped,
        } = count;
        let took = seconds(took);
        println!("{step:<10} {verdict:>8} {passed:>6} {failed:>8} {skipped:>8} {took:>9}");
        total += count;
    }
    println!(
        "\n{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    if total.failed > 0 {
        bail!("see the table for what failed; one step alone: cargo xtask test --only STEP");
    }
    Ok(())
}

fn run_step(step: Step) -> Line {
    let begin = Instant::now();
    println!("\n=== {}", name(step));
    let (verdict, count) = match steps::run(step) {
        Ok(Outcome::Ran(count)) if count.failed == 0 => ("passed", count.at_least_one()),
        Ok(Outcome::Ran(count)) => ("FAILED", count),
        Ok(Outcome::Skipped(why)) => {
            println!("skipped: {why}");
            (
                "skipped",
                Count {
                    skipped: 1,
                    ..Count::default()
                },
            )
        }
        Err(error) => {
            println!("error: {error:#}");
            (
                "FAILED",
                Count {
                    failed: 1,
                    ..Count::default()
                },
            )
        }
    };
    let took = begin.elapsed();
    println!("=== {} {verdict} in {}", name(step), seconds(took));
    Line {
        step: name(step),
        verdict,
        count,
        took,
    }
}

fn name(step: Step) -> String {
    step.to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
