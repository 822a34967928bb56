//! The fixtures, taken apart and put together as a package.

use std::collections::BTreeMap;

use bytes::Bytes;
use cidcast_media::asset_json::{self, AssetDocument, SourceDocument};
use cidcast_media::layout;
use cidcast_media::mp4::{InitInfo, Part, SegmentInfo, Splitter, number_segment};
use cidcast_media::package::{Presentation, SegmentMeta, Track, TrackKind};
use cidcast_media::plan::{LadderSettings, Plan};
use cidcast_media::source::{AudioTrack, Rational, SourceMedia, VideoTrack};
use cidcast_media::{dash, hls};
use cidcast_types::Micros;

pub(crate) const VIDEO_0: &[u8] = include_bytes!("fixtures/video-0.mp4");
pub(crate) const VIDEO_1: &[u8] = include_bytes!("fixtures/video-1.mp4");
pub(crate) const AUDIO: &[u8] = include_bytes!("fixtures/audio.mp4");

/// Splits a whole file.
pub(crate) fn split(file: &[u8]) -> (Bytes, Vec<Bytes>) {
    let mut splitter = Splitter::new();
    let mut parts = splitter.push(file).unwrap();
    parts.extend(splitter.finish().unwrap());
    let mut init = None;
    let mut segments = Vec::new();
    for part in parts {
        match part {
            Part::Init(bytes) => assert!(init.replace(bytes).is_none()),
            Part::Segment(bytes) => segments.push(bytes),
        }
    }
    (init.unwrap(), segments)
}

pub(crate) fn source(width: u32, height: u32, rate: Rational, duration: Micros) -> SourceMedia {
    SourceMedia {
        container: "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
        duration,
        start: 0,
        bytes: 1_000_000,
        video: Some(VideoTrack {
            stream: 0,
            codec: "h264".to_owned(),
            width,
            height,
            frame_rate: rate,
            variable_frame_rate: false,
            pixel_format: "yuv420p".to_owned(),
            bitrate: None,
            start: Micros::ZERO,
            duration: Some(duration),
        }),
        audio: vec![AudioTrack {
            stream: 1,
            codec: "aac".to_owned(),
            channels: 1,
            sample_rate: 48_000,
            language: Some("en".to_owned()),
        }],
        cover: None,
    }
}

/// The source that the fixtures were made of, and its plan.
pub(crate) fn plan() -> Plan {
    let rate = Rational { num: 25, den: 1 };
    let source = source(64, 48, rate, Micros::from_secs(6));
    let settings = LadderSettings {
        segment: Micros::from_secs(2),
        ..LadderSettings::default()
    };
    Plan::new(&source, &settings, "ffmpeg 5.1.6 x264 164").unwrap()
}

/// A package in memory.
pub(crate) struct Sample {
    pub(crate) presentation: Presentation,
    pub(crate) files: BTreeMap<String, Bytes>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let plan = plan();
        let (video_init, mut video) = split(VIDEO_0);
        video.extend(split(VIDEO_1).1);
        let (audio_init, audio) = split(AUDIO);
        let kinds = [
            (TrackKind::Video(plan.video[0].clone()), video_init, video),
            (TrackKind::Audio(plan.audio[0].clone()), audio_init, audio),
        ];
        let mut files = BTreeMap::new();
        let mut presentation = Presentation::default();
        for (kind, init, segments) in kinds {
            let mut track = Track {
                kind,
                init: InitInfo::parse(&init).unwrap(),
                segments: Vec::new(),
            };
            let (branch, name) = (track.branch(), track.name().clone());
            files.insert(layout::init(branch, &name), init);
            for (index, segment) in (0u32..).zip(segments) {
                let segment = number_segment(&segment, index).unwrap();
                let info = SegmentInfo::parse(&segment, &track.init).unwrap();
                let bytes = segment.len() as u64;
                track.segments.push(SegmentMeta {
                    duration: info.duration,
                    bytes,
                });
                files.insert(layout::segment(branch, &name, index), segment);
            }
            let playlist = hls::media(&track, hls::Kind::Vod, Micros::ZERO, hls::package_uri);
            files.insert(layout::playlist(branch, &name), playlist.into());
            presentation.tracks.push(track);
        }
        let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
            .parse()
            .unwrap();
        let document = AssetDocument::of(
            &presentation,
            &plan,
            SourceDocument {
                cid,
                bytes: 1_000_000,
            },
        );
        files.insert(layout::MASTER.to_owned(), hls::master(&presentation).into());
        files.insert(
            layout::MANIFEST.to_owned(),
            dash::manifest(&presentation).into(),
        );
        files.insert(
            layout::ASSET_JSON.to_owned(),
            asset_json::write(&document).into(),
        );
        files.insert(layout::POSTER.to_owned(), Bytes::from_static(b"jpeg"));
        Self {
            presentation,
            files,
        }
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        std::str::from_utf8(&self.files[path]).unwrap()
    }
}
