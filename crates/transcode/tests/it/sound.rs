//! Sound starts with the pictures and stays with them.

use bytes::Bytes;
use cidcast_media::plan::Plan;
use cidcast_media::source::SourceMedia;
use cidcast_transcode::{AudioJob, EncodeError};
use cidcast_types::Micros;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Source, TOOLS, boxes, child, parse, plan, tool};

const PICTURES: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=8";
const CODECS: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

/// One beep of a tenth of a second at the start of every second.
fn beeps(rate: u32, seconds: u32) -> String {
    format!(
        "-f lavfi -i aevalsrc='if(lt(mod(t,1),0.1),0.8*sin(2*PI*1000*t),0)':s={rate}:d={seconds}"
    )
}

async fn encode(source: &Source, media: &SourceMedia, plan: &Plan) -> Vec<u8> {
    let (parts, mut received) = mpsc::channel::<Bytes>(2);
    let job = AudioJob {
        source: &source.path,
        media,
        rendition: &plan.audio[0],
        segment_duration: plan.segments.duration,
    };
    let cancel = CancellationToken::new();
    let collect = async {
        let mut whole = Vec::new();
        while let Some(part) = received.recv().await {
            whole.extend_from_slice(&part);
        }
        whole
    };
    let (ended, whole) = tokio::join!(TOOLS.encode_audio(job, parts, |_| {}, &cancel), collect);
    ended.unwrap();
    whole
}

