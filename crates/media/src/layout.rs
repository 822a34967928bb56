//! Where each file of a package lies, relative to its root, and what it is served as.
//!
//! ```text
//! master.m3u8  manifest.mpd  asset.json  poster.jpg
//! video/<rendition>/init.mp4  playlist.m3u8  00000.m4s …
//! audio/<rendition>/init.mp4  playlist.m3u8  00000.m4s …
//! ```

use cidcast_types::RenditionName;

use crate::package::TrackKind;

/// The HLS multivariant playlist.
pub const MASTER: &str = "master.m3u8";
/// The DASH manifest.
pub const MANIFEST: &str = "manifest.mpd";
/// What is inside, for programs.
pub const ASSET_JSON: &str = "asset.json";
/// One picture of the asset.
pub const POSTER: &str = "poster.jpg";
/// Initialisation segment, inside a rendition's folder.
pub const INIT: &str = "init.mp4";
/// HLS media playlist, inside a rendition's folder.
pub const PLAYLIST: &str = "playlist.m3u8";
/// Most segments of one rendition: their names have five digits.
pub const MAX_SEGMENTS: u32 = 100_000;

/// Which branch of the package a rendition lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// `video/`
    Video,
    /// `audio/`
    Audio,
}

impl Branch {
    /// The name of the folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl From<&TrackKind> for Branch {
    fn from(kind: &TrackKind) -> Self {
        match kind {
            TrackKind::Video(_) => Self::Video,
            TrackKind::Audio(_) => Self::Audio,
        }
    }
}

/// `video/720p`
pub fn rendition(branch: Branch, name: &RenditionName) -> String {
    format!("{}/{name}", branch.as_str())
}

/// `video/720p/init.mp4`
pub fn init(branch: Branch, name: &RenditionName) -> String {
    format!("{}/{name}/{INIT}", branch.as_str())
}

/// `video/720p/playlist.m3u8`
pub fn playlist(branch: Branch, name: &RenditionName) -> String {
    format!("{}/{name}/{PLAYLIST}", branch.as_str())
}

/// `video/720p/00000.m4s`
pub fn segment(branch: Branch, name: &RenditionName, index: u32) -> String {
    format!("{}/{name}/{}", branch.as_str(), segment_file(index))
}

/// `00000.m4s`, inside a rendition's folder.
pub fn segment_file(index: u32) -> String {
    format!("{index:05}.m4s")
}

/// The media type of a file of a package by its extension, or `application/octet-stream`.
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("json") => "application/json",
        Some("mp4") => "video/mp4",
        Some("m4s") => "video/iso.segment",
        Some("jpg") => "image/jpeg",
        Some("vtt") => "text/vtt",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_design() {
        let name: RenditionName = "720p".parse().unwrap();
        assert_eq!(rendition(Branch::Video, &name), "video/720p");
        assert_eq!(init(Branch::Video, &name), "video/720p/init.mp4");
        assert_eq!(playlist(Branch::Audio, &name), "audio/720p/playlist.m3u8");
        assert_eq!(segment(Branch::Video, &name, 7), "video/720p/00007.m4s");
    }

    #[test]
    fn segment_names_sort_as_their_numbers_do() {
        assert!(segment_file(9) < segment_file(10));
        assert_eq!(segment_file(MAX_SEGMENTS - 1), "99999.m4s");
    }

    #[test]
    fn every_file_of_a_package_has_a_media_type() {
        for file in [
            MASTER,
            MANIFEST,
            ASSET_JSON,
            POSTER,
            INIT,
            PLAYLIST,
            "00000.m4s",
        ] {
            assert_ne!(content_type(file), "application/octet-stream", "{file}");
        }
        assert_eq!(content_type("noextension"), "application/octet-stream");
    }
}
