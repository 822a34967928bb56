//! Chunks of every kind of source fit together without a seam.

use cidcast_media::source::SourceMedia;

use crate::fixture::{Source, encode, encode_all, frame_times, join, parse, plan, tool};

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

fn moving(size: &str, rate: &str, seconds: u32) -> String {
    format!("-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds}")
}

/// Encodes the source in chunks and holds the result against the source: every frame once, at its
/// time, and with its picture.
async fn check(source: &Source) -> SourceMedia {
    let media = source.probe().await;
    let plan = plan(&media, 1, 3);
    assert!(plan.chunks.len() >= 3, "{:?}", plan.chunks);
    let renditions = encode_all(source, &media, &plan).await;
    let want: Vec<i64> = frame_times(&source.path, "v")
        .iter()
        .map(|time| time - media.start)
        .collect();
    for chunks in &renditions {
        assert_eq!(chunks.len(), plan.chunks.len());
        let parsed: Vec<_> = chunks.iter().map(|chunk| parse(chunk)).collect();
        for chunk in &parsed {
            assert!(
                chunk.init == parsed[0].init,
                "every chunk has the same init segment"
            );
        }
        let fragments: Vec<_> = parsed.iter().flat_map(|chunk| &chunk.fragments).collect();
        let segments: u32 = plan.chunks.iter().map(|span| span.segments).sum();
        assert_eq!(fragments.len() as u32, segments, "one fragment per segment");
        assert_eq!(fragments[0].decode_time, 0);
        for pair in fragments.windows(2) {
            assert_eq!(
                pair[0].decode_time + pair[0].duration,
                pair[1].decode_time,
                "decode times run on: {fragments:?}"
            );
        }
        if let Some(frames) = plan.segments.frames {
            let (_, whole) = fragments.split_last().unwrap();
            assert!(
                whole.iter().all(|fragment| fragment.frames == frames),
                "{fragments:?}"
            );
        }
        let path = source.folder.path().join("joined.mp4");
        std::fs::write(&path, join(chunks)).unwrap();
        let got = frame_times(&path, "v");
        assert_eq!(got.len(), want.len(), "no frame lost, none doubled");
        // A grid takes the container's rounding back, which is at most a millisecond.
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() <= 1_000, "{got} is not {want}");
        }
    }
    assert!(
        worst_psnr(source, &media) > 22.0,
        "every frame shows its picture"
    );
    media
}

