//! How many announcements one core verifies in a second: `cargo run --release -p cidcast-discovery
//! --example verification_rate`.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use cidcast_announce::{
    Announcement, Draft, MediaKind, Op, Publish, Rendition, Replication, SigningKey, ViewSharing,
};
use cidcast_types::{AssetId, RootCid, Timestamp};

/// Long enough that the clock and the first calls do not matter.
const SPAN: Duration = Duration::from_secs(5);

fn main() {
    for assets in [1, 10, 50] {
        let announcement = announcement(assets);
        let bytes = announcement.bytes();
        let verified = rate(|| {
            black_box(Announcement::verify(black_box(bytes)).expect("valid"));
        });
        println!(
            "{assets:>3} assets, {:>6} bytes: {verified:>7.0} announcements/s, {:>8.0} assets/s",
            bytes.len(),
            verified * f64::from(assets)
        );
    }
}

fn rate(mut unit: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut done = 0u32;
    while start.elapsed() < SPAN {
        unit();
        done += 1;
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}

fn announcement(assets: u32) -> Announcement {
    let ops = (0..assets).map(|n| Op::Publish(Box::new(publish(n))));
    let draft = Draft {
        seq: 0,
        prev: None,
        at: Timestamp::from_millis(1_700_000_000_000),
        ops: ops.collect(),
    };
    Announcement::sign(&SigningKey::from_seed([1; 32]), draft).expect("within bounds")
}

fn publish(n: u32) -> Publish {
    let root = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    let rendition = |name: &str, kind, folder: &str| Rendition {
        name: name.parse().expect("a name"),
        kind,
        bytes: 12_000_000,
        path: format!("{folder}/{name}"),
    };
    let video = |width, height| MediaKind::Video { width, height };
    Publish {
        asset: AssetId::from_parts(Timestamp::from_millis(u64::from(n)), u128::from(n)),
        root: root.parse::<RootCid>().expect("a CID"),
        title: format!("A title of usual length, number {n}"),
        description: "What the asset is about, in a few sentences. ".repeat(6),
        tags: vec!["documentary".to_owned(), "open".to_owned()],
        created_at: Timestamp::from_millis(1_700_000_000_000),
        duration_ms: 55_000,
        bytes: 40_000_000,
        renditions: vec![
            rendition("1080p", video(1920, 1080), "video"),
            rendition("720p", video(1280, 720), "video"),
            rendition("480p", video(854, 480), "video"),
            rendition("audio", MediaKind::Audio, "audio"),
        ],
        poster: Some("poster.jpg".to_owned()),
        language: Some("en".to_owned()),
        replication: Replication { min: 2, max: 5 },
        views: ViewSharing::Share,
    }
}
