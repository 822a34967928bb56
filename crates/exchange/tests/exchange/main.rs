//! Exchanges over real swarms on loopback TCP, and peers that misbehave.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod content;
mod hostile;
mod node;
mod privacy;
mod process;
mod raw;
mod sessions;
mod sources;
mod transfer;
mod wire;
