//! What members of a cluster sign: their logs, invitations and heartbeats.
//!
//! The same envelope, keys and rules as announcements, with domains of their own; the bytes are
//! specified in `docs/cluster-log-format.md`. A log is a member's own: numbered without gaps,
//! each entry naming the one before it. What the logs of all members add up to is decided by
//! whoever merges them; here is only what one entry says.

mod entry;
mod heartbeat;
mod id;
mod invitation;
mod member;
mod nonce;
mod op;
mod pin;
mod stamp;
mod wire;

pub use entry::{Entry, EntryDraft, MAX_ENTRY_BYTES, MAX_ENTRY_OPS};
pub use heartbeat::{Heartbeat, HeartbeatDraft, MAX_HEARTBEAT_BYTES, MAX_TIPS, Tip};
pub use id::{ClusterId, ParseClusterIdError};
pub use invitation::{Invitation, InvitationDraft, MAX_INVITATION_BYTES, ParseInvitationError};
pub use member::{MemberSettings, Role};
pub use nonce::Nonce;
pub use op::ClusterOp;
pub use pin::{Copies, PinAudience, PinSpec};
pub use stamp::Stamp;
