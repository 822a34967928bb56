//! What a player needs first.
//!
//! A path inside a package becomes a rank, smaller first: what leads to everything else, then what
//! a player reads before the first picture, then segments by their number across all renditions,
//! then the rest. Other DAGs have no such names; their blocks come in the order of their links.

/// Directories, as far as their names tell, and whatever else has no ending.
const ON_THE_WAY: u64 = 0;
/// Playlists, manifest, description, initialisation segments, captions, poster.
const BEFORE_PLAYBACK: u64 = 1;
const FIRST_SEGMENT: u64 = 2;
/// 100,000 hours of 4 s segments.
const LAST_SEGMENT: u64 = 90_000_000;
const REST: u64 = LAST_SEGMENT + 1;

/// The rank of what lies at `path` below the root, names separated by slashes.
pub(super) fn rank(path: &str) -> u64 {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return ON_THE_WAY;
    };
    match ending {
        "m3u8" | "mpd" | "json" => BEFORE_PLAYBACK,
        "mp4" if stem == "init" => BEFORE_PLAYBACK,
        "vtt" if path.starts_with("captions/") => BEFORE_PLAYBACK,
        "jpg" if path == "poster.jpg" => BEFORE_PLAYBACK,
        "m4s" => match stem.parse::<u64>() {
            Ok(number) => FIRST_SEGMENT.saturating_add(number).min(LAST_SEGMENT),
            Err(_) => REST,
        },
        _ => REST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_comes_in_the_order_in_which_it_is_played() {
        let mut paths = [
            "video/720p/00001.m4s",
            "storyboard/00000.jpg",
            "audio/main/00000.m4s",
            "video/360p/00000.m4s",
            "master.m3u8",
            "video",
            "video/720p/00010.m4s",
        ];
        paths.sort_by_key(|path| rank(path));
        assert_eq!(
            paths,
            [
                "video",
                "master.m3u8",
                "audio/main/00000.m4s",
                "video/360p/00000.m4s",
                "video/720p/00001.m4s",
                "video/720p/00010.m4s",
                "storyboard/00000.jpg",
            ]
        );
    }

    #[test]
    fn what_a_player_reads_before_the_first_picture_has_one_rank() {
        for path in [
            "master.m3u8",
            "manifest.mpd",
            "asset.json",
            "poster.jpg",
            "video/720p/init.mp4",
            "video/720p/playlist.m3u8",
            "captions/en.vtt",
        ] {
            assert_eq!(rank(path), BEFORE_PLAYBACK, "{path}");
        }
        assert_eq!(rank("storyboard.vtt"), REST);
        assert_eq!(rank("18446744073709551615.m4s"), LAST_SEGMENT);
    }
}
