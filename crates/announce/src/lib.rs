//! Signed announcements: encoding, signing, verification.
//!
//! The bytes are specified, field by field, in `docs/announcement-format.md`; this crate is the
//! first implementation of that page.
//!
//! This crate is pure: values in, values out. It never reads a clock, a disk, a network or a
//! random source, starts no task, and knows nothing of how bytes travel or where they are kept.
//!
//! Invariants: an [`Announcement`] that exists carries a signature of its publisher over exactly
//! its bytes, and every field of it is within its bounds: there is no other way to make one than
//! to sign or to verify. Bytes from outside give an error, never a panic, and are measured before
//! they are read. One value has one spelling: what verifies also encodes to the same bytes.

mod announcement;
mod envelope;
mod error;
mod field;
mod op;
mod public_key;
mod secret;
mod wire;

pub use announcement::{Announcement, Draft, MAX_ANNOUNCEMENT_BYTES, VERSION};
pub use envelope::Envelope;
pub use error::{SignError, VerifyError};
pub use field::{FieldError, Problem};
pub use op::{
    MediaKind, Op, Profile, Publish, Rendition, Replication, Retract, Snapshot, ViewSharing,
};
pub use public_key::{NodeId, ParseKeyError, Publisher};
pub use secret::{NodeKey, SigningKey};
