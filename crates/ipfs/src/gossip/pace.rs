//! How much one neighbour may say.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::PeerId;
use tokio::time::Instant;

/// Messages a second, for as long as one likes: all of a busy network's announcements.
const RATE: f64 = 50.0;
/// Messages at once: what a publisher with a large catalog says in one go.
const BURST: f64 = 1000.0;
/// Messages over the rate that are only dropped: two nodes' ideas of a burst may differ. Beyond
/// that it is a flood.
const PATIENCE: f64 = 4.0 * BURST;
/// Messages of one neighbour that may wait for judgement: others have their share.
const MOST_WAITING: usize = super::MOST_UNJUDGED / 4;

/// What is to be done with the next message of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Look at it.
    Take,
    /// Too many of its messages wait already.
    Full,
    /// Drop it.
    TooFast,
    /// Drop it and hold it against the neighbour.
    Flood,
}

/// The connected neighbours that have said something.
#[derive(Debug, Default)]
pub(super) struct Pace {
    peers: HashMap<PeerId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Messages that may come now; below zero, messages that came too early.
    left: f64,
    filled: Instant,
    waiting: usize,
}

impl Pace {
    /// Whether the next message of `peer` may be looked at. One that may counts as waiting until
    /// [`Self::judged`].
    pub(super) fn next(&mut self, peer: PeerId, now: Instant) -> Pass {
        let bucket = self.peers.entry(peer).or_insert(Bucket {
            left: BURST,
            filled: now,
            waiting: 0,
        });
        let since: Duration = now.saturating_duration_since(bucket.filled);
        bucket.left = (bucket.left + since.as_secs_f64() * RATE).min(BURST);
        bucket.filled = now;
        if bucket.left <= -PATIENCE {
            return Pass::Flood;
        }
        bucket.left -= 1.0;
        if bucket.left < 0.0 {
            return Pass::TooFast;
        }
        if bucket.waiting >= MOST_WAITING {
            return Pass::Full;
        }
        bucket.waiting += 1;
        Pass::Take
    }

    /// A message of `peer` waits no longer.
    pub(super) fn judged(&mut self, peer: &PeerId) {
        if let Some(bucket) = self.peers.get_mut(peer) {
            bucket.waiting = bucket.waiting.saturating_sub(1);
        }
    }

    /// `peer` is gone. What it still has waiting is bounded by the queue as a whole.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(pace: &mut Pace, peer: PeerId, now: Instant, count: usize) -> Vec<Pass> {
        let pass = |_| {
            let pass = pace.next(peer, now);
            if pass == Pass::Take {
                pace.judged(&peer);
            }
            pass
        };
        (0..count).map(pass).collect()
    }

    #[test]
    fn a_burst_is_taken_and_a_flood_is_held_against_the_peer() {
        let (mut pace, peer, now) = (Pace::default(), PeerId::random(), Instant::now());
        let all = passes(&mut pace, peer, now, 6000);
        let count = |pass| all.iter().filter(|seen| **seen == pass).count();
        assert_eq!(count(Pass::Take), 1000);
        assert_eq!(count(Pass::TooFast), 4000);
        assert_eq!(count(Pass::Flood), 1000);
        let other = passes(&mut pace, PeerId::random(), now, 1);
        assert_eq!(other, [Pass::Take], "another neighbour is not concerned");
        let later = now + Duration::from_secs(100);
        let forgiven = passes(&mut pace, peer, later, 1);
        assert_eq!(
            forgiven,
            [Pass::Take],
            "a hundred seconds are 5,000 messages"
        );
    }

    #[test]
    fn one_neighbour_does_not_take_the_whole_queue() {
        let (mut pace, peer, now) = (Pace::default(), PeerId::random(), Instant::now());
        for _ in 0..MOST_WAITING {
            assert_eq!(pace.next(peer, now), Pass::Take);
        }
        assert_eq!(pace.next(peer, now), Pass::Full);
        pace.judged(&peer);
        assert_eq!(pace.next(peer, now), Pass::Take);
    }
}
