//! The catalog through its public face.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod assets;
mod feeds;
mod file;
mod given;
mod jobs;
mod lists;
mod units;
mod uploads;
