//! Pointing a playlist's URIs somewhere else.

use super::attributes::{Quoting, attributes};
use super::{HlsError, MAX_BYTES};

/// Tags whose `URI` attribute refers to something that a player fetches (RFC 8216bis §4.4).
const TAGS_WITH_URI: [&str; 9] = [
    "#EXT-X-MAP:",
    "#EXT-X-MEDIA:",
    "#EXT-X-I-FRAME-STREAM-INF:",
    "#EXT-X-KEY:",
    "#EXT-X-SESSION-KEY:",
    "#EXT-X-SESSION-DATA:",
    "#EXT-X-PART:",
    "#EXT-X-PRELOAD-HINT:",
    "#EXT-X-RENDITION-REPORT:",
];

/// Replaces every URI of a playlist for which `replace` returns another one; everything else
/// stays as it is, byte for byte. Works for both kinds of playlists.
pub fn rewrite_uris(
    playlist: &str,
    mut replace: impl FnMut(&str) -> Option<String>,
) -> Result<String, HlsError> {
    if playlist.len() > MAX_BYTES {
        return Err(HlsError::TooLong {
            bytes: playlist.len(),
            limit: MAX_BYTES,
        });
    }
    if playlist.lines().next().map(str::trim_end) != Some("#EXTM3U") {
        return Err(HlsError::NotAPlaylist);
    }
    let mut rewritten = String::with_capacity(playlist.len());
    for (number, with_ending) in (1..).zip(playlist.split_inclusive('\n')) {
        let content = with_ending.trim_end();
        let ending = with_ending.get(content.len()..).unwrap_or_default();
        match uri_in(number, content)? {
            None => rewritten.push_str(content),
            Some((before, uri, after)) => {
                let new = replace(uri);
                if let Some(new) = &new
                    && (new.is_empty() || new.starts_with('#') || new.contains(['"', '\n', '\r']))
                {
                    return Err(HlsError::Replacement { line: number });
                }
                rewritten.push_str(before);
                rewritten.push_str(new.as_deref().unwrap_or(uri));
                rewritten.push_str(after);
            }
        }
        rewritten.push_str(ending);
    }
    Ok(rewritten)
}

/// The URI of a line, with what stands before and after it.
fn uri_in(line: usize, content: &str) -> Result<Option<(&str, &str, &str)>, HlsError> {
    if content.is_empty() {
        return Ok(None);
    }
    if !content.starts_with('#') {
        return Ok(Some(("", content, "")));
    }
    let Some(tag) = TAGS_WITH_URI
        .into_iter()
        .find(|tag| content.starts_with(tag))
    else {
        return Ok(None);
    };
    let name = tag.trim_matches(['#', ':']);
    let list = content.get(tag.len()..).unwrap_or_default();
    for attribute in attributes(list) {
        let attribute = attribute.ok_or(HlsError::Tag { line, tag: name })?;
        if attribute.name == "URI" && attribute.quoting == Quoting::Quoted {
            let start = tag.len() + attribute.offset;
            let end = start + attribute.value.len();
            let cut = |range| content.get(range).unwrap_or_default();
            return Ok(Some((
                cut(0..start),
                attribute.value,
                cut(end..content.len()),
            )));
        }
    }
    Ok(None)
}
