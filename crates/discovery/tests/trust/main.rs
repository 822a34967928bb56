//! Following, trust, deliveries and joining, between whole nodes on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod blocking;
mod delivering;
mod following;
mod joining;
mod node;
