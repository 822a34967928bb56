//! How background work starts, waits, retries and stops.
//!
//! This crate knows no media, no blocks and no HTTP. It gives tasks a tree to live in
//! ([`Shutdown`]), a retry schedule ([`Backoff`]), and the two sources of surprise that tests want
//! to replace: the clock ([`Clock`]) and randomness ([`random_u128`]). [`locked`] is how short
//! critical sections are entered.
//!
//! Invariants: every task spawned through [`Shutdown`] is waited for; every wait for tasks has a
//! deadline; a retry schedule always ends.

mod backoff;
mod clock;
mod locked;
mod shutdown;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, random_u128};
pub use locked::locked;
pub use shutdown::{DrainTimeout, Shutdown};
