//! Who can be counted on, by what is heard of each.

use std::collections::VecDeque;
use std::time::Duration;

use cidcast_types::Timestamp;

use crate::settings::Settings;

/// For how long an absence is remembered.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// An absence counts up to this many times.
const MAX_DOUBLINGS: u32 = 4;

/// What can be said of a member now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Liveness {
    /// Heard of within the deadline.
    Alive,
    /// Back after an absence, and on probation: its copies count, and it gets nothing new.
    Returning,
    /// Silent past the deadline; its share is not given to others yet.
    Silent,
    /// Silent past the grace period: its share is with others.
    Lost,
}

/// What was heard of one member.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    heard: Timestamp,
    /// When it was lost lately, oldest first.
    losses: VecDeque<Timestamp>,
    is_lost: bool,
    probation: Option<Timestamp>,
}

impl Pulse {
    /// Of one that nothing was heard of yet: it has the usual time to speak up.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            heard: now,
            losses: VecDeque::new(),
            is_lost: false,
            probation: None,
        }
    }

    pub(crate) fn heard(&self) -> Timestamp {
        self.heard
    }

    /// Whether it was lost lately and has not been back for long, even if it is silent again.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.probation.is_some()
    }

    /// It has spoken.
    pub(crate) fn beat(&mut self, now: Timestamp, settings: &Settings) {
        self.heard = self.heard.max(now);
        if std::mem::take(&mut self.is_lost) {
            // Who comes and goes has to stay for longer each time before it gets work: otherwise
            // its share would be moved to it and away again with every turn.
            let wait = settings.deadline * 2_u32.pow(self.flaps().saturating_sub(1));
            self.probation = Some(now.after(wait));
        }
    }

    /// Looks at the clock; whether it has been lost only now.
    pub(crate) fn tick(&mut self, now: Timestamp, settings: &Settings) -> bool {
        while self.losses.front().is_some_and(|at| at.after(MEMORY) < now) {
            self.losses.pop_front();
        }
        if self.probation.is_some_and(|until| until <= now) {
            self.probation = None;
        }
        let patience = settings.deadline + settings.grace * 2_u32.pow(self.flaps());
        if self.is_lost || self.heard.after(patience) > now {
            return false;
        }
        self.is_lost = true;
        self.probation = None;
        self.losses.push_back(now);
        true
    }

    pub(crate) fn liveness(&self, now: Timestamp, settings: &Settings) -> Liveness {
        if self.is_lost {
            Liveness::Lost
        } else if self.heard.after(settings.deadline) <= now {
            Liveness::Silent
        } else if self.probation.is_some() {
            Liveness::Returning
        } else {
            Liveness::Alive
        }
    }

    fn flaps(&self) -> u32 {
        u32::try_from(self.losses.len()).map_or(MAX_DOUBLINGS, |n| n.min(MAX_DOUBLINGS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn a_member_is_silent_after_the_deadline_and_lost_after_the_grace() {
        let settings = Settings::default();
        let mut pulse = Pulse::new(at(0));
        for (secs, expected) in [
            (29, Liveness::Alive),
            (30, Liveness::Silent),
            (329, Liveness::Silent),
            (330, Liveness::Lost),
        ] {
            pulse.tick(at(secs), &settings);
            assert_eq!(pulse.liveness(at(secs), &settings), expected, "{secs}");
        }
        pulse.beat(at(400), &settings);
        assert_eq!(pulse.liveness(at(400), &settings), Liveness::Returning);
        pulse.tick(at(429), &settings);
        assert_eq!(pulse.liveness(at(429), &settings), Liveness::Returning);
        pulse.beat(at(430), &settings);
        pulse.tick(at(430), &settings);
        assert_eq!(pulse.liveness(at(430), &settings), Liveness::Alive);
    }

    #[test]
    fn who_comes_and_goes_is_lost_less_and_less_often() {
        let settings = Settings::default();
        let mut pulse = Pulse::new(at(0));
        let (mut losses, mut now) = (0, 0);
        // Away for six minutes, back for one, all day.
        while now < 86_400 {
            for _ in 0..360 {
                now += 1;
                losses += u32::from(pulse.tick(at(now), &settings));
            }
            for _ in 0..60 {
                now += 1;
                pulse.beat(at(now), &settings);
                pulse.tick(at(now), &settings);
            }
        }
        let turns = 86_400 / 420;
        assert!(losses <= turns / 5, "{losses} of {turns}");
        assert!(losses > 0);
    }
}
