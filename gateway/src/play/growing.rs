//! Playback while an asset is being transcoded: playlists made from the catalog's rows.
//!
//! A media playlist lists the contiguous prefix of the rendition's segments and never takes one
//! back (RFC 8216 §4.4.3.5, `EVENT`); picture and sound grow on their own. The multivariant
//! playlist appears when each rendition has its first segment, because only then are codecs and
//! bandwidths known. The end is marked by the finished package, which replaces these playlists.

use std::collections::BTreeMap;

use cidcast_catalog::{Asset, StoredRendition, StoredSegment};
use cidcast_ipfs::unixfs::read::{self, ReadAllError};
use cidcast_media::hls::{self, Ended, Item, Kind};
use cidcast_media::layout::{self, Branch};
use cidcast_media::mp4::InitInfo;
use cidcast_media::package::{Presentation, SegmentMeta, Track, TrackKind};
use cidcast_types::{Cid, Micros, RenditionName};

use super::packaged::segment_url;
use super::{Playlist, catalog_problem};
use crate::Gateway;
use crate::content_path::ContentPath;
use crate::problem::Problem;
use crate::resolve::read_problem;

/// An initialisation segment is a few kilobytes; more than this is none of ours.
const MAX_INIT_BYTES: u64 = 64 * 1024;

/// A rendition as far as it is encoded.
struct Growing {
    track: Track,
    init: Cid,
    segments: Vec<Cid>,
}

impl Gateway {
    /// The playlist at `path` of an asset whose package does not exist yet.
    pub(super) async fn growing(
        &self,
        asset: &Asset,
        path: &ContentPath,
    ) -> Result<Playlist, Problem> {
        let plan = asset.plan.as_ref().ok_or(Problem::NotYet)?;
        let rows = self
            .in_time(self.catalog.segments(&asset.source.cid, &plan.key()))
            .await?;
        let rows = rows.map_err(|error| catalog_problem(&error))?;
        let video = plan.video.iter().cloned().map(TrackKind::Video);
        let mut kinds = video.chain(plan.audio.iter().cloned().map(TrackKind::Audio));
        let joined = path.joined();
        if joined == layout::MASTER {
            let mut presentation = Presentation::default();
            for kind in kinds {
                presentation
                    .tracks
                    .push(self.rendition(kind, &rows).await?.track);
            }
            return Ok(Playlist::new(hls::master(&presentation)));
        }
        let wanted = kinds.find(|kind| layout::playlist(Branch::from(kind), name(kind)) == joined);
        // Every other file of a package comes with the package.
        let growing = self
            .rendition(wanted.ok_or(Problem::NotYet)?, &rows)
            .await?;
        Ok(Playlist::new(event_playlist(
            &growing,
            plan.segments.longest(),
        )))
    }

    async fn rendition(
        &self,
        kind: TrackKind,
        rows: &BTreeMap<RenditionName, StoredRendition>,
    ) -> Result<Growing, Problem> {
        let stored = rows.get(name(&kind)).ok_or(Problem::NotYet)?;
        let init = stored.inits.first().ok_or(Problem::NotYet)?.cid;
        let prefix = contiguous(&stored.segments);
        if prefix.is_empty() {
            return Err(Problem::NotYet);
        }
        let meta = |row: &StoredSegment| SegmentMeta {
            duration: row.duration,
            bytes: row.bytes,
        };
        let track = Track {
            kind,
            init: self.init_info(&init).await?,
            segments: prefix.iter().map(meta).collect(),
        };
        Ok(Growing {
            track,
            init,
            segments: prefix.iter().map(|row| row.cid).collect(),
        })
    }

    async fn init_info(&self, cid: &Cid) -> Result<InitInfo, Problem> {
        let bytes = self
            .in_time(read::read_all(&self.blocks, cid, MAX_INIT_BYTES))
            .await?;
        let bytes = bytes.map_err(|error| match error {
            ReadAllError::TooLong { .. } => Problem::Malformed { cid: *cid },
            ReadAllError::Read(error) => read_problem(cid, &error),
        })?;
        InitInfo::parse(&bytes).map_err(|_| Problem::Malformed { cid: *cid })
    }
}

fn event_playlist(growing: &Growing, longest: Micros) -> String {
    let kind = Kind::Event { ended: Ended::No };
    hls::media(&growing.track, kind, longest, |item| {
        let cid = match item {
            Item::Init => Some(&growing.init),
            Item::Segment(index) => growing.segments.get(index as usize),
        };
        // `hls::media` asks for the segments of the track, which are these.
        cid.map(|cid| segment_url(cid, &hls::package_uri(item)))
            .unwrap_or_default()
    })
}

/// The segments from number 0 up to the first that is missing.
fn contiguous(segments: &[StoredSegment]) -> &[StoredSegment] {
    let sound = (0..)
        .zip(segments)
        .take_while(|(n, row)| *n == row.index)
        .count();
    segments.get(..sound).unwrap_or_default()
}

fn name(kind: &TrackKind) -> &RenditionName {
    match kind {
        TrackKind::Video(rendition) => &rendition.name,
        TrackKind::Audio(rendition) => &rendition.name,
    }
}
