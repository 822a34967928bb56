//! Gossip, as far as it can be decided without clock, network and disk: whether there is time to
//! listen, and what follows from what was heard.

use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_ipfs::gossip::Verdict;
use cidcast_ipfs::swarm::PeerId;

use super::ledger::Taken;
use super::metrics::Outcome;
use super::pace::{Pace, Rate};
use super::sync::Sync;

/// A node that has been off says a month's worth in one go; nobody honest says more by gossip.
pub(crate) const PEER_RATE: Rate = Rate {
    burst: 64,
    every: Duration::from_millis(250),
};
/// What a publisher says faster than this is caught up with instead.
pub(crate) const PUBLISHER_RATE: Rate = Rate {
    burst: 32,
    every: Duration::from_secs(1),
};
/// Buckets of either kind.
const MOST_BUCKETS: usize = 4096;

/// How fast peers and publishers are listened to.
#[derive(Debug)]
pub(crate) struct Hearing {
    pub(crate) peers: Pace<PeerId>,
    pub(crate) publishers: Pace<Publisher>,
}

impl Default for Hearing {
    fn default() -> Self {
        Self {
            peers: Pace::new(PEER_RATE, MOST_BUCKETS),
            publishers: Pace::new(PUBLISHER_RATE, MOST_BUCKETS),
        }
    }
}

/// An announcement that `peer` passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) peer: PeerId,
    pub(crate) publisher: Publisher,
    /// How many announcements there are with this one.
    pub(crate) count: u64,
}

/// What became of it is told to `sync`; answers whether it is passed on.
pub(crate) fn note(sync: &mut Sync, heard: Heard, taken: &Taken) -> Verdict {
    let have = taken.have;
    match taken.outcomes.first() {
        Some(Outcome::Applied) => {
            sync.moved(heard.publisher, have);
            Verdict::Accept
        }
        Some(Outcome::Reordered) => {
            sync.claimed(heard.peer, heard.publisher, heard.count, have);
            // It is good, only too early for this node.
            Verdict::Accept
        }
        // Once: others may have heard of this branch only.
        Some(Outcome::Conflicting) if taken.is_evidence => Verdict::Accept,
        // Others may want it: what it says is true.
        Some(Outcome::Unwanted | Outcome::OverQuota) => Verdict::Accept,
        _ => Verdict::Ignore,
    }
}
