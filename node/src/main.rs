//! cidcast: a media host in one binary.
//!
//! This crate is the composition root: command line ([`cli`]), configuration ([`config`]), HTTP API
//! ([`api`]), and the start and stop of a node ([`serve`]). It holds no rule about media, blocks or
//! jobs: those live in the crates below.
//!
//! Invariants: nothing is changed and no socket opens before the configuration is checked; one
//! node per data directory; what a person reads says what to do next; a stopping node follows the
//! order in [`serve`], each step bounded in time.

mod api;
mod cli;
mod config;
mod serve;

fn main() -> std::process::ExitCode {
    cli::main()
}
