//! Playlists and manifest, read by us and by somebody else's parser.

use cidcast_media::dash;
use cidcast_media::hls::{
    Ended, HlsError, Item, Kind, PlaylistType, master, media, package_uri, parse_master,
    parse_media, rewrite_uris,
};
use cidcast_media::layout;
use cidcast_media::package::{Bandwidth, Presentation, SegmentMeta, Track, TrackKind};
use cidcast_types::Micros;
use proptest::prelude::*;

use crate::golden::assert_golden;
use crate::sample::Sample;

#[test]
fn what_is_written_is_what_the_golden_files_hold() {
    let sample = Sample::new();
    for path in [layout::MASTER, layout::MANIFEST, layout::ASSET_JSON] {
        assert_golden(path, sample.text(path));
    }
    assert_golden("video.m3u8", sample.text("video/48p/playlist.m3u8"));
    assert_golden("audio.m3u8", sample.text("audio/audio/playlist.m3u8"));
}

#[test]
fn another_parser_reads_the_master_playlist_as_we_do() {
    let sample = Sample::new();
    let text = sample.text(layout::MASTER);
    let ours = parse_master(text).unwrap();
    let (rest, theirs) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty());
    assert!(theirs.independent_segments);
    assert_eq!(theirs.version, Some(7));
    assert_eq!(theirs.variants.len(), ours.variants.len());
    let (their, our) = (&theirs.variants[0], &ours.variants[0]);
    assert_eq!(their.uri, our.uri);
    assert_eq!(
        (their.bandwidth, their.average_bandwidth),
        (our.bandwidth, our.average_bandwidth)
    );
    assert_eq!(their.codecs.as_deref(), Some("avc1.64000a,mp4a.40.2"));
    assert_eq!(their.frame_rate, Some(25.0));
    let resolution = their.resolution.unwrap();
    assert_eq!(our.resolution, Some((64, 48)));
    assert_eq!((resolution.width, resolution.height), (64, 48));
    assert_eq!(their.audio, our.audio);
    let group = &theirs.alternatives[0];
    assert_eq!(group.uri, ours.renditions[0].uri);
    assert_eq!(group.language.as_deref(), Some("en"));
    assert!(group.default && group.autoselect);
}

#[test]
fn another_parser_reads_a_media_playlist_as_we_do() {
    let sample = Sample::new();
    let text = sample.text("audio/audio/playlist.m3u8");
    let ours = parse_media(text).unwrap();
    let (rest, theirs) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty());
    assert!(theirs.end_list && theirs.independent_segments);
    assert_eq!(theirs.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
    assert_eq!(theirs.target_duration, ours.target_duration);
    assert_eq!(theirs.segments.len(), ours.segments.len());
    let map = theirs.segments[0].map.as_ref().unwrap();
    assert_eq!(Some(&map.uri), ours.map.as_ref());
    for (their, our) in theirs.segments.iter().zip(&ours.segments) {
        assert_eq!(their.uri, our.uri);
        assert!((f64::from(their.duration) - our.duration.as_secs_f64()).abs() < 1e-4);
    }
}

#[test]
fn bandwidth_is_what_the_worst_segments_need() {
    let sample = Sample::new();
    let master = parse_master(sample.text(layout::MASTER)).unwrap();
    let variant = &master.variants[0];
    let bits = |track: &Track, segment: &SegmentMeta| {
        segment.bytes * 8 * u64::from(track.init.timescale) / segment.duration
    };
    let worst: u64 = sample
        .presentation
        .tracks
        .iter()
        // The very last sound segment is too short to count alone.
        .map(|track| {
            track.segments[..3]
                .iter()
                .map(|s| bits(track, s))
                .max()
                .unwrap()
        })
        .sum();
    assert!(
        variant.bandwidth >= worst,
        "{} < {worst}",
        variant.bandwidth
    );
    assert!(variant.bandwidth < worst * 11 / 10);
    assert!(variant.average_bandwidth.unwrap() <= variant.bandwidth);
}

fn without(kind: fn(&TrackKind) -> bool) -> Presentation {
    let mut presentation = Sample::new().presentation;
    presentation.tracks.retain(|track| !kind(&track.kind));
    presentation
}

#[test]
fn pictures_without_sound_have_no_audio_group() {
    let silent = without(|kind| matches!(kind, TrackKind::Audio(_)));
    let read = parse_master(&master(&silent)).unwrap();
    assert!(read.renditions.is_empty());
    assert_eq!(read.variants[0].audio, None);
    assert_eq!(read.variants[0].codecs, ["avc1.64000a"]);
    assert_eq!(
        dash::parse(&dash::manifest(&silent))
            .unwrap()
            .representations
            .len(),
        1
    );
}