/// The lowest likeness of any frame to the source's frame of the same number.
fn worst_psnr(source: &Source, media: &SourceMedia) -> f64 {
    let name = source.path.file_name().unwrap().to_str().unwrap();
    let stream = media.video.as_ref().unwrap().stream;
    let graph = format!(
        "[0:{stream}]setpts=N/25/TB,settb=1/25[a0];[1:v]setpts=N/25/TB,settb=1/25[b0];\
         [a0][b0]scale2ref[a][b];[a]format=yuv420p,setsar=1[c];[b]setsar=1[d];\
         [c][d]psnr=stats_file=psnr.txt"
    );
    let command = format!("-i {name} -i joined.mp4 -filter_complex {graph} -f null -");
    tool("ffmpeg", &command, source.folder.path());
    let stats = std::fs::read_to_string(source.folder.path().join("psnr.txt")).unwrap();
    let worst = stats
        .lines()
        .filter_map(|line| {
            line.split("psnr_avg:")
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .fold(f64::INFINITY, f64::min);
    assert!(worst.is_finite(), "{stats}");
    worst
}

#[tokio::test]
async fn h264_with_b_frames_at_24() {
    check(&Source::make(
        "a.mp4",
        &format!("{} {X264} -bf 3 -g 60", moving("320x180", "24", 9)),
    ))
    .await;
}

#[tokio::test]
async fn h264_with_open_gops_at_30000_1001_and_an_odd_size() {
    let options = "-vf scale=213:119,setsar=1,format=yuv444p -c:v libx264 -preset veryfast -bf 3 -g 40 -x264-params open-gop=1";
    let media = check(&Source::make(
        "a.mp4",
        &format!("{} {options}", moving("212x118", "30000/1001", 9)),
    ))
    .await;
    assert_eq!(media.video.unwrap().width, 213);
}

#[tokio::test]
async fn hevc_at_25() {
    let options = "-c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=3:keyint=50";
    check(&Source::make(
        "a.mp4",
        &format!("{} {options}", moving("320x180", "25", 9)),
    ))
    .await;
}

#[tokio::test]
async fn vp9_in_webm_at_59_94_with_times_in_milliseconds() {
    let options = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 90 -b:v 400k";
    let media = check(&Source::make(
        "a.webm",
        &format!("{} {options}", moving("160x90", "60000/1001", 7)),
    ))
    .await;
    let rate = media.video.unwrap().frame_rate;
    assert_eq!((rate.num, rate.den), (60_000, 1001));
}

#[tokio::test]
async fn mpeg4_with_b_frames_in_avi() {
    let options = "-c:v mpeg4 -bf 2 -g 50 -q:v 3";
    check(&Source::make(
        "a.avi",
        &format!("{} {options}", moving("320x180", "25", 9)),
    ))
    .await;
}

#[tokio::test]
async fn a_portrait_clip_of_a_phone_is_turned() {
    let folder = Source::make(
        "flat.mp4",
        &format!("{} {X264}", moving("320x180", "30", 8)),
    );
    let turned = folder.folder.path().join("turned.mp4");
    let command = "-i flat.mp4 -c copy -metadata:s:v rotate=90 turned.mp4";
    tool("ffmpeg", command, folder.folder.path());
    let source = Source {
        path: turned,
        folder: folder.folder,
    };
    let media = source.probe().await;
    let video = media.video.as_ref().unwrap();
    assert_eq!((video.width, video.height), (180, 320));
    let plan = plan(&media, 1, 3);
    assert!(plan.video[0].height > plan.video[0].width);
    check(&source).await;
}

#[tokio::test]
async fn a_transport_stream_that_starts_late() {
    let options = format!("{X264} -bf 2 -g 50 -output_ts_offset 100");
    let media = check(&Source::make(
        "a.ts",
        &format!("{} {options}", moving("320x180", "25", 9)),
    ))
    .await;
    assert!(media.start > 100_000_000);
}

#[tokio::test]
async fn a_variable_frame_rate_keeps_every_frame_at_its_time() {
    // Every third frame is missing for a while, and the first ones come unevenly.
    let options = "-vf select='not(eq(mod(n,3),1)*between(t,2,6))' -fps_mode passthrough -enc_time_base 1/90000";
    let source = Source::make(
        "a.mp4",
        &format!("{} {options} {X264} -bf 2", moving("320x180", "30", 9)),
    );
    let media = check(&source).await;
    assert!(media.video.unwrap().variable_frame_rate);
}

#[tokio::test]
async fn the_same_chunk_has_the_same_bytes_every_time() {
    let source = Source::make("a.mp4", &format!("{} {X264}", moving("320x180", "25", 8)));
    let media = source.probe().await;
    let plan = plan(&media, 1, 3);
    let span = &plan.chunks[1];
    let first = encode(&source, &media, &plan, span).await;
    assert!(first == encode(&source, &media, &plan, span).await);
}

#[tokio::test]
async fn a_span_behind_the_last_picture_has_no_files() {
    let source = Source::make("a.mp4", &format!("{} {X264}", moving("320x180", "25", 4)));
    let mut media = source.probe().await;
    // As if the sound went on.
    media.duration = cidcast_types::Micros::from_secs(12);
    media.video.as_mut().unwrap().duration = None;
    let plan = plan(&media, 1, 3);
    let span = plan.chunks.last().unwrap();
    assert!(encode(&source, &media, &plan, span).await.is_empty());
}

#[tokio::test]
async fn a_hole_in_the_pictures_leaves_no_hole_in_the_segments() {
    let options = "-vf select='not(between(n,70,79))' -fps_mode passthrough";
    let source = Source::make(
        "a.mp4",
        &format!("{} {options} {X264}", moving("320x180", "25", 9)),
    );
    let mut media = source.probe().await;
    media.video.as_mut().unwrap().variable_frame_rate = false;
    media.video.as_mut().unwrap().frame_rate = cidcast_media::source::Rational { num: 25, den: 1 };
    let plan = plan(&media, 1, 3);
    for chunks in encode_all(&source, &media, &plan).await {
        let frames: u32 = chunks
            .iter()
            .flat_map(|chunk| parse(chunk).fragments)
            .map(|part| part.frames)
            .sum();
        assert_eq!(frames, 9 * 25);
    }
}
