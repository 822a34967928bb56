//! Upload to play: what comes out is what went in, whole and in time.

use std::path::Path;

use cidcast_testkit::clip::{self, Clip};
use cidcast_testkit::{Node, media};
use m3u8_rs::MediaPlaylistType;
use serde_json::Value;

use crate::player::{self, Fetched};
use crate::stage::{Stage, id};

/// Sound may be off by less than one AAC frame.
const AUDIO_FRAME: f64 = 1024.0 / 48_000.0;

const H264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast"];
/// Half of a colour sample does not exist: an odd side needs one for each pixel.
const H264_444: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv444p",
];
const HEVC: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-x265-params",
    "log-level=none",
];
const VP9: &[&str] = &[
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
];
const MPEG4: &[&str] = &["-c:v", "mpeg4", "-q:v", "5"];
const AAC: &[&str] = &["-c:a", "aac"];
const OPUS: &[&str] = &["-c:a", "libopus"];
const MP3: &[&str] = &["-c:a", "libmp3lame"];

/// A source and the size and rate of its best rendition.
struct Case {
    name: &'static str,
    clip: Clip,
    best: (u64, u64),
}

fn cases() -> Vec<Case> {
    let case = |name, ending, rate, size: (u32, u32), video, audio, best| Case {
        name,
        clip: Clip {
            seconds: 9,
            width: size.0,
            height: size.1,
            rate,
            video,
            audio,
            ending,
        },
        best,
    };
    let (wide, tall, odd) = ((320, 180), (180, 320), (321, 181));
    let best = (320, 180);
    vec![
        case("plain", "mp4", "25", wide, H264, AAC, best),
        case("ntsc", "mp4", "30000/1001", wide, H264, AAC, best),
        case("odd", "mp4", "25", odd, H264_444, AAC, best),
        case("portrait", "mov", "25", tall, H264, AAC, (180, 320)),
        case("silent", "mp4", "25", wide, H264, &[], best),
        case("hevc", "mp4", "25", wide, HEVC, AAC, best),
        case("vp9", "webm", "24000/1001", wide, VP9, OPUS, best),
        case("mpeg4", "mkv", "24", wide, MPEG4, MP3, best),
    ]
}

#[tokio::test]
async fn every_kind_of_source_plays_whole_and_in_time() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let cases = cases();
    let mut uploaded = Vec::new();
    for case in &cases {
        let source = case.clip.make(stage.path(), case.name).unwrap();
        let asset = node.upload(&source).await.unwrap();
        uploaded.push((source, id(&asset)));
    }
    for (case, (source, id)) in cases.iter().zip(&uploaded) {
        println!("{}", case.name);
        let asset = node.ready(id).await.unwrap();
        check(&stage, &node, case, source, &asset).await;
    }
}

async fn check(stage: &Stage, node: &Node, case: &Case, source: &Path, asset: &Value) {
    let url = asset["play_url"].as_str().unwrap();
    let master = player::master(&node.text(url).await.unwrap());
    assert!(master.independent_segments, "{}", case.name);
    for variant in &master.variants {
        assert!(variant.average_bandwidth.unwrap() <= variant.bandwidth);
        assert!(variant.codecs.as_ref().unwrap().starts_with("avc1."));
        let size = variant.resolution.unwrap();
        assert_eq!((size.width % 2, size.height % 2), (0, 0), "{}", case.name);
    }
    let (pictures, sound) = player::renditions(&master);
    assert_eq!(
        sound.len(),
        usize::from(!case.clip.audio.is_empty()),
        "{}",
        case.name
    );
    let expected = media::pictures(source.to_str().unwrap()).unwrap();
    let mut best = (0, 0);
    for (n, uri) in pictures.iter().enumerate() {
        let fetched = player::fetch(node, url, uri).await;
        well_formed(&fetched);
        let path = stage.path().join(format!("{}-{n}.mp4", case.name));
        std::fs::write(&path, &fetched.bytes).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(media::complaints(path).unwrap(), "", "{} {uri}", case.name);
        let shown = media::pictures(path).unwrap();
        assert_eq!(shown.len(), expected.len(), "{} {uri}", case.name);
        same_times(case.name, &shown, &expected);
        let stream = &media::streams(path).unwrap()[0];
        let size = |key: &str| stream[key].as_u64().unwrap();
        best = best.max((size("width"), size("height")));
    }
    assert_eq!(best, case.best, "{}", case.name);
    for uri in &sound {
        well_formed(&player::fetch(node, url, uri).await);
    }
    in_time(case.name, url, source.to_str().unwrap(), sound.is_empty());
    ranges(node, &player::fetch(node, url, &pictures[0]).await).await;
}

