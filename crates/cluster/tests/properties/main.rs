//! What holds of the machine, whatever comes and in whatever order.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod allocation;
mod merge;
mod repair;
mod stage;
