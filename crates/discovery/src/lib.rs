//! What publishers announce: told, heard, caught up with, trusted and replicated.
//!
//! The areas, a module each. They meet in catalog rows and in the events of [`feeds`]:
//! - [`feeds`]: this node's own feed, kept at what the catalog says is public; everybody else's,
//!   by gossip for the new and by request-response for what was missed.
//! - [`wire`]: the messages between nodes, bounded, from bytes to values and back.
//! - [`follow`]: whose announcements are wanted here, and with what policy.
//! - [`trust`]: scores of peers, blocks and block lists.
//! - [`delivery`]: notices to other nodes, tried again until they have arrived.
//! - [`ask`]: a request to one node, and what its answer says about it.
//! - [`join`]: how a newcomer finds its first peers.
//! - [`replication`]: what of it is copied to this disk, and what has to go for it.
//! - [`notices`]: what nodes tell publishers: a copy is here, it is gone, it was watched.
//! - [`takedown`]: what a retraction does here, and who has obeyed ours.
//! - `simulation`: the decisions of all this in a network of a thousand nodes, in virtual time; only
//!   with the feature of that name.
//! - [`views`]: how often something was watched, never by whom.
//! - [`figures`]: what of all that is counted for metrics.
//!
//! This crate never ingests, encodes or serves HTTP, and never reads bytes of an announcement other
//! than through the verified types of `cidcast-announce`.
//!
//! Invariants:
//! 1. What is not verified reaches no row.
//! 2. An asset is announced only when its package is pinned (every block on disk and synced), the
//!    asset is `ready`, and its owner made it public.
//! 3. Nothing is signed while this node may be behind its own feed.
//! 4. What a peer or publisher can make this node hold, compute or send is bounded.
//! 5. Every step may run twice: state is in the catalog, and reconciling it needs no input.

pub mod ask;
pub mod delivery;
mod discovery;
pub mod feeds;
pub mod figures;
pub mod follow;
pub mod join;
pub mod notices;
pub mod replication;
mod serve;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod takedown;
pub mod trust;
pub mod views;
pub mod wire;

pub use discovery::{Discovery, DiscoveryArgs};
