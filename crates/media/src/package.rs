//! What has been encoded, measured: the input of playlists, manifest and `asset.json`.

use cidcast_types::{Micros, RenditionName};

use crate::layout::Branch;
use crate::mp4::InitInfo;
use crate::plan::{AudioRendition, VideoRendition};

mod bandwidth;

pub use bandwidth::Bandwidth;
pub(crate) use bandwidth::target_seconds;

/// All tracks of an asset, whole or as far as they are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presentation {
    /// Pictures best first, then sound with the default track first.
    pub tracks: Vec<Track>,
}

/// One rendition as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What was planned.
    pub kind: TrackKind,
    /// What its initialisation segment says.
    pub init: InitInfo,
    /// Its segments in order, from number 0, without gaps.
    pub segments: Vec<SegmentMeta>,
}

/// Picture or sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackKind {
    /// A picture rendition.
    Video(VideoRendition),
    /// A sound rendition.
    Audio(AudioRendition),
}

/// One segment as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentMeta {
    /// In ticks of [`InitInfo::timescale`].
    pub duration: u64,
    /// Size of the file.
    pub bytes: u64,
}

impl Presentation {
    /// The picture tracks, in order.
    pub fn video(&self) -> impl Iterator<Item = (&Track, &VideoRendition)> {
        self.tracks.iter().filter_map(|track| match &track.kind {
            TrackKind::Video(rendition) => Some((track, rendition)),
            TrackKind::Audio(_) => None,
        })
    }

    /// The sound tracks, in order.
    pub fn audio(&self) -> impl Iterator<Item = (&Track, &AudioRendition)> {
        self.tracks.iter().filter_map(|track| match &track.kind {
            TrackKind::Audio(rendition) => Some((track, rendition)),
            TrackKind::Video(_) => None,
        })
    }

    /// Length of the longest track.
    pub fn duration(&self) -> Micros {
        self.tracks
            .iter()
            .map(Track::presented)
            .max()
            .unwrap_or_default()
    }
}

impl Track {
    /// The rendition's name.
    pub fn name(&self) -> &RenditionName {
        match &self.kind {
            TrackKind::Video(rendition) => &rendition.name,
            TrackKind::Audio(rendition) => &rendition.name,
        }
    }

    /// Which folder of the package it lies in.
    pub fn branch(&self) -> Branch {
        Branch::from(&self.kind)
    }

    /// Sum of the segments' durations, in ticks.
    pub fn ticks(&self) -> u64 {
        self.segments
            .iter()
            .fold(0, |sum, segment| sum.saturating_add(segment.duration))
    }

    /// Ticks at the start of the first segment that the edit list cuts away. Only sound has them:
    /// in a picture track the edit list undoes the delay of reordering.
    pub fn priming(&self) -> u64 {
        match self.kind {
            TrackKind::Video(_) => 0,
            TrackKind::Audio(_) => self.init.edit_media_time,
        }
    }

    /// How long it plays, rounded down to microseconds.
    fn presented(&self) -> Micros {
        micros(
            self.ticks().saturating_sub(self.priming()),
            self.init.timescale,
        )
    }
}

/// `ticks` in microseconds, rounded down.
pub(crate) fn micros(ticks: u64, timescale: u32) -> Micros {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(timescale.max(1));
    Micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
