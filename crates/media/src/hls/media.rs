//! Writing media playlists.

use std::fmt::Write;

use cidcast_types::Micros;

use super::VERSION;
use crate::layout;
use crate::package::{Track, micros, target_seconds};

/// What a media playlist promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All segments are there.
    Vod,
    /// Segments are still being added.
    Event {
        /// Whether the last one is there.
        ended: Ended,
    },
}

/// Whether a playlist will grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has `EXT-X-ENDLIST`.
    Yes,
    /// It has not.
    No,
}

/// A file that a media playlist refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The initialisation segment.
    Init,
    /// A segment by its number.
    Segment(u32),
}

/// The URI of an item as it stands in a package, beside its playlist.
pub fn package_uri(item: Item) -> String {
    match item {
        Item::Init => layout::INIT.to_owned(),
        Item::Segment(index) => layout::segment_file(index),
    }
}

/// Writes a media playlist; `uri` says where each file is ([`package_uri`] inside a package).
///
/// `longest` is the longest segment that the plan allows. `EXT-X-TARGETDURATION` comes from it and
/// not from the segments that are there, because it must not change at one URL (RFC 8216 §6.2.1):
/// not while the playlist grows, and not when it is whole.
///
/// Durations have six decimals. They are rounded so that the sum over any number of segments is
/// off by less than a microsecond.
pub fn media(track: &Track, kind: Kind, longest: Micros, uri: impl Fn(Item) -> String) -> String {
    let timescale = track.init.timescale;
    let planned = longest.0.saturating_add(500_000) / 1_000_000;
    let target = target_seconds(&track.segments, timescale).max(planned);
    let (name, ended) = match kind {
        Kind::Vod => ("VOD", Ended::Yes),
        Kind::Event { ended } => ("EVENT", ended),
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:{name}\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    if let Kind::Event { .. } = kind {
        // Without it, players start a growing playlist near its end as if it were live.
        text.push_str("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n");
    }
    let map = uri(Item::Init);
    // Writing into a `String` cannot fail, here and below.
    let _ = writeln!(text, "#EXT-X-MAP:URI=\"{map}\"");
    let mut ticks = 0u64;
    for (index, segment) in (0u32..).zip(&track.segments) {
        let start = micros(ticks, timescale);
        ticks = ticks.saturating_add(segment.duration);
        let duration = micros(ticks, timescale).since(start);
        let _ = writeln!(text, "#EXTINF:{duration},\n{}", uri(Item::Segment(index)));
    }
    if ended == Ended::Yes {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}
