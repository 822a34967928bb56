//! Decimal seconds in playlists and manifests.

use cidcast_types::Micros;

/// Reads a decimal number of seconds without sign or exponent; digits beyond a microsecond are
/// cut off. The inverse of how [`Micros`] prints.
pub(crate) fn parse(text: &str) -> Option<Micros> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let places = fraction
        .bytes()
        .map(|digit| u64::from(digit - b'0'))
        .chain(std::iter::repeat(0));
    let micros = places.take(6).fold(0, |sum, digit| sum * 10 + digit);
    let seconds = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    seconds.checked_add(micros).map(Micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micros: u64) {
            prop_assert_eq!(parse(&Micros(micros).to_string()), Some(Micros(micros)));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in "[0-9.ü+-]{0,30}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn only_plain_decimals_are_seconds() {
        assert_eq!(parse("4"), Some(Micros(4_000_000)));
        assert_eq!(parse("4.0049999999"), Some(Micros(4_004_999)));
        for bad in ["", ".5", "-1", "+1", "1e3", "1.2.3", "99999999999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
