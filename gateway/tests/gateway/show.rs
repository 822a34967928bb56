//! A small title: one picture and one sound rendition with real initialisation segments.

use cidcast_catalog::{Asset, NewAsset, NewInit, NewSegment, NewUnit, Source, UnitName};
use cidcast_media::hls::{Kind, master, media, package_uri};
use cidcast_media::layout;
use cidcast_media::mp4::InitInfo;
use cidcast_media::package::{Presentation, SegmentMeta, Track, TrackKind};
use cidcast_media::plan::{
    AudioCodec, AudioRendition, Plan, SegmentRule, VideoCodec, VideoRendition,
};
use cidcast_media::source::{Rational, SourceMedia};
use cidcast_types::{AssetId, Cid, Micros, Timestamp, Visibility};

use crate::world::World;

pub(crate) const VIDEO_INIT: &[u8] = include_bytes!("../fixtures/video-init.mp4");
pub(crate) const AUDIO_INIT: &[u8] = include_bytes!("../fixtures/audio-init.mp4");

const FRAME_RATE: Rational = Rational { num: 25, den: 1 };
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn plan() -> Plan {
    Plan {
        version: 1,
        encoder: "test".to_owned(),
        video: vec![VideoRendition {
            name: "180p".parse().unwrap(),
            codec: VideoCodec::H264,
            width: 320,
            height: 180,
            crf: 23,
            max_bitrate: 500_000,
            buffer_size: 1_000_000,
            preset: "veryfast".to_owned(),
            frame_rate: FRAME_RATE,
        }],
        audio: vec![AudioRendition {
            name: "audio".parse().unwrap(),
            codec: AudioCodec::Aac,
            stream: 1,
            channels: 1,
            sample_rate: 48_000,
            bitrate: 96_000,
            language: None,
        }],
        segments: SegmentRule {
            duration: Micros::from_secs(4),
            frames: Some(100),
        },
        chunks: Vec::new(),
    }
}

/// The bytes of a segment: nothing that plays, but known as MP4 by its first box.
pub(crate) fn segment(rendition: &str, index: u32) -> Vec<u8> {
    [
        b"\0\0\0\x18stypmsdh",
        format!("{rendition}/{index}").as_bytes(),
    ]
    .concat()
}

fn four_seconds(init: &[u8]) -> u64 {
    u64::from(InitInfo::parse(init).unwrap().timescale) * 4
}

fn track(kind: TrackKind, init: &[u8], segments: usize) -> Track {
    let meta = SegmentMeta {
        duration: four_seconds(init),
        bytes: 20,
    };
    Track {
        kind,
        init: InitInfo::parse(init).unwrap(),
        segments: vec![meta; segments],
    }
}

/// The files of a finished package with three segments of each rendition.
pub(crate) fn package() -> Vec<(String, Vec<u8>)> {
    let plan = plan();
    let tracks = vec![
        track(TrackKind::Video(plan.video[0].clone()), VIDEO_INIT, 3),
        track(TrackKind::Audio(plan.audio[0].clone()), AUDIO_INIT, 3),
    ];
    let mut files = vec![
        ("poster.jpg".to_owned(), b"\xff\xd8\xffjpeg".to_vec()),
        ("manifest.mpd".to_owned(), b"<MPD/>".to_vec()),
    ];
    for (track, init) in tracks.iter().zip([VIDEO_INIT, AUDIO_INIT]) {
        let (branch, name) = (track.branch(), track.name());
        files.push((layout::init(branch, name), init.to_vec()));
        let playlist = media(track, Kind::Vod, plan.segments.longest(), package_uri);
        files.push((layout::playlist(branch, name), playlist.into_bytes()));
        for index in 0..3 {
            files.push((
                layout::segment(branch, name, index),
                segment(name.as_str(), index),
            ));
        }
    }
    let master = master(&Presentation { tracks });
    files.push((layout::MASTER.to_owned(), master.into_bytes()));
    files
}

impl World {
    /// A package that no pin refers to.
    pub(crate) fn add_package(&self) -> Cid {
        let files = package();
        let files: Vec<_> = files
            .iter()
            .map(|(path, bytes)| (&**path, &**bytes))
            .collect();
        self.add_tree(&files)
    }

    /// An asset that waits for a worker.
    pub(crate) async fn asset(&self, visibility: Visibility) -> Asset {
        let new = NewAsset {
            id: AssetId::from_parts(NOW, u128::from(visibility as u8) + 1),
            title: "A title".to_owned(),
            description: String::new(),
            tags: Vec::new(),
            visibility,
            source: Source {
                name: "a.mp4".to_owned(),
                bytes: 1,
                cid: self.add(b"source"),
            },
            created_at: NOW,
        };
        self.catalog.create(&new).await.unwrap()
    }

    /// An asset whose plan is known.
    pub(crate) async fn planned(&self, visibility: Visibility) -> Asset {
        let asset = self.asset(visibility).await;
        let media = SourceMedia {
            container: "mov".to_owned(),
            duration: Micros::from_secs(12),
            start: 0,
            bytes: 1,
            video: None,
            audio: Vec::new(),
            cover: None,
        };
        self.catalog
            .save_plan(&asset.id, &media, &plan(), NOW)
            .await
            .unwrap();
        self.catalog.get(&asset.id).await.unwrap().unwrap()
    }

    /// Saves a unit of `asset` with the segments `range` of one rendition; answers their CIDs.
    pub(crate) async fn unit(
        &self,
        asset: &Asset,
        name: UnitName,
        range: std::ops::Range<u32>,
    ) -> Vec<Cid> {
        let (rendition, init) = match name {
            UnitName::Chunk(_) => ("180p", VIDEO_INIT),
            UnitName::Audio(_) | UnitName::AudioSoFar(_) => ("audio", AUDIO_INIT),
        };
        let files: Vec<(u32, Cid)> = range
            .map(|index| (index, self.add(&segment(rendition, index))))
            .collect();
        let new_segment = |(index, cid): &(u32, Cid)| NewSegment {
            rendition: rendition.parse().unwrap(),
            index: *index,
            cid: *cid,
            bytes: 20,
            duration: four_seconds(init),
            timescale: InitInfo::parse(init).unwrap().timescale,
        };
        let unit = NewUnit {
            name,
            root: self.add(b"unit"),
            bytes: 1,
            inits: vec![NewInit {
                rendition: rendition.parse().unwrap(),
                cid: self.add(init),
                bytes: init.len() as u64,
                info: "{}".to_owned(),
            }],
            segments: files.iter().map(new_segment).collect(),
        };
        let key = asset.plan.as_ref().unwrap().key();
        self.catalog
            .save_unit(&asset.source.cid, &key, &unit)
            .await
            .unwrap();
        files.into_iter().map(|(_, cid)| cid).collect()
    }
}

/// The time at which everything here happens.
pub(crate) fn now() -> Timestamp {
    NOW
}
