//! What is read out of sources, and what is refused.

use cidcast_media::source::Rational;
use cidcast_transcode::{ProbeError, ProbeLimits};
use cidcast_types::Micros;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Source, TOOLS, tool};

const PICTURES: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=6";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=6";
const CODECS: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

async fn refused(source: &Source) -> ProbeError {
    let limits = ProbeLimits::default();
    let error = TOOLS
        .probe(&source.path, &limits, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert!(error.to_string().contains(':'), "says what to do: {error}");
    error
}

/// The first part of another source.
fn cut(source: &Source, name: &str, part: f64) -> Source {
    let bytes = std::fs::read(&source.path).unwrap();
    Source::of_bytes(name, &bytes[..(bytes.len() as f64 * part) as usize])
}

#[tokio::test]
async fn pictures_and_sound() {
    let source = Source::make(
        "a.mp4",
        &format!("{PICTURES} {SOUND} {CODECS} -metadata:s:a language=deu"),
    );
    let media = source.probe().await;
    let video = media.video.unwrap();
    assert_eq!(
        (video.width, video.height, video.codec.as_str()),
        (160, 90, "h264")
    );
    assert_eq!(
        (video.frame_rate, video.variable_frame_rate),
        (Rational { num: 25, den: 1 }, false)
    );
    assert_eq!(video.duration, Some(Micros::from_secs(6)));
    assert_eq!(media.audio.len(), 1);
    let audio = &media.audio[0];
    assert_eq!(
        (audio.stream, audio.channels, audio.sample_rate),
        (1, 1, 44_100)
    );
    assert_eq!(audio.language.as_deref(), Some("deu"));
    assert!(
        media.duration.0.abs_diff(6_000_000) < 50_000,
        "{:?}",
        media.duration
    );
    assert_eq!(media.bytes, std::fs::metadata(&source.path).unwrap().len());
}

#[tokio::test]
async fn no_sound() {
    let media = Source::make(
        "a.webm",
        &format!("{PICTURES} -c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
    )
    .probe()
    .await;
    assert!(media.audio.is_empty());
    assert_eq!(media.video.unwrap().codec, "vp9");
}

#[tokio::test]
async fn several_sound_tracks() {
    let options = "-map 0:v -map 1:a -map 1:a -ac:a:1 6 -metadata:s:a:1 language=fra";
    let media = Source::make("a.mkv", &format!("{PICTURES} {SOUND} {options} {CODECS}"))
        .probe()
        .await;
    let tracks: Vec<_> = media
        .audio
        .iter()
        .map(|track| (track.stream, track.channels))
        .collect();
    assert_eq!(tracks, [(1, 1), (2, 6)]);
    assert_eq!(media.audio[1].language.as_deref(), Some("fra"));
}

#[tokio::test]
async fn cover_art_is_not_a_picture_track() {
    let command = format!(
        "{SOUND} -f lavfi -i color=red:size=64x64:duration=1 -map 0 -map 1 -frames:v 1 -c:v mjpeg -disposition:v attached_pic -c:a aac"
    );
    let media = Source::make("a.m4a", &command).probe().await;
    assert!(media.video.is_none());
    assert_eq!(media.cover, Some(1));
    assert_eq!(media.audio.len(), 1);
}

#[tokio::test]
async fn stretched_pixels_become_square() {
    let media = Source::make(
        "a.mp4",
        &format!("{PICTURES} -vf scale=180:144,setsar=16/15 {CODECS}"),
    )
    .probe()
    .await;
    let video = media.video.unwrap();
    assert_eq!((video.width, video.height), (192, 144));
}

#[tokio::test]
async fn a_recording_that_does_not_say_how_long_it_is() {
    // A pipe cannot be rewound, so nothing states a length.
    let source = Source::make(
        "b.mkv",
        &format!("{PICTURES} {SOUND} {CODECS} -f matroska -live 1"),
    );
    let media = source.probe().await;
    assert!(
        media.duration.0.abs_diff(6_000_000) < 100_000,
        "{:?}",
        media.duration
    );
    let source = Source::make(
        "a.mka",
        &format!("{SOUND} -c:a libopus -f matroska -live 1"),
    );
    let media = source.probe().await;
    assert!(
        media.duration.0.abs_diff(6_000_000) < 100_000,
        "{:?}",
        media.duration
    );
}

#[tokio::test]
async fn files_that_are_no_media_are_refused() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(300_000)
    .collect();
    let text = "Dear reader, this is not a film.\n".repeat(500);
    let subtitles = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n".repeat(50);
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/etc/passwd\n#EXT-X-ENDLIST\n";
    let script = "ffconcat version 1.0\nfile /etc/passwd\n";
    for (name, bytes) in [
        ("noise.mp4", noise.as_slice()),
        ("text.txt", text.as_bytes()),
        ("words.srt", subtitles.as_bytes()),
        ("list.m3u8", playlist.as_bytes()),
        ("list.ffconcat", script.as_bytes()),
        ("page.mp4", b"<!doctype html><title>404</title>"),
        ("letter.mp4", b"x"),
    ] {
        let error = refused(&Source::of_bytes(name, bytes)).await;
        assert!(matches!(error, ProbeError::NotMedia), "{name}: {error}");
    }
    let picture = Source::make("a.png", &format!("{PICTURES} -frames:v 1"));
    assert!(matches!(refused(&picture).await, ProbeError::NotMedia));
    assert!(matches!(
        refused(&Source::of_bytes("a.mp4", b"")).await,
        ProbeError::Empty
    ));
}

#[tokio::test]
async fn subtitles_alone_are_no_tracks() {
    let words = Source::of_bytes("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    tool("ffmpeg", "-i a.srt -c:s srt b.mkv", words.folder.path());
    let source = Source {
        path: words.folder.path().join("b.mkv"),
        folder: words.folder,
    };
    assert!(matches!(refused(&source).await, ProbeError::NoTracks));
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_wherever_its_index_is() {
    let base = format!("{PICTURES} {SOUND} {CODECS}");
    for (name, options) in [
        ("a.mp4", ""),
        ("a.mov", ""),
        ("front.mp4", "-movflags +faststart"),
        ("a.mkv", ""),
        ("a.avi", "-c:a mp3"),
        (
            "fragmented.mp4",
            "-movflags +frag_keyframe+empty_moov -g 25",
        ),
    ] {
        let source = Source::make(name, &format!("{base} {options}"));
        for part in [0.5, 0.97] {
            let error = refused(&cut(&source, name, part)).await;
            assert!(
                matches!(error, ProbeError::Truncated { .. }),
                "{name} {part}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn limits_are_kept() {
    let source = Source::make("a.mp4", &format!("{PICTURES} {CODECS}"));
    let cancel = CancellationToken::new();
    let probe = async |limits: ProbeLimits| {
        TOOLS
            .probe(&source.path, &limits, &cancel)
            .await
            .unwrap_err()
    };
    let limits = ProbeLimits::default();
    let error = probe(ProbeLimits {
        max_bytes: 1000,
        ..limits
    })
    .await;
    assert!(
        matches!(error, ProbeError::TooLarge { limit: 1000, .. }),
        "{error}"
    );
    let error = probe(ProbeLimits {
        max_duration: Micros::from_secs(5),
        ..limits
    })
    .await;
    assert!(matches!(error, ProbeError::TooLong { .. }), "{error}");
    let error = probe(ProbeLimits {
        timeout: std::time::Duration::ZERO,
        ..limits
    })
    .await;
    assert!(
        matches!(error, ProbeError::Timeout { .. }) && !error.is_permanent(),
        "{error}"
    );
    cancel.cancel();
    assert!(matches!(probe(limits).await, ProbeError::Cancelled));
}

#[tokio::test]
async fn a_codec_without_a_decoder_is_named() {
    let source = Source::make("a.mp4", &format!("{PICTURES} {CODECS}"));
    let mut bytes = std::fs::read(&source.path).unwrap();
    // Another name for the sample entry: a codec that nobody knows.
    while let Some(at) = bytes.windows(4).position(|window| window == b"avc1") {
        bytes[at..at + 4].copy_from_slice(b"zzz9");
    }
    let error = refused(&Source::of_bytes("a.mp4", &bytes)).await;
    assert!(
        matches!(
            error,
            ProbeError::UnsupportedCodec {
                what: "pictures",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_there_may_come_back() {
    let path = std::path::Path::new("/nowhere/a.mp4");
    let error = TOOLS
        .probe(path, &ProbeLimits::default(), &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProbeError::Unreadable { .. }) && !error.is_permanent(),
        "{error}"
    );
}
