//! The catalog through its public face.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod assets;
mod cluster;
mod deliveries;
mod feeds;
mod file;
mod follows;
mod given;
mod jobs;
mod lists;
mod notices;
mod remote_pins;
mod replicas;
mod shown;
mod snapshots;
mod trust;
mod units;
mod uploads;
