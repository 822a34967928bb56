//! HLS playlists (RFC 8216bis): written from measured tracks, read back, cut down, and rewritten.

mod attributes;
mod master;
mod media;
mod only;
mod read;
mod rewrite;

pub use master::master;
pub use media::{Ended, Item, Kind, media, package_uri};
pub use only::only_with;
pub use read::{
    MasterPlaylist, MediaPlaylist, MediaSegment, PlaylistType, RenditionTag, VariantTag,
    parse_master, parse_media,
};
pub use rewrite::rewrite_uris;

/// `EXT-X-VERSION`: fragmented MP4 in ordinary playlists needs 6, `CHANNELS` and the like 7.
const VERSION: u32 = 7;

/// Largest playlist that is read: 100,000 segments with URLs of 200 characters fit.
const MAX_BYTES: usize = 32 << 20;

/// Text is not the playlist that we expect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HlsError {
    /// Too large to be one of ours.
    #[error("the playlist has {bytes} bytes, more than the {limit} that are read")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// The first line is not `#EXTM3U`.
    #[error("the text does not start with #EXTM3U: it is no playlist")]
    NotAPlaylist,
    /// A tag does not have the shape that RFC 8216bis gives it.
    #[error("line {line} of the playlist is not a valid {tag}")]
    Tag {
        /// Counted from 1.
        line: usize,
        /// The tag that stands there.
        tag: &'static str,
    },
    /// A URI where none belongs, or none where one belongs.
    #[error("line {line} of the playlist: a URI is missing, or has no {tag} before it")]
    Uri {
        /// Counted from 1.
        line: usize,
        /// The tag that goes with the URI.
        tag: &'static str,
    },
    /// A tag that must be there is not.
    #[error("the playlist has no {tag}")]
    Missing {
        /// The tag.
        tag: &'static str,
    },
    /// A replacement that would change the structure of the playlist.
    #[error("the new URI for line {line} holds a quote or a line break: percent-encode it")]
    Replacement {
        /// Counted from 1.
        line: usize,
    },
}
