//! Byte ranges: RFC 9110 §14.
//!
//! One range is answered; a request for several gets the whole content, which §14.2 allows.

use std::ops::Range;

use axum::http::{HeaderMap, Method, header};

/// What part of the content a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: no range, one that cannot be read, several, or a failed `If-Range`.
    Whole,
    /// 206 with these bytes.
    Part(Range<u64>),
    /// 416.
    Outside,
}

/// Which bytes of `total` this request selects. `etag` is the current strong validator.
pub(crate) fn select(method: &Method, headers: &HeaderMap, etag: &str, total: u64) -> Selection {
    // §14.2: range handling is defined for GET only.
    if method != Method::GET {
        return Selection::Whole;
    }
    let Some(value) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
    else {
        return Selection::Whole;
    };
    // §13.1.5: a date never matches, because content here has no modification date.
    if let Some(condition) = headers.get(header::IF_RANGE)
        && condition.as_bytes() != etag.as_bytes()
    {
        return Selection::Whole;
    }
    parse(value, total)
}

fn parse(value: &str, total: u64) -> Selection {
    let Some((unit, spec)) = value.split_once('=') else {
        return Selection::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Selection::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Selection::Whole;
    };
    match (position(first), position(last)) {
        (Position::Absent, Position::At(0)) => Selection::Outside,
        (Position::Absent, Position::At(_)) if total == 0 => Selection::Whole,
        (Position::Absent, Position::At(suffix)) => {
            Selection::Part(total.saturating_sub(suffix)..total)
        }
        (Position::At(first), Position::Absent) if first < total => Selection::Part(first..total),
        (Position::At(first), Position::At(last)) if last < first => Selection::Whole,
        (Position::At(first), Position::At(last)) if first < total => {
            Selection::Part(first..last.saturating_add(1).min(total))
        }
        (Position::At(_), Position::Absent | Position::At(_)) => Selection::Outside,
        _ => Selection::Whole,
    }
}

enum Position {
    Absent,
    At(u64),
    Unreadable,
}

fn position(text: &str) -> Position {
    if text.is_empty() {
        Position::Absent
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that overflow name a place behind any content.
        Position::At(text.parse().unwrap_or(u64::MAX))
    } else {
        Position::Unreadable
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_select_what_rfc_9110_says() {
        let cases = [
            ("bytes=0-0", Selection::Part(0..1)),
            ("bytes=2-", Selection::Part(2..10)),
            ("bytes=-3", Selection::Part(7..10)),
            ("bytes=-99", Selection::Part(0..10)),
            ("bytes=4-99999999999999999999999999", Selection::Part(4..10)),
            ("BYTES=0-1", Selection::Part(0..2)),
            ("bytes=10-", Selection::Outside),
            ("bytes=99999999999999999999999999-", Selection::Outside),
            ("bytes=-0", Selection::Outside),
            ("bytes=5-4", Selection::Whole),
            ("bytes=0-1,3-4", Selection::Whole),
            ("bytes=x-1", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("lines=0-1", Selection::Whole),
            ("bytes", Selection::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, 10), expected, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Selection::Outside);
        assert_eq!(parse("bytes=-5", 0), Selection::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_outside(text in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}", total: u64) {
            if let Selection::Part(part) = parse(&text, total) {
                prop_assert!(part.start < part.end && part.end <= total);
            }
        }
    }
}
