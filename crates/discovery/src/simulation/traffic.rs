//! Bytes, and what they were for.

/// What bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Announcements by gossip.
    Gossip,
    /// What gossipsub says about them.
    Control,
    /// Who has how much.
    Heads,
    /// Announcements that were asked for.
    Feeds,
    /// Finding peers.
    Joining,
}

/// Bytes that one node has received, and those of gossip that it had already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    received: [u64; 5],
    pub(super) duplicates: u64,
    /// And sent, of all kinds.
    pub(super) sent: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, purpose: Purpose, bytes: u64) {
        self.received[purpose as usize] += bytes;
    }

    pub(super) fn of(&self, purpose: Purpose) -> u64 {
        self.received[purpose as usize]
    }

    pub(super) fn all(&self) -> u64 {
        self.received.iter().sum()
    }
}