/// A finished playlist, with durations that keep its promise.
fn well_formed(fetched: &Fetched) {
    let playlist = &fetched.playlist;
    assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod));
    assert!(playlist.end_list, "{}", fetched.uri);
    assert_eq!(fetched.urls.len(), playlist.segments.len() + 1);
    for segment in &playlist.segments {
        assert!(segment.duration > 0.0, "{}", fetched.uri);
        // RFC 8216 §4.4.3.1: rounded to the nearest second.
        let most = format!("{}.5", playlist.target_duration);
        assert!(segment.duration < most.parse().unwrap(), "{}", fetched.uri);
    }
    for url in &fetched.urls {
        assert!(url.path().starts_with("/ipfs/"), "{url}");
    }
}

/// Each picture is shown when it was in the source, counted from the first. A container may round
/// to milliseconds.
fn same_times(name: &str, shown: &[f64], expected: &[f64]) {
    for (n, (a, b)) in shown.iter().zip(expected).enumerate() {
        let (a, b) = (a - shown[0], b - expected[0]);
        assert!((a - b).abs() < 0.002, "{name}: picture {n} at {a}, not {b}");
    }
}

/// From the first beep to the last, sound stays with the pictures as in the source.
fn in_time(name: &str, url: &str, source: &str, is_silent: bool) {
    let (shown, expected) = (
        media::pictures(url).unwrap(),
        media::pictures(source).unwrap(),
    );
    assert_eq!(shown.len(), expected.len(), "{name}");
    if is_silent {
        return;
    }
    let (heard, said) = (media::beeps(url).unwrap(), media::beeps(source).unwrap());
    assert_eq!(heard.len(), said.len(), "{name}: {heard:?} {said:?}");
    assert!(said.len() > 4, "{name}: {said:?}");
    for (at, was) in heard.iter().zip(&said) {
        let drift = (at - shown[0]) - (was - expected[0]);
        assert!(drift.abs() < AUDIO_FRAME, "{name}: {drift} s at {was} s");
    }
    let drift = (heard[heard.len() - 1] - heard[0]) - (said[said.len() - 1] - said[0]);
    println!("{name}: drift over the whole clip {drift:.6} s");
    assert!(drift.abs() < AUDIO_FRAME, "{name}: {drift}");
}

/// A segment can be fetched in parts.
async fn ranges(node: &Node, fetched: &Fetched) {
    let url = fetched.urls[1].as_str();
    let whole = node.bytes(url).await.unwrap();
    let request = node.http().get(url).header("range", "bytes=10-99");
    let part = request.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 10-99/{}", whole.len())
    );
    assert_eq!(part.bytes().await.unwrap(), whole[10..100]);
    let beyond = node.http().get(url).header("range", "bytes=99999999-");
    assert_eq!(beyond.send().await.unwrap().status(), 416);
    let head = node.http().head(url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], whole.len().to_string());
    assert!(
        head.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let known = node.http().get(url);
    let known = known.header("if-none-match", &head.headers()["etag"]);
    assert_eq!(known.send().await.unwrap().status(), 304);
}

#[tokio::test]
async fn the_shipped_clip_becomes_a_ladder_that_plays() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let source = clip::shipped();
    let asset = node.upload(&source).await.unwrap();
    let asset = node.ready(&id(&asset)).await.unwrap();
    let url = asset["play_url"].as_str().unwrap();
    let (pictures, sound) = player::renditions(&player::master(&node.text(url).await.unwrap()));
    assert!(pictures.len() >= 2, "{pictures:?}");
    assert_eq!(sound.len(), 1);
    let expected = media::pictures(source.to_str().unwrap()).unwrap();
    for (n, uri) in pictures.iter().enumerate() {
        let fetched = player::fetch(&node, url, uri).await;
        well_formed(&fetched);
        let path = stage.path().join(format!("{n}.mp4"));
        std::fs::write(&path, &fetched.bytes).unwrap();
        let shown = media::pictures(path.to_str().unwrap()).unwrap();
        assert_eq!(shown.len(), expected.len(), "{uri}");
    }
    let poster = node
        .bytes(asset["poster_url"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(&poster[..3], b"\xff\xd8\xff");
    let embed = node
        .text(asset["embed_url"].as_str().unwrap())
        .await
        .unwrap();
    assert!(embed.contains("<html"), "{embed}");
}
