//! Days of the calendar, in UTC.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

const MILLIS: u64 = 24 * 3600 * 1000;
/// 9999-12-31: the last day that four digits of a year can name.
const LAST: u32 = 2_932_896;

/// A day in UTC, from 1970-01-01 to 9999-12-31. Printed as `YYYY-MM-DD` (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// Not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day: expected YYYY-MM-DD between 1970-01-01 and 9999-12-31")]
pub struct ParseDayError(String);

impl Day {
    /// The day in which `at` lies.
    pub fn of(at: Timestamp) -> Self {
        let days = at.as_millis() / MILLIS;
        Self(u32::try_from(days).unwrap_or(LAST).min(LAST))
    }

    /// The day that is this many days after 1970-01-01.
    pub fn from_number(number: u32) -> Option<Self> {
        (number <= LAST).then_some(Self(number))
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> u32 {
        self.0
    }

    /// So many days earlier, but not before 1970-01-01.
    pub fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.0) * MILLIS)
    }

    /// Year, month and day of the month, in the proleptic Gregorian calendar.
    fn date(self) -> (u32, u32, u32) {
        // Years begin in March here, so that the leap day is the last of its year. Day 0 is
        // 0000-03-01, 719,468 days before 1970-01-01.
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        (era * 400 + year_of_era + next, month, day)
    }

    fn from_date(year: u32, month: u32, day: u32) -> Option<Self> {
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year.checked_sub(1)?, month + 9)
        };
        let (era, year_of_era) = (year / 400, year % 400);
        let of_year = (153 * month + 2) / 5 + day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        (era * 146_097 + of_era)
            .checked_sub(719_468)
            .and_then(Self::from_number)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<u32>().ok());
        let mut next = || parts.next().flatten();
        let date = next().and_then(|year| Some((year, next()?, next()?)));
        let day = date
            .filter(|(year, month, day)| {
                (1970..=9999).contains(year) && (1..=12).contains(month) && (1..=31).contains(day)
            })
            .and_then(|(year, month, day)| Self::from_date(year, month, day));
        // A day that the month does not have, or another spelling, prints differently.
        day.filter(|day| day.to_string() == text)
            .ok_or_else(|| ParseDayError(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days_have_their_numbers() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1970-03-01", 59),
            ("2000-02-29", 11_016),
            ("2026-11-25", 20_782),
            ("9999-12-31", LAST),
        ] {
            assert_eq!(text.parse(), Ok(Day(number)), "{text}");
            assert_eq!(Day(number).to_string(), text);
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for bad in [
            "",
            "2026-11",
            "2026-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-1-01",
            "1969-12-31",
            "10000-01-01",
            "+2026-1-1",
            "2026-11-25Z",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_day_reads_back_what_it_prints(number in 0..=LAST) {
            prop_assert_eq!(Day(number).to_string().parse(), Ok(Day(number)));
        }

        #[test]
        fn a_day_begins_and_ends_where_the_next_begins(ms in 0..u64::from(LAST) * MILLIS) {
            let day = Day::of(Timestamp::from_millis(ms));
            prop_assert!(day.start().as_millis() <= ms);
            prop_assert!(ms < day.start().as_millis() + MILLIS);
        }
    }
}
