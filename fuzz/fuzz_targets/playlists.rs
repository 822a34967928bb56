//! HLS playlists, and pointing their URIs elsewhere.
#![no_main]

use cidcast_media::hls::{parse_master, parse_media, rewrite_uris};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let master = parse_master(text);
    let media = parse_media(text);
    if let Ok(same) = rewrite_uris(text, |_| None) {
        assert_eq!(same, text);
    }
    let elsewhere = rewrite_uris(text, |_| Some("/ipfs/bafkqaaa".to_owned()));
    if let Ok(elsewhere) = elsewhere {
        assert_eq!(
            parse_master(&elsewhere).is_ok(),
            master.is_ok(),
            "{elsewhere}"
        );
        assert_eq!(
            parse_media(&elsewhere).is_ok(),
            media.is_ok(),
            "{elsewhere}"
        );
    }
});
