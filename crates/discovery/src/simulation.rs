//! A network of many nodes in one process and in virtual time: how far and how fast announcements
//! travel, and what that costs.
//!
//! What decides is what decides in a node: [`crate::feeds`]'s choice of whom to ask, its pace, its
//! marks and portions, the chain and the quotas of feeds, the joining rule; messages have the sizes
//! that they have. What is simulated is the network below ([`line`](self): time on the way, upload,
//! loss), gossipsub's mesh with the sizes that it is set up with, and people who switch nodes off
//! and on. Signatures are not checked again at each node; the time that it takes is counted.
//!
//! Everything that happens follows from the seed: the same one gives the same run, event by event.
//! While it runs it is checked that no feed goes backwards or has a gap, that no quota is exceeded,
//! and that nobody is answered faster than its pace; a run that breaks this panics.
//!
//! Development only: nothing of this is in a node.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    reason = "a simulation that cannot go on has failed"
)]

mod asking;
mod chance;
mod experiment;
mod gossip;
mod histories;
mod joining;
mod line;
mod model;
mod node;
mod shelf;
mod traffic;
mod world;

pub use experiment::{Healed, Newcomer, Rest, Spread, heal, newcomer, rest, spread};
pub use model::Model;
