//! Checking whole packages.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidcast_media::asset_json;
use cidcast_media::check::{self, PackageError};
use cidcast_media::layout;

use crate::sample::Sample;

fn check(files: &BTreeMap<String, Bytes>) -> Result<(), PackageError> {
    let sizes = files
        .iter()
        .map(|(path, bytes)| (path.clone(), bytes.len() as u64))
        .collect();
    check::package(&sizes, |path| files.get(path).cloned())
}

/// Checks the sample after one text in one file was replaced.
#[track_caller]
fn after_replacing(path: &str, from: &str, to: &str) -> PackageError {
    let mut sample = Sample::new();
    let text = sample.text(path);
    assert!(text.contains(from), "{text}");
    let text = text.replacen(from, to, 1);
    sample.files.insert(path.to_owned(), text.into());
    check(&sample.files).unwrap_err()
}

#[test]
fn a_whole_package_passes() {
    check(&Sample::new().files).unwrap();
}

#[test]
fn a_package_passes_without_a_poster() {
    let mut files = Sample::new().files;
    files.remove(layout::POSTER);
    check(&files).unwrap();
}

#[test]
fn the_loss_of_any_other_file_is_noticed() {
    let whole = Sample::new().files;
    for path in whole.keys().filter(|path| *path != layout::POSTER) {
        let mut files = whole.clone();
        files.remove(path);
        match check(&files) {
            Err(PackageError::Missing { path: found }) => assert_eq!(&found, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn an_empty_or_a_superfluous_file_is_noticed() {
    let mut files = Sample::new().files;
    files.insert("video/48p/00001.m4s".to_owned(), Bytes::new());
    assert!(matches!(check(&files), Err(PackageError::EmptyFile { .. })));
    let mut files = Sample::new().files;
    files.insert("video/48p/00003.m4s".to_owned(), Bytes::from_static(b"x"));
    assert!(matches!(
        check(&files),
        Err(PackageError::Unreferenced { .. })
    ));
}

#[test]
fn a_reference_out_of_the_package_is_noticed() {
    let playlist = "video/48p/playlist.m3u8";
    for bad in [
        "../../x.m4s",
        "/ipfs/x",
        "https://example.org/x.m4s",
        "a//b",
        ".",
    ] {
        let error = after_replacing(playlist, "00001.m4s", bad);
        assert!(
            matches!(error, PackageError::Outside { .. }),
            "{bad}: {error:?}"
        );
    }
}

#[test]
fn descriptions_that_differ_are_noticed() {
    let cases = [
        (layout::MASTER, "avc1.64000a", "avc1.640028"),
        (layout::MASTER, "BANDWIDTH=", "BANDWIDTH=1,X-OLD="),
        (layout::MASTER, "AUDIO=\"audio\"", "AUDIO=\"other\""),
        (
            layout::MANIFEST,
            "codecs=\"avc1.64000a\"",
            "codecs=\"avc1.640028\"",
        ),
        (layout::MANIFEST, "r=\"2\"", "r=\"1\""),
        (layout::MANIFEST, "video/48p/$Number", "video/49p/$Number"),
        (layout::ASSET_JSON, "\"segments\": 3", "\"segments\": 4"),
        (layout::ASSET_JSON, "video/48p", "video/49p"),
        (
            "video/48p/playlist.m3u8",
            "TARGETDURATION:2",
            "TARGETDURATION:1",
        ),
        ("video/48p/playlist.m3u8", "#EXT-X-ENDLIST\n", ""),
        ("video/48p/playlist.m3u8", "VOD", "EVENT"),
    ];
    for (path, from, to) in cases {
        let error = after_replacing(path, from, to);
        assert!(
            matches!(error, PackageError::Disagreement { .. }),
            "{path} {from}: {error:?}"
        );
    }
}

#[test]
fn a_damaged_init_segment_is_noticed() {
    let mut files = Sample::new().files;
    files.insert(
        "audio/audio/init.mp4".to_owned(),
        Bytes::from_static(b"no mp4 at all"),
    );
    assert!(matches!(check(&files), Err(PackageError::Init { .. })));
}

#[test]
fn asset_json_reads_back_and_refuses_what_is_newer() {
    let sample = Sample::new();
    let text = sample.text(layout::ASSET_JSON);
    let document = asset_json::parse(text).unwrap();
    assert_eq!(asset_json::write(&document), text);
    let newer = text.replacen("\"version\": 1", "\"version\": 2", 1);
    assert!(matches!(
        asset_json::parse(&newer),
        Err(asset_json::AssetJsonError::Version { found: 2, known: 1 })
    ));
}

#[test]
fn asset_json_names_nobody_and_no_time() {
    let sample = Sample::new();
    let text = sample.text(layout::ASSET_JSON);
    for word in ["\"id\"", "title", "created", "date"] {
        assert!(!text.contains(word), "{word}");
    }
}
