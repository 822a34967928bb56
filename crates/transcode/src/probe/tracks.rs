//! From ffprobe's report to [`SourceMedia`].

use cidcast_media::source::{AudioTrack, Rational, SourceMedia, VideoTrack};
use cidcast_types::Micros;

use super::ProbeError;
use super::look::{Decoded, Look, Packet};
use super::rate::{self, Pace};
use super::report::{Report, Stream, micros, rational};
use crate::timeline;

/// Sound tracks beyond these are not looked at: nothing is made of them.
const MOST_SOUND_TRACKS: usize = 16;

/// Up to this size every packet is read.
const READ_WHOLE: u64 = 64 * 1024 * 1024;

/// Decoded to find the first picture; a transport stream may begin long before a key frame.
const FIRST_PACKETS: u32 = 32;
const MORE_PACKETS: u32 = 1200;

/// What is made of a file: its picture and sound tracks, and when they begin and end.
pub(super) async fn describe(
    look: &Look<'_>,
    report: &Report,
    bytes: u64,
) -> Result<SourceMedia, ProbeError> {
    let pictures = async {
        match picture_stream(report) {
            Some(stream) => pictures(look, report, stream, bytes).await.map(Some),
            None => Ok(None),
        }
    };
    let (pictures, (audio, sound)) = tokio::try_join!(pictures, sound_tracks(look, report))?;
    let cover = report
        .streams
        .iter()
        .find(|stream| stream.is_cover())
        .map(|s| s.index);
    if pictures.is_none() && audio.is_empty() {
        return Err(ProbeError::NoTracks);
    }
    let sound = match (&pictures, sound) {
        (None, Some(span)) if span.end <= span.start => {
            // Nothing states a length: read to the end.
            let stream = audio.first().map_or(0, |track| track.stream);
            let read = span_of(&look.packets(stream, None).await?);
            read.map(|read| Span {
                start: span.start,
                end: read.end,
            })
        }
        (_, sound) => sound,
    };
    let start = pictures.as_ref().map(|found| found.span.start);
    let start = start.or(sound.map(|span| span.start)).unwrap_or(0);
    let ends = [
        pictures.as_ref().map(|found| found.span.end),
        sound.map(|span| span.end),
    ];
    let end = ends.into_iter().flatten().max().unwrap_or(start);
    let duration = Micros(end.saturating_sub(start).try_into().unwrap_or(0));
    if duration == Micros::ZERO {
        return Err(ProbeError::NoDuration);
    }
    Ok(SourceMedia {
        container: report.format.format_name.clone(),
        duration,
        start,
        bytes,
        video: pictures.map(|found| found.track),
        audio,
        cover,
    })
}

/// When a track is shown or heard, in microseconds on the file's own time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: i64,
    end: i64,
}

fn span_of(packets: &[Packet]) -> Option<Span> {
    let start = packets.iter().map(|packet| packet.time).min()?;
    let end = packets
        .iter()
        .map(|packet| packet.time.saturating_add(packet.duration))
        .max()?;
    Some(Span { start, end })
}

struct Pictures {
    track: VideoTrack,
    span: Span,
}

/// The default picture track, or the first one. Cover art is none.
fn picture_stream(report: &Report) -> Option<&Stream> {
    let mut tracks = report
        .streams
        .iter()
        .filter(|s| s.is("video") && !s.is_cover());
    let first = tracks.clone().next();
    tracks
        .find(|stream| stream.disposition.default != 0)
        .or(first)
}

async fn pictures(
    look: &Look<'_>,
    report: &Report,
    stream: &Stream,
    bytes: u64,
) -> Result<Pictures, ProbeError> {
    const WHAT: &str = "pictures";
    let (mut decoded, packets) = tokio::try_join!(
        look.decode(stream.index, FIRST_PACKETS),
        picture_packets(look, report, stream, bytes),
    )?;
    if decoded == Decoded::Nothing {
        decoded = look.decode(stream.index, MORE_PACKETS).await?;
    }
    let start = match decoded {
        Decoded::From(start) => start,
        Decoded::Nothing => return Err(ProbeError::Damaged { what: WHAT }),
        Decoded::Unsupported => {
            let codec = stream.codec().to_owned();
            return Err(ProbeError::UnsupportedCodec { what: WHAT, codec });
        }
    };
    let (width, height) = stream
        .displayed()
        .ok_or(ProbeError::Damaged { what: WHAT })?;
    let times: Vec<i64> = packets.iter().map(|packet| packet.time).collect();
    let stated = [&stream.avg_frame_rate, &stream.r_frame_rate];
    let stated: Vec<Rational> = stated
        .into_iter()
        .flatten()
        .filter_map(|r| rational(r))
        .collect();
    let pace = rate::judge(&times, &stated);
    let span = Span {
        start,
        end: end_of(&times, start, pace, stated_end(report, stream)),
    };
    reaches_as_far_as_stated(report, stream, span)?;
    let track = VideoTrack {
        stream: stream.index,
        codec: stream.codec().to_owned(),
        width,
        height,
        frame_rate: pace.rate,
        variable_frame_rate: pace.variable,
        pixel_format: stream.pix_fmt.clone().unwrap_or_default(),
        bitrate: stream
            .bit_rate
            .as_deref()
            .and_then(|text| text.parse().ok()),
        start: Micros::ZERO,
        duration: Some(Micros(
            span.end.saturating_sub(start).try_into().unwrap_or(0),
        )),
    };
    Ok(Pictures { track, span })
}