#[test]
fn sound_alone_is_a_variant_of_its_own() {
    let song = without(|kind| matches!(kind, TrackKind::Video(_)));
    let read = parse_master(&master(&song)).unwrap();
    assert!(read.renditions.is_empty());
    assert_eq!(read.variants.len(), 1);
    assert_eq!(read.variants[0].uri, "audio/audio/playlist.m3u8");
    assert_eq!(read.variants[0].resolution, None);
    assert_eq!(
        read.variants[0].bandwidth,
        Bandwidth::of(&song.tracks[0]).peak
    );
}

#[test]
fn several_languages_share_a_group_and_one_is_the_default() {
    let mut presentation = Sample::new().presentation;
    let mut second = presentation.tracks[1].clone();
    if let TrackKind::Audio(rendition) = &mut second.kind {
        rendition.name = "audio-2".parse().unwrap();
    }
    presentation.tracks.push(second);
    let text = master(&presentation);
    let read = parse_master(&text).unwrap();
    let names: Vec<_> = read
        .renditions
        .iter()
        .map(|tag| tag.name.as_str())
        .collect();
    assert_eq!(names, ["en (audio)", "en (audio-2)"]);
    assert_eq!(text.matches("DEFAULT=YES").count(), 1);
    let songs = Presentation {
        tracks: presentation.tracks[1..].to_vec(),
    };
    let read = parse_master(&master(&songs)).unwrap();
    assert_eq!(read.renditions[0].uri, None);
    assert_eq!(
        read.renditions[1].uri.as_deref(),
        Some("audio/audio-2/playlist.m3u8")
    );
}

#[test]
fn a_growing_playlist_only_gains_lines() {
    let mut track = Sample::new().presentation.tracks[0].clone();
    let longest = Micros::from_secs(3);
    let event = |track: &Track, ended| media(track, Kind::Event { ended }, longest, package_uri);
    let whole = event(&track, Ended::Yes);
    let vod = media(&track, Kind::Vod, longest, package_uri);
    track.segments.pop();
    let partial = event(&track, Ended::No);
    assert!(whole.starts_with(&partial), "{partial}");
    let read = parse_media(&partial).unwrap();
    assert_eq!(
        (read.ended, read.playlist_type),
        (Ended::No, Some(PlaylistType::Event))
    );
    let target = |text: &str| parse_media(text).unwrap().target_duration;
    assert_eq!([target(&partial), target(&whole), target(&vod)], [3; 3]);
    track.segments.clear();
    assert!(partial.starts_with(&event(&track, Ended::No)));
}

#[test]
fn a_growing_playlist_may_point_to_content_addresses() {
    let track = Sample::new().presentation.tracks[0].clone();
    let kind = Kind::Event { ended: Ended::No };
    let text = media(&track, kind, Micros::from_secs(2), |item| match item {
        Item::Init => "/ipfs/init".to_owned(),
        Item::Segment(index) => format!("/ipfs/{index}"),
    });
    let read = parse_media(&text).unwrap();
    assert_eq!(read.map.as_deref(), Some("/ipfs/init"));
    assert_eq!(read.segments[2].uri, "/ipfs/2");
}

#[test]
fn rewriting_reaches_every_uri_and_nothing_else() {
    let sample = Sample::new();
    let text = sample.text(layout::MASTER);
    let mut seen = Vec::new();
    let rewritten = rewrite_uris(text, |uri| {
        seen.push(uri.to_owned());
        Some(format!("/ipfs/root/{uri}"))
    })
    .unwrap();
    assert_eq!(
        seen,
        ["audio/audio/playlist.m3u8", "video/48p/playlist.m3u8"]
    );
    assert_eq!(rewritten.replace("/ipfs/root/", ""), text);
    let playlist = sample.text("video/48p/playlist.m3u8");
    let rewritten = rewrite_uris(playlist, |uri| Some(format!("/x/{uri}"))).unwrap();
    assert!(rewritten.contains("#EXT-X-MAP:URI=\"/x/init.mp4\"\n"));
    assert_eq!(
        parse_media(&rewritten).unwrap().segments[0].uri,
        "/x/00000.m4s"
    );
    assert_eq!(rewrite_uris(playlist, |_| None).unwrap(), playlist);
}

#[test]
fn a_replacement_cannot_add_lines_or_attributes() {
    for bad in ["a\nb", "a\"b", "a\rb", "", "#EXT-X-ENDLIST"] {
        let rewritten = rewrite_uris("#EXTM3U\r\nx.m4s\r\n", |_| Some(bad.to_owned()));
        assert_eq!(rewritten, Err(HlsError::Replacement { line: 2 }), "{bad:?}");
    }
    assert_eq!(
        rewrite_uris("#EXTM3U\r\nx.m4s\r\n", |_| Some("y".to_owned())).unwrap(),
        "#EXTM3U\r\ny\r\n"
    );
}

