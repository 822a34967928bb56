//! What publishers have said: real announcements, which all nodes share.

use std::collections::HashMap;

use cidcast_announce::{
    Announcement, Draft, MediaKind, Op, Publish, Publisher, Rendition, Replication, SigningKey,
    ViewSharing,
};
use cidcast_types::{AssetId, RootCid, Timestamp};

use crate::wire::Head;

/// The time at which a simulation begins, in milliseconds.
pub(super) const BEGIN: u64 = 1_780_000_000_000;

/// An announcement: whose, and its number.
pub(super) type Said = (usize, u64);

/// The feeds of all publishers.
pub(super) struct Histories {
    whose: HashMap<Publisher, usize>,
    keys: Vec<SigningKey>,
    said: Vec<Vec<Announcement>>,
}

impl Histories {
    pub(super) fn new(publishers: usize, length: usize) -> Self {
        let key = |n: usize| {
            let mut seed = [1; 32];
            seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
            SigningKey::from_seed(seed)
        };
        let mut histories = Self {
            whose: HashMap::new(),
            keys: (0..publishers).map(key).collect(),
            said: vec![Vec::new(); publishers],
        };
        // In the order of their keys, as lists of heads are.
        histories.keys.sort_by_key(SigningKey::publisher);
        for whose in 0..publishers {
            histories.whose.insert(histories.publisher(whose), whose);
            for _ in 0..length {
                histories.say(whose, BEGIN);
            }
        }
        histories
    }

    /// One more, of one asset.
    pub(super) fn say(&mut self, whose: usize, at: u64) -> Said {
        let feed = &mut self.said[whose];
        let draft = Draft {
            seq: feed.len() as u64,
            prev: feed.last().map(Announcement::cid),
            at: Timestamp::from_millis(at),
            ops: vec![Op::Publish(Box::new(asset(feed.len() as u64)))],
        };
        let signed = Announcement::sign(&self.keys[whose], draft);
        feed.push(signed.expect("within the bounds"));
        (whose, feed.len() as u64 - 1)
    }

    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    pub(super) fn publisher(&self, whose: usize) -> Publisher {
        self.keys[whose].publisher()
    }

    pub(super) fn whose(&self, publisher: &Publisher) -> Option<usize> {
        self.whose.get(publisher).copied()
    }

    pub(super) fn feed(&self, whose: usize) -> &[Announcement] {
        &self.said[whose]
    }

    /// What a node says that has so many of them.
    pub(super) fn head(&self, whose: usize, count: u64) -> Head {
        let last = count.checked_sub(1).map(|seq| self.get((whose, seq)));
        Head {
            publisher: self.publisher(whose),
            count,
            newest: last.map(Announcement::cid),
        }
    }

    pub(super) fn get(&self, (whose, seq): Said) -> &Announcement {
        &self.said[whose][seq as usize]
    }

    pub(super) fn bytes(&self, said: Said) -> u64 {
        self.get(said).bytes().len() as u64
    }
}

/// A title as they are.
fn asset(n: u64) -> Publish {
    let root = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    let rendition = |name: &str, kind, folder: &str| Rendition {
        name: name.parse().expect("a name"),
        kind,
        bytes: 12_000_000,
        path: format!("{folder}/{name}"),
    };
    let video = |width, height| MediaKind::Video { width, height };
    Publish {
        asset: AssetId::from_parts(Timestamp::from_millis(BEGIN), u128::from(n)),
        root: root.parse::<RootCid>().expect("a CID"),
        title: format!("A title of usual length, number {n}"),
        description: "What the asset is about, in a few sentences. ".repeat(6),
        tags: vec!["documentary".to_owned(), "open".to_owned()],
        created_at: Timestamp::from_millis(BEGIN),
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
