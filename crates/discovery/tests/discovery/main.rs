//! Discovery over real swarms, several nodes in one process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod catching_up;
mod following;
mod host;
mod hostile;
mod own_key;
mod publishing;
mod restarting;
mod snapshots;
