//! What the rest of the world reads: an RSS and podcast feed of a publisher, and oEmbed documents
//! for single assets. Written from values, without a clock, a catalog or a network.
//!
//! Both name things by absolute URLs below the gateway's base URL, because readers keep them for
//! years and ask from anywhere.

mod links;
mod oembed;
mod rss;

pub(crate) use links::Links;
pub(crate) use oembed::{Embedded, FramedSize};
pub(crate) use rss::{Channel, Enclosure, Episode};

/// What XML 1.0 (§2.2) lets stand in a document: everything else in a text is left out.
fn plain(text: &str) -> String {
    let allowed = |c: &char| {
        matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || *c >= '\u{10000}'
    };
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_xml_forbids_is_left_out() {
        assert_eq!(
            plain("a\u{0}b\u{b}c\u{fffe}\td\u{1f407}"),
            "abc\td\u{1f407}"
        );
    }
}
