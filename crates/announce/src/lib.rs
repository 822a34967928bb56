//! Signed announcements: encoding, signing, verification, and what feeds add up to.
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
mod block_list;
pub mod chain;
pub mod cluster;
mod day;
mod envelope;
mod error;
mod feed;
mod field;
mod key_file;
mod notice;
mod op;
mod public_key;
mod secret;
mod segment;
mod state;
mod wire;

pub use announcement::{Announcement, Draft, MAX_ANNOUNCEMENT_BYTES, VERSION};
pub use block_list::{BlockList, BlockListDraft, Blocked, MAX_BLOCK_LIST_BYTES};
pub use chain::Head;
pub use day::{Day, ParseDayError};
pub use envelope::Envelope;
pub use error::{SignError, VerifyError};
pub use feed::{Feed, Fork, Step};
pub use field::{FieldError, Problem};
pub use key_file::{ExportError, ImportError};
pub use notice::{Holds, MAX_NOTICE_BYTES, Notice, Outcome, Says};
pub use op::{
    MediaKind, Op, Profile, Publish, Rendition, Replication, Retract, Snapshot, ViewSharing,
};
pub use public_key::{NodeId, ParseKeyError, Publisher};
pub use secret::{NodeKey, SigningKey};
pub use segment::{
    MAX_SEGMENT_BYTES, SegmentBlock, SegmentError, SegmentWriter, SnapshotReader, SnapshotState,
};
pub use state::{State, StateEntry};
