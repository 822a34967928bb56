//! `cargo xtask`: what a person or CI runs on this repository.
//!
//! - `demo` shows the product: it builds, starts a node and plays a clip through it.
//! - `test` proves it: every check and every test, one summary line at the end.
//! - `tidy` keeps the rules about the shape of the code that no linter knows.
//! - `bench` measures it beside ffmpeg and Kubo.
//! - `fuzz` feeds every parser of outside bytes with what nobody thought of.
//!
//! Invariants: nothing outside `target/`, the package folders of Node.js and, where the user may,
//! the system's packages is changed; everything that gets installed is named first, with how to do
//! it by hand; every child process has a deadline.

#![allow(
    clippy::disallowed_methods,
    reason = "a task runner is there to start programs"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod fuzz;
mod install;
mod program;
mod repository;
mod test;
mod tidy;

/// Tasks of the cidcast repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build, start a node in a temporary folder, upload a clip and watch it.
    Demo(demo::Options),
    /// Install what is missing, then run every check and every test.
    Test(test::Options),
    /// Check the shape of the code: sizes, module docs, layers, names, configuration files.
    Tidy,
    /// Measure this project beside ffmpeg and Kubo, in one run, as ratios.
    Bench(bench::Options),
    /// Run the fuzz targets, each for a while.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(repository::build_node),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
