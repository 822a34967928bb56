//! Content types: by name where there is one, else by the first bytes.

use axum::http::HeaderValue;

/// How many leading bytes sniffing looks at.
pub(crate) const SNIFF_BYTES: u64 = 512;

/// What bytes are when nothing else is known.
const UNKNOWN: &str = "application/octet-stream";

/// Content type of a file in a package or any other directory, by its path. Audio renditions lie
/// under `audio/`, which is what tells their MP4 files from those of the picture.
pub(crate) fn by_path(path: &str) -> Option<HeaderValue> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (_, extension) = name.rsplit_once('.')?;
    let is_audio = folder.split('/').any(|part| part == "audio");
    let known = match extension.to_ascii_lowercase().as_str() {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "m4s" | "mp4" | "cmfv" | "cmfa" if is_audio => "audio/mp4",
        "m4s" | "mp4" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "json" => "application/json",
        _ => return guess(name),
    };
    Some(HeaderValue::from_static(known))
}

fn guess(name: &str) -> Option<HeaderValue> {
    let mime = mime_guess::from_path(name).first()?;
    let is_text = mime.type_() == mime_guess::mime::TEXT
        || matches!(mime.subtype().as_str(), "javascript" | "xml");
    let text = if is_text {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    };
    HeaderValue::from_str(&text).ok()
}

/// Content type by the first bytes of a file.
pub(crate) fn by_content(head: &[u8]) -> HeaderValue {
    HeaderValue::from_static(sniff(head))
}

fn sniff(head: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 11] = [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"OggS", "application/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b\x08", "application/gzip"),
        (b"WEBVTT", "text/vtt; charset=utf-8"),
        (b"#EXTM3U", "application/vnd.apple.mpegurl"),
    ];
    // ISO 14496-12 §4.2: a box is its length, then its type.
    if let Some(b"ftyp" | b"styp" | b"moof" | b"sidx" | b"emsg" | b"prft") = head.get(4..8) {
        return "video/mp4";
    }
    let magic = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    magic.map_or_else(|| sniff_text(head), |(_, mime)| mime)
}

fn sniff_text(head: &[u8]) -> &'static str {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character cut in two by the end of the head is still text.
        Err(cut) if cut.error_len().is_none() => {
            let sound = head.get(..cut.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(sound).unwrap_or_default()
        }
        Err(_) => return UNKNOWN,
    };
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c'))
    {
        return UNKNOWN;
    }
    let start = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    let begins = |prefix: &str| {
        start
            .get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if begins("<!doctype html") || begins("<html") {
        "text/html; charset=utf-8"
    } else if begins("<?xml") || begins("<MPD") {
        if start.contains("<MPD") {
            "application/dash+xml"
        } else {
            "text/xml; charset=utf-8"
        }
    } else if begins("<svg") {
        "image/svg+xml"
    } else if begins("{\"") {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    }
}

/// Whether a browser would run scripts in a document of this type. Such content gets an origin of
/// its own, because everything under this gateway's origin may read what its viewer may read.
pub(crate) fn is_active(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default();
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "text/html" || essence.ends_with("/xml") || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_file_of_a_package_has_its_type() {
        let cases = [
            ("master.m3u8", "application/vnd.apple.mpegurl"),
            ("video/720p/playlist.m3u8", "application/vnd.apple.mpegurl"),
            ("manifest.mpd", "application/dash+xml"),
            ("video/720p/init.mp4", "video/mp4"),
            ("video/720p/00000.m4s", "video/mp4"),
            ("audio/audio/init.mp4", "audio/mp4"),
            ("audio/audio/00000.m4s", "audio/mp4"),
            ("captions/en.vtt", "text/vtt; charset=utf-8"),
            ("poster.jpg", "image/jpeg"),
            ("asset.json", "application/json"),
            ("site/index.html", "text/html; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
        ];
        for (path, expected) in cases {
            assert_eq!(by_path(path).unwrap(), expected, "{path}");
        }
        assert_eq!(by_path("README"), None);
        assert_eq!(by_path("x.no-such-extension"), None);
    }

    #[test]
    fn nameless_content_is_known_by_its_first_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"\0\0\0\x20ftypiso5", "video/mp4"),
            (b"\0\0\0\x18stypmsdh", "video/mp4"),
            (b"\0\0\0\x18moof", "video/mp4"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
            (b"<?xml version=\"1.0\"?><MPD", "application/dash+xml"),
            (b"  <!DOCTYPE html>", "text/html; charset=utf-8"),
            (b"{\"a\":1}", "application/json"),
            (b"h\xc3\xa9llo \xc3", "text/plain; charset=utf-8"),
            (b"\x00\x01\x02", UNKNOWN),
        ];
        for (head, expected) in cases {
            assert_eq!(by_content(head), expected, "{head:?}");
        }
    }

    #[test]
    fn documents_that_run_scripts_are_active() {
        for active in [
            "text/html; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
        ] {
            assert!(is_active(&HeaderValue::from_static(active)), "{active}");
        }
        for passive in ["video/mp4", "text/plain; charset=utf-8", "application/json"] {
            assert!(!is_active(&HeaderValue::from_static(passive)), "{passive}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_sniffing_panic(head in prop::collection::vec(any::<u8>(), 0..64), name in ".{0,24}") {
            let _ = by_content(&head);
            let _ = by_path(&name);
        }
    }
}
