//! What the members of the cluster may have.

use std::collections::HashMap;

use cidcast_store::Audience;
use libp2p::PeerId;

/// What a member of the cluster may be given. Who is no member may have what is for anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It stores: it may have what is for members.
    Follower,
    /// It may have everything.
    Writer,
}

/// Each member's standing.
pub(crate) type Members = HashMap<PeerId, Standing>;

/// Who may be told of a block, the widest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    Anyone,
    Members,
    Writers,
}

impl Reach {
    /// The narrowest reach that still contains a peer.
    pub(crate) fn around(standing: Option<&Standing>) -> Self {
        match standing {
            None => Self::Anyone,
            Some(Standing::Follower) => Self::Members,
            Some(Standing::Writer) => Self::Writers,
        }
    }

    /// Of a block, by its pins. What is not pinned is on its way into a pin, or out of one, that
    /// may be for writers only.
    pub(crate) fn of(audience: Option<Audience>) -> Self {
        match audience {
            Some(Audience::Anyone) => Self::Anyone,
            Some(Audience::Members) => Self::Members,
            Some(Audience::Writers) | None => Self::Writers,
        }
    }
}
