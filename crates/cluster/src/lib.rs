//! The pin cluster: several nodes keep content alive together, prove it, and heal by themselves.
//!
//! [`Machine`] decides everything and does nothing: it takes events and the time, and gives back
//! actions. What the members have signed adds up to the same members and the same pinset on each
//! of them, in whatever order it arrives; from these and from what members say of themselves each
//! computes who is to keep what, without a leader.
//!
//! [`service`] does what the machine decides: it signs, keeps, sends, fetches and repairs.
//!
//! Invariants:
//! 1. Two members that have the same entries have the same members and the same pinset.
//! 2. A copy that is still in the pinset is let go only when as many others as are wanted have
//!    said that they hold theirs, and none of those is to let go of it.
//! 3. Nothing that a removed member signs after its removal counts, whatever time it claims.
//! 4. A member is given nothing to keep for which it has no room.

mod allocate;
mod event;
mod liveness;
mod logs;
mod machine;
mod membership;
mod order;
mod pinset;
pub mod service;
mod settings;
pub mod wire;

pub use allocate::{Candidate, allocate};
pub use event::{
    Action, Event, Happening, Holding, HoldingState, HoldingsPage, LocalPin, ProofOutcome,
};
pub use liveness::Liveness;
pub use machine::{
    CommandError, Copy, Health, Machine, MemberView, PinFilter, PinView, ProofView, Restored,
};
pub use settings::Settings;