/// Where the last frame ends. On a grid it lasts as long as any other; elsewhere the file may
/// know.
fn end_of(times: &[i64], start: i64, pace: Pace, stated: Option<i64>) -> i64 {
    /// No frame is believed to be shown for longer.
    const LONGEST: i64 = 10_000_000;
    let frame = i64::from(pace.rate.den) * 1_000_000 / i64::from(pace.rate.num);
    let last = times.iter().copied().max().unwrap_or(start).max(start);
    if !pace.variable {
        // To the microsecond, whatever the container rounds to.
        let shown = Micros(last.abs_diff(start));
        let count = timeline::frames_in(pace.rate, shown) + 1;
        return start.saturating_add_unsigned(timeline::frame_time(pace.rate, count).0);
    }
    let lasts = stated.map(|end| end.saturating_sub(last));
    let lasts = lasts.filter(|lasts| (1..=LONGEST).contains(lasts));
    last.saturating_add(lasts.unwrap_or(frame))
}

/// All packets of a small file; of a large one those of the beginning, the middle and the end, or
/// all if its end cannot be reached by a seek.
async fn picture_packets(
    look: &Look<'_>,
    report: &Report,
    stream: &Stream,
    bytes: u64,
) -> Result<Vec<Packet>, ProbeError> {
    const AROUND: i64 = 10_000_000;
    let stated = stated_end(report, stream);
    let windows = stated.filter(|end| bytes > READ_WHOLE && *end > 8 * AROUND);
    if let Some(end) = windows {
        let second = |micros: i64| micros / 1_000_000;
        let (middle, tail) = (second(end / 2), second(end - AROUND));
        let intervals = format!("%+10,{middle}%+10,{tail}%");
        let packets = look.packets(stream.index, Some(&intervals)).await?;
        let reached = packets.iter().map(|packet| packet.time).max().unwrap_or(0);
        if reached > end - AROUND {
            return Ok(packets);
        }
    }
    look.packets(stream.index, None).await
}

/// When the headers say that the track ends, on the file's time line.
fn stated_end(report: &Report, stream: &Stream) -> Option<i64> {
    let time = |text: &Option<String>| text.as_deref().and_then(micros);
    let length = time(&stream.duration).or_else(|| time(&report.format.duration))?;
    let start = time(&stream.start_time).or_else(|| time(&report.format.start_time));
    Some(start.unwrap_or(0).saturating_add(length)).filter(|_| length > 0)
}

/// A track of its own stated length that ends long before it: its file was cut off.
fn reaches_as_far_as_stated(
    report: &Report,
    stream: &Stream,
    span: Span,
) -> Result<(), ProbeError> {
    if stream.duration.is_none() {
        return Ok(());
    }
    let Some(stated) = stated_end(report, stream) else {
        return Ok(());
    };
    // Edit lists and padding make headers off by a little.
    let slack = (stated.saturating_sub(span.start) / 10).max(2_000_000);
    if span.end.saturating_add(slack) < stated {
        let seconds = |time: i64| time.saturating_sub(span.start) / 1_000_000;
        let what = format!(
            "pictures end after {} of {} seconds",
            seconds(span.end),
            seconds(stated)
        );
        return Err(ProbeError::Truncated { what });
    }
    Ok(())
}

/// The sound tracks that can be decoded, and the span of them all.
async fn sound_tracks(
    look: &Look<'_>,
    report: &Report,
) -> Result<(Vec<AudioTrack>, Option<Span>), ProbeError> {
    let (mut tracks, mut refused) = (Vec::new(), None);
    let mut span: Option<Span> = None;
    let streams = report.streams.iter().filter(|stream| stream.is("audio"));
    for stream in streams.take(MOST_SOUND_TRACKS) {
        let decoded = look.decode(stream.index, FIRST_PACKETS).await?;
        let (Decoded::From(start), Some(track)) = (&decoded, sound_track(stream)) else {
            refused.get_or_insert((stream.codec().to_owned(), decoded));
            continue;
        };
        tracks.push(track);
        let end = stated_end(report, stream).unwrap_or(*start);
        let widest = span.map_or((*start, end), |span| {
            (span.start.min(*start), span.end.max(end))
        });
        span = Some(Span {
            start: widest.0,
            end: widest.1,
        });
    }
    match refused {
        // A second track in a format of the maker's own is common; the first one plays.
        Some((codec, Decoded::Unsupported)) if tracks.is_empty() => {
            Err(ProbeError::UnsupportedCodec {
                what: "sound",
                codec,
            })
        }
        Some((_, Decoded::From(_))) if tracks.is_empty() => {
            Err(ProbeError::Damaged { what: "sound" })
        }
        _ => Ok((tracks, span)),
    }
}

fn sound_track(stream: &Stream) -> Option<AudioTrack> {
    let sample_rate = stream.sample_rate.as_deref()?.parse().ok()?;
    let channels = stream.channels?;
    (channels > 0 && sample_rate > 0).then(|| AudioTrack {
        stream: stream.index,
        codec: stream.codec().to_owned(),
        channels,
        sample_rate,
        language: stream.tags.language.clone(),
    })
}
