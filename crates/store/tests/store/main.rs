//! The store as its users see it: on a real file system, across restarts, threads and crashes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod blocks;
mod car;
mod crash;
mod fixture;
mod kubo;
mod model;
mod opening;
mod partials;
mod parts;
mod pinning;
mod sealed;
mod threads;
mod verifying;