#[test]
fn text_that_is_no_playlist_is_refused_with_its_line() {
    assert_eq!(parse_master("<html>"), Err(HlsError::NotAPlaylist));
    assert_eq!(rewrite_uris("", |_| None), Err(HlsError::NotAPlaylist));
    assert_eq!(
        parse_media("#EXTM3U\n#EXTINF:x,\na"),
        Err(HlsError::Tag {
            line: 2,
            tag: "EXTINF"
        })
    );
    assert_eq!(
        parse_media("#EXTM3U\na.m4s"),
        Err(HlsError::Uri {
            line: 2,
            tag: "EXTINF"
        })
    );
    assert_eq!(
        parse_media("#EXTM3U\n"),
        Err(HlsError::Missing {
            tag: "EXT-X-TARGETDURATION"
        })
    );
    assert_eq!(
        parse_master("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=x\na"),
        Err(HlsError::Tag {
            line: 2,
            tag: "EXT-X-STREAM-INF"
        })
    );
}

#[test]
fn the_manifest_lists_the_segments_of_the_playlists() {
    let sample = Sample::new();
    let manifest = dash::parse(sample.text(layout::MANIFEST)).unwrap();
    assert_eq!(manifest.duration, sample.presentation.duration());
    let [video, audio] = manifest.representations.as_slice() else {
        panic!("{manifest:?}")
    };
    assert_eq!(video.durations, [25_600; 3]);
    assert_eq!(video.segment(2), "video/48p/00002.m4s");
    // The first sound segment presents its priming to nobody.
    assert_eq!(audio.durations, [93 * 1_024, 94 * 1_024, 94 * 1_024, 1_024]);
    assert_eq!(audio.initialization, "audio/audio/init.mp4");
}

#[test]
fn a_manifest_cannot_claim_endless_segments() {
    let sample = Sample::new();
    let text = sample
        .text(layout::MANIFEST)
        .replace("r=\"2\"", "r=\"4294967295\"");
    assert!(matches!(dash::parse(&text), Err(dash::DashError::TooMany)));
}

fn track_of(durations: Vec<u64>, timescale: u32) -> Track {
    let mut track = Sample::new().presentation.tracks[0].clone();
    track.init.timescale = timescale;
    track.segments = durations
        .into_iter()
        .map(|duration| SegmentMeta {
            duration,
            bytes: 1_000,
        })
        .collect();
    track
}

proptest! {
    #[test]
    fn durations_add_up_to_the_microsecond(
        durations in proptest::collection::vec(1u64..2_000_000, 1..200),
        timescale in 1_000u32..200_000,
    ) {
        let track = track_of(durations, timescale);
        let read = parse_media(&media(&track, Kind::Vod, Micros::ZERO, package_uri)).unwrap();
        let sum: u64 = read.segments.iter().map(|segment| segment.duration.0).sum();
        let exact = u128::from(track.ticks()) * 1_000_000 / u128::from(timescale);
        prop_assert_eq!(u128::from(sum), exact);
        for segment in &read.segments {
            prop_assert!((segment.duration.0 + 500_000) / 1_000_000 <= read.target_duration);
        }
    }

    #[test]
    fn any_track_reads_back_from_the_manifest(
        durations in proptest::collection::vec(1u64..4, 1..200),
    ) {
        let track = track_of(durations.clone(), 1_000);
        let text = dash::manifest(&Presentation { tracks: vec![track] });
        prop_assert_eq!(&dash::parse(&text).unwrap().representations[0].durations, &durations);
    }

    #[test]
    fn no_text_makes_a_reader_panic(
        lines in proptest::collection::vec(
            "(#EXT(INF|-X-(MAP|MEDIA|STREAM-INF|TARGETDURATION)):)?[A-Z0-9=\",.:ü/x-]{0,30}", 0..12,
        ),
        xml in "(<(MPD|S|Representation|SegmentTemplate) [a-z]{0,3}=\"[0-9a&;<]{0,4}\"/?>){0,6}",
    ) {
        let text = format!("#EXTM3U\n{}", lines.join("\n"));
        let _ = parse_master(&text);
        let _ = parse_media(&text);
        let _ = rewrite_uris(&text, |uri| Some(format!("x{uri}")));
        let _ = dash::parse(&xml);
        let _ = dash::parse(&text);
    }

    #[test]
    fn damaged_documents_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), " |\"|=|<|&|\n|9|,"), 1..6),
    ) {
        let sample = Sample::new();
        for path in [layout::MASTER, layout::MANIFEST, layout::ASSET_JSON, "video/48p/playlist.m3u8"] {
            let mut text = sample.text(path).to_owned();
            for (index, new) in &damage {
                let at = index.index(text.len());
                text.replace_range(at..=at, new);
            }
            let _ = parse_master(&text);
            let _ = parse_media(&text);
            let _ = rewrite_uris(&text, |_| None);
            let _ = dash::parse(&text);
            let _ = cidcast_media::asset_json::parse(&text);
        }
    }
}
