//! Signing and verifying, seen from outside the crate.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking what it did not expect"
)]

mod announcements;
mod draft;
