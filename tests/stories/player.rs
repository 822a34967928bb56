//! A strict player: reads a stream as RFC 8216 says, by a parser that is not ours, and fetches all
//! of it.

use cidcast_testkit::Node;
use m3u8_rs::{AlternativeMediaType, MasterPlaylist, MediaPlaylist};
use reqwest::Url;

/// A rendition as the playlists describe it and the gateway delivered it.
pub(crate) struct Fetched {
    pub(crate) uri: String,
    pub(crate) playlist: MediaPlaylist,
    /// Absolute URLs: the initialisation segment, then the segments.
    pub(crate) urls: Vec<Url>,
    /// Initialisation segment and segments, one after another.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn master(text: &str) -> MasterPlaylist {
    let (rest, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty(), "not read to its end: {text}");
    assert!(!playlist.variants.is_empty(), "no variants: {text}");
    playlist
}

pub(crate) fn media(text: &str) -> MediaPlaylist {
    let (rest, playlist) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty(), "not read to its end: {text}");
    playlist
}

/// URIs of all media playlists: pictures first, then sound.
pub(crate) fn renditions(master: &MasterPlaylist) -> (Vec<String>, Vec<String>) {
    let pictures = master.variants.iter().map(|variant| variant.uri.clone());
    let sound = master.alternatives.iter();
    let sound = sound
        .filter(|media| media.media_type == AlternativeMediaType::Audio)
        .filter_map(|media| media.uri.clone());
    (pictures.collect(), sound.collect())
}

/// The URLs of a media playlist's initialisation segment and segments.
pub(crate) fn urls(playlist: &MediaPlaylist, at: &Url) -> Vec<Url> {
    let map = playlist.segments.iter().find_map(|s| s.map.as_ref());
    let map = map.unwrap().uri.as_str();
    std::iter::once(map)
        .chain(playlist.segments.iter().map(|s| s.uri.as_str()))
        .map(|uri| at.join(uri).unwrap())
        .collect()
}

/// Fetches one rendition whole.
pub(crate) async fn fetch(node: &Node, master_url: &str, uri: &str) -> Fetched {
    let at = Url::parse(master_url).unwrap().join(uri).unwrap();
    let playlist = media(&node.text(at.as_str()).await.unwrap());
    let urls = urls(&playlist, &at);
    let mut bytes = Vec::new();
    for url in &urls {
        bytes.extend(node.bytes(url.as_str()).await.unwrap());
    }
    Fetched {
        uri: uri.to_owned(),
        playlist,
        urls,
        bytes,
    }
}
