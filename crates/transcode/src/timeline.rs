//! How the source's time stamps become the output's, written as ffmpeg arguments.
//!
//! The output's time line starts at 0 with the first picture. Where the frame rate is constant,
//! frames sit on an exact grid (containers round time stamps to milliseconds; the grid takes
//! that back), and a chunk holds exactly the frames between two boundaries. Where it is not,
//! every frame keeps its own time.

use std::fmt::Write as _;

use cidcast_media::plan::{ChunkSpan, Plan, VideoRendition};
use cidcast_media::source::{Rational, SourceMedia};
use cidcast_types::Micros;

/// Ticks per second of sound-free, grid-free time.
const FREE_TIMESCALE: u32 = 90_000;

/// A grid's time scale lies above this, so that players have room for rounding.
const GRID_TIMESCALE: u32 = 10_000;

/// Above this a frame rate is a measuring artefact rather than a grid.
const LARGEST_TIMESCALE: u32 = 1_000_000;

/// The options every input gets: only local files, only container formats.
///
/// The list of formats keeps ffmpeg from taking playlists, scripts, texts and pictures for media:
/// some of those name further files.
pub(crate) const INPUT: &[&str] = &[
    "-protocol_whitelist",
    "file,pipe,fd",
    "-format_whitelist",
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,ogg,asf,wav,w64,\
     mp3,flac,aac,aiff,caf,mxf,rm,dv,ivf,nut,h264,hevc,obu,av1,m4v,amr,ac3,eac3,dts,ape,wv,gxf,\
     matroska,mpegtsraw,vob,svcd,dvd",
];

/// How the frames of one rendition are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// On multiples of a constant frame duration.
    Grid(Rational),
    /// Each at its own time.
    Free,
}

impl Clock {
    /// The clock that the plan means.
    pub(crate) fn of(plan: &Plan, rendition: &VideoRendition) -> Self {
        let rate = rendition.frame_rate;
        let grid = plan.segments.frames.is_some() && rate.num <= LARGEST_TIMESCALE;
        if grid { Self::Grid(rate) } else { Self::Free }
    }

    /// Ticks per second in the file: the same for all chunks, and a whole number of ticks per
    /// frame on a grid.
    pub(crate) fn timescale(self) -> u32 {
        match self {
            Self::Free => FREE_TIMESCALE,
            Self::Grid(rate) => {
                let mut timescale = rate.num;
                while timescale < GRID_TIMESCALE {
                    timescale *= 2;
                }
                timescale
            }
        }
    }

    /// The encoder's time base, as a ratio.
    pub(crate) fn time_base(self) -> String {
        match self {
            Self::Grid(rate) => format!("{}/{}", rate.den, rate.num),
            Self::Free => format!("1/{FREE_TIMESCALE}"),
        }
    }
}

/// Time of frame `number` on a grid, to the nearest microsecond.
pub(crate) fn frame_time(rate: Rational, number: u64) -> Micros {
    let (num, den) = (u128::from(rate.num), u128::from(rate.den));
    let micros = (u128::from(number) * den * 1_000_000 + num / 2) / num;
    Micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// How many frames of a grid last as long as `span`, to the nearest.
pub(crate) fn frames_in(rate: Rational, span: Micros) -> u64 {
    let (num, unit) = (u128::from(rate.num), u128::from(rate.den) * 1_000_000);
    let frames = (u128::from(span.0) * num + unit / 2) / unit;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// When the chunk's first segment begins, from the first picture on.
pub(crate) fn begins(plan: &Plan, span: &ChunkSpan) -> Micros {
    Micros(
        plan.segments
            .duration
            .0
            .saturating_mul(u64::from(span.first_segment)),
    )
}

/// Where segments begin inside a chunk without a grid, and where the next chunk begins, in seconds
/// and separated by commas.
pub(crate) fn key_times(plan: &Plan, span: &ChunkSpan) -> String {
    let mut times = begins(plan, span).to_string();
    for segment in 1..=span.segments {
        let number = u64::from(span.first_segment) + u64::from(segment);
        let _ = write!(
            times,
            ",{}",
            Micros(plan.segments.duration.0.saturating_mul(number))
        );
    }
    times
}

/// Time stamp of the first picture (without pictures: of the first sound) in the file: the zero
/// of the output's time line.
pub(crate) fn zero(media: &SourceMedia) -> i64 {
    let lead = media.video.as_ref().map_or(0, |video| video.start.0);
    media.start.saturating_add_unsigned(lead)
}

/// The filter (`setpts` or `asetpts`) that moves time stamps to the output's time line.
pub(crate) fn from_zero(media: &SourceMedia, name: &str) -> String {
    format!("{name}=PTS-({})/TB", seconds(zero(media)))
}

/// Microseconds, which may be negative, as seconds.
pub(crate) fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}", Micros(micros.unsigned_abs()))
}

/// Where to seek in the file so that every frame from `from` on is decoded: far enough before it
/// that frames which are shown early and stored late are not lost. `None`: read from the start.
pub(crate) fn seek(media: &SourceMedia, rate: Rational, from: Micros) -> Option<String> {
    /// H.264 and HEVC reorder by at most 16 frames.
    const FRAMES: u64 = 17;
    /// Transport and program streams have no index: a seek lands anywhere, and decoding starts
    /// at the next key frame, which is rarely further away than this.
    const WITHOUT_INDEX: Micros = Micros::from_secs(30);
    const LEAST: Micros = Micros(500_000);
    let indexed = ["mov", "matroska", "avi", "mxf"]
        .iter()
        .any(|name| media.container.split(',').any(|part| part == *name));
    let reorder = Micros(FRAMES * 1_000_000 * u64::from(rate.den) / u64::from(rate.num));
    let margin = if indexed {
        reorder.max(LEAST)
    } else {
        WITHOUT_INDEX
    };
    let target = from.0.checked_sub(margin.0).filter(|target| *target > 0)?;
    let target = i64::try_from(target).ok()?;
    Some(seconds(media.start.saturating_add(target)))
}
