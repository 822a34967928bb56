//! Black-box stories over the real binary, real ffmpeg and real disks.
//!
//! Each story starts nodes of its own on directories of its own. Nothing sleeps to let something
//! happen: stories follow the event stream, or look until a deadline that only a stuck node meets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod access;
mod bad_input;
mod car;
mod cluster_stub;
mod clustering;
mod cold;
mod command_line;
mod deleting;
mod fetching;
mod full_disk;
mod growing;
mod killing;
mod kubo;
mod moving;
mod operating;
mod peers;
mod pinning;
mod player;
mod playing;
mod providing;
mod publishing;
mod replicating;
mod restarting;
mod soaking;
mod stage;
mod together;
