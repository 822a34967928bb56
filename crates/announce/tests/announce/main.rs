//! Signing and verifying, seen from outside the crate.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says by panicking what it did not expect"
)]

mod announcements;
mod block_lists;
mod cluster_vectors;
mod clusters;
mod draft;
mod feeds;
mod key_files;
mod notices;
mod segments;
mod vectors;
