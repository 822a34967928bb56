//! A day of the calendar, as view counts are summed by.

use std::fmt;
use std::str::FromStr;

use cidcast_types::Timestamp;

const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1000;
/// 9999-12-31: what four digits of a year can say.
const LAST: u32 = 2_932_896;

/// A day in UTC, from 1970-01-01 to 9999-12-31. Printed as `2026-11-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// Not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day: expected one such as 2026-11-25")]
pub struct ParseDayError(String);

impl Day {
    /// The day that `time` lies in.
    pub fn of(time: Timestamp) -> Self {
        let days = u32::try_from(time.as_millis() / MILLIS_PER_DAY).unwrap_or(LAST);
        Self(days.min(LAST))
    }

    /// Days since 1970-01-01.
    pub fn since_epoch(self) -> u32 {
        self.0
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.0) * MILLIS_PER_DAY)
    }

    /// Year, month and day, by the proleptic Gregorian calendar with years that begin in March,
    /// so that the leap day is the last of its year.
    fn civil(self) -> (u32, u32, u32) {
        let day = self.0 + 719_468; // since 0000-03-01
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153; // 0 is March
        let day = day - (153 * month + 2) / 5 + 1;
        let year = year + era * 400 + u32::from(month >= 10);
        (year, if month < 10 { month + 3 } else { month - 9 }, day)
    }

    fn from_civil(year: u32, month: u32, day: u32) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let month = if month > 2 { month - 3 } else { month + 9 };
        let (era, year) = (year / 400, year % 400);
        let day = (153 * month + 2) / 5 + day - 1;
        let day = era * 146_097 + 365 * year + year / 4 - year / 100 + day;
        Self(day - 719_468)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseDayError(text.chars().take(32).collect());
        let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
        let mut part = || parts.next().and_then(Result::ok).ok_or_else(refused);
        let (year, month, day) = (part()?, part()?, part()?);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return Err(refused());
        }
        let parsed = Self::from_civil(year, month, day);
        // Only the printed spelling is a day: neither 2026-2-1 nor February 30.
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(refused())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_reads_back_what_it_prints() {
        for day in (0..=LAST).map(Day) {
            assert_eq!(day.to_string().parse(), Ok(day));
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let of = |millis| Day::of(Timestamp::from_millis(millis)).to_string();
        assert_eq!(of(0), "1970-01-01");
        assert_eq!(of(951_782_399_999), "2000-02-28");
        assert_eq!(of(951_782_400_000), "2000-02-29");
        assert_eq!(of(1_732_492_800_000), "2024-11-25");
        assert_eq!(of(u64::MAX), "9999-12-31");
    }

    #[test]
    fn other_spellings_are_no_days() {
        for bad in [
            "",
            "2026-2-1",
            "2026-02-30",
            "2025-02-29",
            "+2026-02-1",
            "2026-02-01 ",
            "1969-12-31",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
