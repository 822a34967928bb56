//! The write path with real parts: SQLite, a store on disk, ffmpeg.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod path;
mod pipeline;
mod uploads;
