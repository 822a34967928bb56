//! Values with a form of their own: sizes (`10 GiB`), times (`30s`), switches and listening addresses.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(u64);

/// A span of time, written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(Duration);

/// Something that runs or does not, written `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub(crate) enum Switch {
    Off,
    On,
}

impl From<bool> for Switch {
    fn from(is_on: bool) -> Self {
        if is_on { Self::On } else { Self::Off }
    }
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

/// Neither a size nor a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error(
        "`{0}` is not a size: write a whole number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB"
    )]
    Size(String),
    #[error("`{0}` is not a span of time: write a whole number and ms, s, m, h or d, such as 30s")]
    Time(String),
}

/// Exact units, largest first within each system; the binary ones are preferred when printing.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// In milliseconds, largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl ByteSize {
    pub(crate) const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl Span {
    pub(crate) const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

/// Reads `<digits> <unit>`; `None` if it is something else or too large.
fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Writes `value` in the first unit that divides it.
fn write(value: u64, units: &[(&str, u64)], gap: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let exact = units
        .iter()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match exact.or(units.last()) {
        Some((name, factor)) => write!(f, "{}{gap}{name}", value / factor),
        None => write!(f, "{value}"),
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        read(text, &SIZES)
            .map(Self)
            .ok_or_else(|| UnitError::Size(text.chars().take(40).collect()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, &SIZES, " ", f)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        read(text, &TIMES)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| UnitError::Time(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(
            u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX),
            &TIMES,
            "",
            f,
        )
    }
}

struct Text<T>(std::marker::PhantomData<T>, &'static str);

impl<T: FromStr<Err = UnitError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    // A bare number has no unit: refused with the same explanation.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

macro_rules! serde_as_text {
    ($type:ident, $expected:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text::<$type>(std::marker::PhantomData, $expected))
            }
        }
    };
}

serde_as_text!(ByteSize, "a size such as 10 GiB");
serde_as_text!(Span, "a span of time such as 30s");

/// Listening addresses, with an error that shows what one looks like.
pub(crate) mod address {
    use std::net::SocketAddr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        address: &SocketAddr,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SocketAddr, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            de::Error::custom(format!(
                "`{text}` is not a listening address: write an IP address and a port, such as \
                 127.0.0.1:7878 or [::1]:7878"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_size_reads_back_what_it_prints(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn a_span_reads_back_what_it_prints(ms: u64) {
            let span = Span(Duration::from_millis(ms));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Span>();
        }
    }

    #[test]
    fn units_are_read_in_any_case_and_printed_in_one() {
        assert_eq!("10gib".parse(), Ok(ByteSize::gib(10)));
        assert_eq!(ByteSize::gib(10).to_string(), "10 GiB");
        assert_eq!("500 MB".parse::<ByteSize>().unwrap().bytes(), 500_000_000);
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "90m");
    }

    #[test]
    fn a_number_without_a_unit_or_too_large_is_refused() {
        for bad in [
            "",
            "10",
            "GiB",
            "1.5 GiB",
            "-1 GiB",
            "99999999999 TiB",
            "5 apples",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert!("30".parse::<Span>().is_err());
    }
}
