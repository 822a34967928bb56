//! Notices: what nodes tell publishers: a copy is here, it is gone, a retraction is obeyed, it was
//! watched so often.
//!
//! [`Herald`] signs what this node has to say with the node's key and queues it for the nodes that
//! the publisher's profile names; delivering, with retries that outlive a restart, is the queue's.
//! [`Inbox`] takes what others say about the publisher of this node: only what is signed, only about
//! what was really announced, each word once, and never more than the limits of the rows.
//! [`Elsewhere`] is how nodes pass on to each other what was said of copies, so that it outlives the
//! publisher's nodes.

mod elsewhere;
mod herald;
mod inbox;

pub use elsewhere::{Elsewhere, ElsewhereArgs, Heard};
pub use herald::{Herald, HeraldArgs, HeraldError};
pub use inbox::{Inbox, NoticeRefused};
