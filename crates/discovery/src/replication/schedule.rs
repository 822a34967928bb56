//! How fast copies may be fetched, by the time of day.

use std::fmt;
use std::str::FromStr;

use cidcast_announce::Day;
use cidcast_types::Timestamp;

const MINUTE: u64 = 60 * 1000;
const MINUTES_OF_DAY: u16 = 24 * 60;

/// How fast copies may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the line is.
    Unlimited,
    /// Bytes per second, of all transfers together; at least 1.
    Bytes(u64),
    /// Not at all.
    Paused,
}

/// A time of day in UTC, to the minute. Written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

/// Not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of day: write HH:MM in UTC, such as 22:30")]
pub struct ParseTimeError(String);

/// A part of the day with a rate of its own. One that ends before it begins goes on past midnight;
/// one that ends when it begins is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends.
    pub to: TimeOfDay,
    /// How fast copies are fetched then.
    pub rate: Rate,
}

/// Rates by the time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Outside of every window.
    pub otherwise: Rate,
    /// The first one that holds the time of day counts.
    pub windows: Vec<Window>,
}

impl Default for Schedule {
    /// No limit at any time.
    fn default() -> Self {
        Self {
            otherwise: Rate::Unlimited,
            windows: Vec::new(),
        }
    }
}

impl Schedule {
    /// The rate at `now`.
    pub fn rate(&self, now: Timestamp) -> Rate {
        let time = TimeOfDay::of(now);
        let window = self.windows.iter().find(|window| window.holds(time));
        window.map_or(self.otherwise, |window| window.rate)
    }

    /// When the rate may next change: the next end or beginning of a window after `now`.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let today = Day::of(now).start();
        let ends = self
            .windows
            .iter()
            .flat_map(|window| [window.from, window.to]);
        ends.map(|end| {
            let at = Timestamp::from_millis(today.as_millis() + u64::from(end.0) * MINUTE);
            match at > now {
                true => at,
                false => {
                    Timestamp::from_millis(at.as_millis() + u64::from(MINUTES_OF_DAY) * MINUTE)
                }
            }
        })
        .min()
    }
}

impl Window {
    fn holds(&self, time: TimeOfDay) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

impl TimeOfDay {
    fn of(at: Timestamp) -> Self {
        let minutes = at.as_millis() / MINUTE % u64::from(MINUTES_OF_DAY);
        Self(u16::try_from(minutes).unwrap_or_default())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(Self(hours * 60 + minutes))
        });
        parsed
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| ParseTimeError(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(time: &str) -> Timestamp {
        let time: TimeOfDay = time.parse().unwrap();
        let day = 20_000 * 24 * 60 * MINUTE;
        Timestamp::from_millis(day + u64::from(time.0) * MINUTE)
    }

    fn window(from: &str, to: &str, rate: Rate) -> Window {
        Window {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            rate,
        }
    }

    #[test]
    fn the_first_window_that_holds_the_time_counts() {
        let schedule = Schedule {
            otherwise: Rate::Bytes(5),
            windows: vec![
                window("22:00", "06:00", Rate::Unlimited),
                window("05:00", "09:30", Rate::Paused),
            ],
        };
        for (time, rate) in [
            ("21:59", Rate::Bytes(5)),
            ("22:00", Rate::Unlimited),
            ("00:00", Rate::Unlimited),
            ("05:59", Rate::Unlimited),
            ("06:00", Rate::Paused),
            ("09:30", Rate::Bytes(5)),
        ] {
            assert_eq!(schedule.rate(at(time)), rate, "{time}");
        }
        let next = schedule.next_change(at("09:30")).unwrap();
        assert_eq!(next, at("22:00"));
        let tomorrow = schedule.next_change(at("22:00")).unwrap();
        assert_eq!(
            tomorrow.as_millis() - at("22:00").as_millis(),
            7 * 60 * MINUTE
        );
    }

    #[test]
    fn a_window_that_ends_when_it_begins_is_the_whole_day() {
        let schedule = Schedule {
            otherwise: Rate::Unlimited,
            windows: vec![window("10:00", "10:00", Rate::Paused)],
        };
        assert_eq!(schedule.rate(at("09:59")), Rate::Paused);
        assert_eq!(schedule.rate(at("10:00")), Rate::Paused);
    }

    #[test]
    fn other_text_is_no_time() {
        for bad in ["", "24:00", "9:30", "09:60", "0930", "+9:30", "09:30:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_time_reads_back_what_it_prints(minutes in 0..MINUTES_OF_DAY) {
            let time = TimeOfDay(minutes);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn between_changes_the_rate_stays(
            now in 0u64..10_000_000_000_000, from in 0..MINUTES_OF_DAY, to in 0..MINUTES_OF_DAY,
            part in 0u64..1000,
        ) {
            let rate = Rate::Bytes(7);
            let windows = vec![Window { from: TimeOfDay(from), to: TimeOfDay(to), rate }];
            let schedule = Schedule { otherwise: Rate::Unlimited, windows };
            let now = Timestamp::from_millis(now);
            let next = schedule.next_change(now).unwrap();
            prop_assert!(next > now);
            let span = next.as_millis() - now.as_millis();
            let between = Timestamp::from_millis(now.as_millis() + span * part / 1000);
            prop_assert_eq!(schedule.rate(between), schedule.rate(now));
        }
    }
}
