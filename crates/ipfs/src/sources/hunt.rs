//! In which order sources are asked for one block, and when the next one is.
//!
//! A state machine: times are since the hunt began. A source has a head start; the next one is
//! asked when it came up empty, or when the head start is over.

use std::time::Duration;

/// How long a source is waited for before the next one is asked too. A connection over a bad line
/// takes one to two seconds.
const HEAD_START: Duration = Duration::from_secs(3);
/// How long peers that a source found have, to say whether they have the block, before the next
/// source is asked.
const PEERS_TIME: Duration = Duration::from_secs(5);

/// Where blocks and their providers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Cluster members, and peers that had what was looked for lately.
    Members,
    /// Provider records in the DHT.
    Dht,
    /// Delegated routers.
    Routers,
    /// Trustless HTTP gateways, which give the block itself.
    Gateways,
}

/// What a source came up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Peers that may have the block.
    Peers,
    /// The block.
    Block,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this source too.
    Ask(Source),
    /// Wait for a source to end, at most until this time.
    Wait(Duration),
    /// Wait for the sources that were asked; there is no other.
    WaitOut,
    /// Everyone was asked, or the block is here.
    Over,
}

/// The search for one block.
#[derive(Debug)]
pub(crate) struct Hunt {
    /// Not asked yet; the next one is at the end.
    waiting: Vec<Source>,
    running: Vec<Source>,
    /// Before this time no further source is asked.
    patient_until: Duration,
    found: bool,
}

impl Hunt {
    /// `sources` in their order, except that the one which `helped` before comes first.
    pub(crate) fn new(sources: &[Source], helped: Option<Source>) -> Self {
        let mut waiting = sources.to_vec();
        // The sort keeps the order of the others.
        waiting.sort_by_key(|source| Some(*source) != helped);
        waiting.reverse();
        Self {
            waiting,
            running: Vec::new(),
            patient_until: Duration::ZERO,
            found: false,
        }
    }

    /// What to do at `now`.
    pub(crate) fn step(&mut self, now: Duration) -> Step {
        if self.found {
            return Step::Over;
        }
        if now < self.patient_until {
            return Step::Wait(self.patient_until);
        }
        match self.waiting.pop() {
            Some(source) => {
                self.running.push(source);
                self.patient_until = now + HEAD_START;
                Step::Ask(source)
            }
            None if self.running.is_empty() => Step::Over,
            None => Step::WaitOut,
        }
    }

    /// A source has ended.
    pub(crate) fn ended(&mut self, source: Source, found: Found, now: Duration) {
        self.running.retain(|running| *running != source);
        match found {
            Found::Block => self.found = true,
            Found::Peers => self.patient_until = now + PEERS_TIME,
            Found::Nothing if self.running.is_empty() => self.patient_until = now,
            Found::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Source; 4] = [
        Source::Members,
        Source::Dht,
        Source::Routers,
        Source::Gateways,
    ];

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_source_that_has_nothing_is_followed_by_the_next_at_once() {
        let mut hunt = Hunt::new(&ALL, None);
        for source in ALL {
            assert_eq!(hunt.step(at(0)), Step::Ask(source));
            hunt.ended(source, Found::Nothing, at(0));
        }
        assert_eq!(hunt.step(at(0)), Step::Over);
    }

    #[test]
    fn a_slow_source_delays_the_next_one_by_its_head_start_only() {
        let mut hunt = Hunt::new(&ALL[..2], None);
        assert_eq!(hunt.step(at(0)), Step::Ask(Source::Members));
        assert_eq!(hunt.step(at(1)), Step::Wait(HEAD_START));
        assert_eq!(hunt.step(HEAD_START), Step::Ask(Source::Dht));
        let over = HEAD_START * 2;
        assert_eq!(hunt.step(over), Step::WaitOut);
        hunt.ended(Source::Dht, Found::Nothing, over);
        assert_eq!(hunt.step(over), Step::WaitOut);
        hunt.ended(Source::Members, Found::Nothing, over);
        assert_eq!(hunt.step(over), Step::Over);
    }

    #[test]
    fn peers_that_were_found_get_time_to_answer() {
        let mut hunt = Hunt::new(&ALL[..2], None);
        hunt.step(at(0));
        hunt.ended(Source::Members, Found::Peers, at(1));
        assert_eq!(hunt.step(at(1)), Step::Wait(at(1) + PEERS_TIME));
        assert_eq!(hunt.step(at(1) + PEERS_TIME), Step::Ask(Source::Dht));
    }

    #[test]
    fn the_source_that_helped_before_comes_first_and_the_block_ends_the_hunt() {
        let mut hunt = Hunt::new(&ALL, Some(Source::Gateways));
        assert_eq!(hunt.step(at(0)), Step::Ask(Source::Gateways));
        hunt.ended(Source::Gateways, Found::Nothing, at(0));
        assert_eq!(hunt.step(at(0)), Step::Ask(Source::Members));
        hunt.ended(Source::Members, Found::Block, at(0));
        assert_eq!(hunt.step(at(9)), Step::Over);
    }
}