/// Samples of the first channel as a player hears them: by the edit list, from time 0 on.
fn heard(source: &Source, whole: &[u8]) -> Vec<f32> {
    std::fs::write(source.folder.path().join("sound.mp4"), whole).unwrap();
    let command =
        "-y -copyts -i sound.mp4 -af aresample=48000:async=1:first_pts=0 -ac 1 -f f32le sound.raw";
    tool("ffmpeg", command, source.folder.path());
    std::fs::read(source.folder.path().join("sound.raw"))
        .unwrap()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

/// Where sound begins after silence, in seconds.
fn onsets(samples: &[f32]) -> Vec<f64> {
    let loud: Vec<bool> = samples
        .chunks(48)
        .map(|part| part.iter().any(|sample| sample.abs() > 0.2))
        .collect();
    let mut found = Vec::new();
    let mut quiet = 50;
    for (at, loud) in loud.into_iter().enumerate() {
        if loud && quiet >= 50 {
            found.push(at as f64 / 1000.0);
        }
        quiet = if loud { 0 } else { quiet + 1 };
    }
    found
}

/// Every beep within one AAC frame of its second, and the whole as long as the presentation.
fn check(samples: &[f32], media: &SourceMedia, beeps: &[f64]) {
    const FRAME: f64 = 1024.0 / 48_000.0;
    let found = onsets(samples);
    assert_eq!(found.len(), beeps.len(), "{found:?} are not {beeps:?}");
    for (found, want) in found.iter().zip(beeps) {
        assert!((found - want).abs() < FRAME, "{found} is not {want}");
    }
    let length = samples.len() as f64 / 48_000.0;
    let want = media.duration.as_secs_f64();
    assert!(
        length - want < 2.0 * FRAME && want - length < FRAME,
        "{length} is not {want}"
    );
}

fn seconds(range: std::ops::Range<u32>) -> Vec<f64> {
    range.map(f64::from).collect()
}

#[tokio::test]
async fn sound_is_where_it_was_from_the_first_second_to_the_last() {
    for (name, codec, rate) in [
        ("a.mp4", "aac", 48_000),
        ("b.mkv", "libopus", 48_000),
        ("c.mp4", "libmp3lame", 44_100),
        ("d.mov", "pcm_s16le", 22_050),
    ] {
        let source = Source::make(
            name,
            &format!("{PICTURES} {} {CODECS} -c:a {codec}", beeps(rate, 8)),
        );
        let media = source.probe().await;
        let plan = plan(&media, 2, 4);
        let whole = encode(&source, &media, &plan).await;
        check(&heard(&source, &whole), &media, &seconds(0..8));
    }
}

#[tokio::test]
async fn fragments_run_on_and_are_about_a_segment_long() {
    let source = Source::make(
        "a.mp4",
        &format!("{PICTURES} {} {CODECS}", beeps(48_000, 8)),
    );
    let media = source.probe().await;
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    assert!(
        boxes(&whole)
            .iter()
            .all(|(kind, _)| ["ftyp", "moov", "moof", "mdat"].contains(kind))
    );
    let fragments = parse(&whole).fragments;
    assert!((4..=5).contains(&fragments.len()), "{fragments:?}");
    assert_eq!(fragments[0].decode_time, 0);
    for pair in fragments.windows(2) {
        assert_eq!(pair[0].decode_time + pair[0].duration, pair[1].decode_time);
        assert!((2 * 48_000..2 * 48_000 + 1024).contains(&(pair[0].duration as u32)));
    }
    // Priming is taken back by the edit list.
    let moov = boxes(&whole)
        .into_iter()
        .find(|(kind, _)| *kind == "moov")
        .unwrap()
        .1;
    let list = child(child(child(moov, "trak"), "edts"), "elst");
    assert_eq!(
        u32::from_be_bytes(list[list.len() - 8..list.len() - 4].try_into().unwrap()),
        1024
    );
}

#[tokio::test]
async fn sound_that_begins_late_is_late() {
    let command = format!(
        "{PICTURES} -itsoffset 1.5 {} {CODECS} -c:a aac",
        beeps(48_000, 5)
    );
    let source = Source::make("a.mkv", &command);
    let media = source.probe().await;
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    check(&heard(&source, &whole), &media, &[1.5, 2.5, 3.5, 4.5, 5.5]);
}

#[tokio::test]
async fn sound_from_before_the_first_picture_is_cut() {
    let command = format!(
        "-itsoffset 0.5 {PICTURES} {} {CODECS} -c:a aac",
        beeps(48_000, 9)
    );
    let source = Source::make("a.mkv", &command);
    let media = source.probe().await;
    assert_eq!(media.video.as_ref().unwrap().start, Micros::ZERO);
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    let beeps: Vec<f64> = (0..8).map(|n| f64::from(n) + 0.5).collect();
    check(&heard(&source, &whole), &media, &beeps);
}

#[tokio::test]
async fn a_gap_in_the_sound_does_not_move_what_follows() {
    let command = format!(
        "{PICTURES} {} {CODECS} -af aselect='not(between(t,2.2,4.5))' -c:a aac",
        beeps(48_000, 8)
    );
    let source = Source::make("a.mkv", &command);
    let media = source.probe().await;
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    check(
        &heard(&source, &whole),
        &media,
        &[0.0, 1.0, 2.0, 5.0, 6.0, 7.0],
    );
}

#[tokio::test]
async fn a_transport_stream_keeps_its_sound_in_place() {
    let command = format!(
        "{PICTURES} {} {CODECS} -c:a aac -output_ts_offset 95",
        beeps(48_000, 8)
    );
    let source = Source::make("a.ts", &command);
    let media = source.probe().await;
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    check(&heard(&source, &whole), &media, &seconds(0..8));
}

#[tokio::test]
async fn sound_alone_is_encoded_too() {
    let source = Source::make("a.flac", &beeps(44_100, 8));
    let media = source.probe().await;
    assert!(media.video.is_none());
    let plan = plan(&media, 2, 4);
    let whole = encode(&source, &media, &plan).await;
    check(&heard(&source, &whole), &media, &seconds(0..8));
    assert!(
        whole == encode(&source, &media, &plan).await,
        "the same bytes every time"
    );
}

#[tokio::test]
async fn a_receiver_that_goes_away_ends_the_encode() {
    let source = Source::make("a.flac", &beeps(44_100, 8));
    let media = source.probe().await;
    let plan = plan(&media, 2, 4);
    let (parts, received) = mpsc::channel(1);
    drop(received);
    let job = AudioJob {
        source: &source.path,
        media: &media,
        rendition: &plan.audio[0],
        segment_duration: plan.segments.duration,
    };
    let ended = TOOLS
        .encode_audio(job, parts, |_| {}, &CancellationToken::new())
        .await;
    assert!(matches!(ended, Err(EncodeError::ReceiverGone)), "{ended:?}");
}
