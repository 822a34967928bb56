//! Joining: how a newcomer finds its first peers.

mod choice;

pub use choice::{Chosen, Named, named_by_most};
