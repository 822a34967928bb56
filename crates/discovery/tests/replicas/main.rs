//! Copies between whole nodes on loopback: taken, held, given up, told of.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod keeping;
mod node;
mod resuming;
mod spreading;
mod telling;
