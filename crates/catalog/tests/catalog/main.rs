//! The catalog through its public face.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod assets;
mod file;
mod given;
mod jobs;
mod lists;
mod units;
mod uploads;
