//! Who behaves badly, and for how long they are avoided or doubted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

/// Remembered beyond a connection, so that reconnecting does not wash clean. The mildest are
/// forgotten first.
const REMEMBERED: usize = 4096;
/// How long a peer is avoided after its first lie; four times longer after each further one.
const FIRST_LIE: Duration = Duration::from_secs(10);
/// How long it is doubted after the second silence in a row; twice as long after each further one.
const FIRST_SILENCE: Duration = Duration::from_secs(5);
/// Nobody is avoided for longer: machines get repaired.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Good behaviour for so long makes up for one lie.
const FORGIVENESS: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Clone, Copy)]
struct Conduct {
    lies: u32,
    /// In a row.
    silences: u32,
    last: Instant,
    /// For lies: it is not asked at all.
    avoided_until: Option<Instant>,
    /// For silence: it is asked when nobody else is left.
    doubted_until: Option<Instant>,
}

/// The conduct of peers that ever gave reason for complaint.
#[derive(Debug, Default)]
pub(super) struct Conducts {
    peers: HashMap<PeerId, Conduct>,
}

impl Conducts {
    /// It sent bytes that nobody asked for.
    pub(super) fn lied(&mut self, peer: PeerId, now: Instant) {
        let conduct = self.entry(peer, now);
        conduct.lies = conduct.lies.saturating_add(1);
        let span = grown(FIRST_LIE, 4, conduct.lies - 1);
        conduct.avoided_until = conduct.avoided_until.max(now.checked_add(span));
    }

    /// It did not answer. Once may be a hiccup.
    pub(super) fn was_silent(&mut self, peer: PeerId, now: Instant) {
        let conduct = self.entry(peer, now);
        conduct.silences = conduct.silences.saturating_add(1);
        if let Some(again) = conduct.silences.checked_sub(2) {
            let span = grown(FIRST_SILENCE, 2, again);
            conduct.doubted_until = conduct.doubted_until.max(now.checked_add(span));
        }
    }

    /// It gave a block.
    pub(super) fn gave(&mut self, peer: &PeerId) {
        if let Some(conduct) = self.peers.get_mut(peer) {
            conduct.silences = 0;
            conduct.doubted_until = None;
        }
    }

    /// Whether it is better to ask others.
    pub(super) fn is_doubted(&self, peer: &PeerId, now: Instant) -> bool {
        let conduct = self.peers.get(peer);
        let until = conduct.and_then(|conduct| conduct.doubted_until);
        until.is_some_and(|until| now < until)
    }

    pub(super) fn is_avoided(&self, peer: &PeerId, now: Instant) -> bool {
        let conduct = self.peers.get(peer);
        let until = conduct.and_then(|conduct| conduct.avoided_until);
        until.is_some_and(|until| now < until)
    }

    /// 100: nothing to complain about.
    pub(super) fn score(&self, peer: &PeerId) -> u8 {
        let demerits = self.peers.get(peer).map_or(0, |conduct| {
            let lies = conduct.lies.saturating_mul(25);
            lies.saturating_add(conduct.silences.saturating_mul(10))
        });
        100u8.saturating_sub(u8::try_from(demerits).unwrap_or(u8::MAX))
    }

    fn entry(&mut self, peer: PeerId, now: Instant) -> &mut Conduct {
        if self.peers.len() >= REMEMBERED && !self.peers.contains_key(&peer) {
            let mildest = self.peers.iter();
            let mildest = mildest.min_by_key(|(_, conduct)| (conduct.avoided_until, conduct.last));
            if let Some(peer) = mildest.map(|(peer, _)| *peer) {
                self.peers.remove(&peer);
            }
        }
        let conduct = self.peers.entry(peer).or_insert(Conduct {
            lies: 0,
            silences: 0,
            last: now,
            avoided_until: None,
            doubted_until: None,
        });
        if now.saturating_duration_since(conduct.last) > FORGIVENESS {
            conduct.lies = conduct.lies.saturating_sub(1);
            conduct.silences = 0;
        }
        conduct.last = now;
        conduct
    }
}

fn grown(first: Duration, factor: u32, times: u32) -> Duration {
    let factor = factor.checked_pow(times).unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liar_is_avoided_for_a_growing_time() {
        let (mut conducts, peer, start) = (Conducts::default(), PeerId::random(), Instant::now());
        let mut spans = Vec::new();
        for _ in 0..6 {
            conducts.lied(peer, start);
            let avoided = (0..=3600).take_while(|seconds| {
                conducts.is_avoided(&peer, start + Duration::from_secs(*seconds))
            });
            spans.push(avoided.count());
        }
        assert_eq!(spans, [10, 40, 160, 640, 2560, 3600]);
        assert_eq!(conducts.score(&peer), 0);
    }

    #[test]
    fn one_silence_is_forgiven_and_a_block_ends_the_row() {
        let (mut conducts, peer, now) = (Conducts::default(), PeerId::random(), Instant::now());
        conducts.was_silent(peer, now);
        assert!(!conducts.is_doubted(&peer, now));
        conducts.gave(&peer);
        conducts.was_silent(peer, now);
        assert!(!conducts.is_doubted(&peer, now));
        conducts.was_silent(peer, now);
        assert!(conducts.is_doubted(&peer, now) && !conducts.is_avoided(&peer, now));
        conducts.gave(&peer);
        assert!(!conducts.is_doubted(&peer, now));
    }

    #[test]
    fn memory_of_bad_peers_is_bounded() {
        let (mut conducts, now) = (Conducts::default(), Instant::now());
        let worst = PeerId::random();
        conducts.lied(worst, now);
        conducts.lied(worst, now);
        for _ in 0..REMEMBERED + 100 {
            conducts.lied(PeerId::random(), now);
        }
        assert_eq!(conducts.peers.len(), REMEMBERED);
        assert!(conducts.is_avoided(&worst, now + FIRST_LIE));
    }
}
