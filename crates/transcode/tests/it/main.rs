//! The crate against the real ffmpeg, with generated sources.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "tests stop where something is wrong, and make their sources with ffmpeg"
)]

mod children;
mod chunks;
mod fixture;
mod picture;
mod probe;
mod sound;
