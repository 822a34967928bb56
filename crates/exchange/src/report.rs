//! What can be seen from outside.

use std::time::Duration;

use libp2p::PeerId;

/// How much a session has got from peers so far. Blocks that were here already do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks received.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes by the peer that gave them. What came by [`crate::Session::supply`] is in the totals
    /// only.
    pub from: Vec<(PeerId, u64)>,
}

/// One connected peer that speaks Bitswap, as far as is known.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerReport {
    /// Who.
    pub peer: PeerId,
    /// Blocks received from it that were wanted.
    pub blocks_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Blocks sent to it.
    pub blocks_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Blocks asked from it and not answered yet.
    pub wants_sent: usize,
    /// Wants of it that are held here.
    pub wants_held: usize,
    /// 100: nothing to complain about; 0: avoided for as long as anyone is.
    pub score: u8,
    /// From asking for a block to having it, lately.
    pub latency: Option<Duration>,
    /// Bytes per second received from it, lately.
    pub rate: u64,
}
