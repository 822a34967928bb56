//! The crate as its users see it: real encoder output, golden files, and bytes from nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test says by panicking what it did not expect"
)]

mod golden;
mod mp4;
mod package;
mod plan;
mod playlists;
mod sample;
