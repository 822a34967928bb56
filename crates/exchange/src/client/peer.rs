//! A connected peer, as the client sees it.

use std::time::{Duration, Instant};

use super::Client;
use super::outbox::Outbox;
use super::pace::Pace;
use libp2p::PeerId;

/// Blocks may still arrive from a peer for so long after the last one was ordered from it.
const AFTERMATH: Duration = Duration::from_secs(30);
/// Bytes that a peer may send unasked before it counts as a lie.
const UNASKED_BYTES: u64 = 16 << 20;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    /// Blocks on order.
    pub(super) live: usize,
    pub(super) pace: Pace,
    /// When it last said anything that was of use.
    pub(super) heard: Instant,
    /// When it last gave a block that was wanted.
    pub(super) gave: Instant,
    pub(super) ordered: Option<Instant>,
    /// When it was last found silent.
    pub(super) blamed: Option<Instant>,
    pub(super) outbox: Outbox,
    pub(super) blocks: u64,
    pub(super) bytes: u64,
    pub(super) unasked: u64,
}

impl Peer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            live: 0,
            pace: Pace::new(now),
            heard: now,
            gave: now,
            ordered: None,
            blamed: None,
            outbox: Outbox::default(),
            blocks: 0,
            bytes: 0,
            unasked: 0,
        }
    }

    /// How many blocks it may be asked for or about at a time, be it urgent or not. Where there is
    /// a bound, what was taken back has to be told first: who divides no answers also takes a want
    /// that is repeated for one that it has answered.
    pub(super) fn most(&self) -> usize {
        match self.pace.most() {
            usize::MAX => usize::MAX,
            _ if self.outbox.is_cancelling() => 0,
            most => most,
        }
    }
}

/// What can be seen of a peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PeerView {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) live: usize,
    pub(crate) score: u8,
    pub(crate) latency: Option<Duration>,
    pub(crate) rate: f64,
}

impl Client {
    /// What can be seen of a peer.
    pub(crate) fn view(&self, peer: &PeerId) -> Option<PeerView> {
        let there = self.peers.get(peer)?;
        Some(PeerView {
            blocks: there.blocks,
            bytes: there.bytes,
            live: there.live,
            score: self.conducts.score(peer),
            latency: there.pace.latency(),
            rate: there.pace.rate(),
        })
    }

    /// Whether blocks of this peer are worth hashing: something was ordered from it, now or a
    /// moment ago. What it sends otherwise is thrown away, and held against it.
    pub(crate) fn expects(&mut self, peer: PeerId, bytes: usize, now: Instant) -> bool {
        let Some(there) = self.peers.get_mut(&peer) else {
            return false;
        };
        let lately = there
            .ordered
            .is_some_and(|at| now.saturating_duration_since(at) < AFTERMATH);
        if there.live > 0 || there.outbox.is_waiting() || lately {
            return true;
        }
        there.unasked = there.unasked.saturating_add(bytes as u64);
        if there.unasked > UNASKED_BYTES {
            there.unasked = 0;
            self.conducts.lied(peer, now);
        }
        false
    }

    /// Whether the connection to this peer is of use.
    pub(crate) fn needs(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|there| there.outbox.is_waiting())
    }
}
