//! Rows of `publishers` and `announced`, and the values that they hold.

use std::fmt::Write as _;

use cidcast_announce::{
    MediaKind, Profile, Publish, Publisher, Rendition, Replication, ViewSharing,
};

use super::hash::{announcement_cid, root_cid};
use crate::CatalogError;
use crate::feed::{AnnouncedAsset, Feed, FeedOrigin, Listing, SyncNote};
use crate::row::{count, document, parse, size, time, unreadable};

/// One row of `publishers`, column by column.
#[derive(Debug)]
pub(super) struct FeedRow {
    pub(super) id: i64,
    pub(super) key: Vec<u8>,
    pub(super) own: i64,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) nodes: String,
    pub(super) web: Option<String>,
    pub(super) have: i64,
    pub(super) known: i64,
    pub(super) head: Option<Vec<u8>>,
    pub(super) assets: i64,
    pub(super) bytes: i64,
    pub(super) forked_at: Option<i64>,
    pub(super) announced_at: Option<i64>,
    pub(super) recorded_at: Option<i64>,
    pub(super) source: Option<String>,
    pub(super) error: Option<String>,
    pub(super) failures: i64,
    pub(super) next_at: Option<i64>,
}

impl FeedRow {
    pub(super) fn into_feed(self) -> Result<Feed, CatalogError> {
        let optional_time = |column, at: Option<i64>| at.map(|at| time(column, at)).transpose();
        Ok(Feed {
            publisher: publisher_of(&self.key)?,
            origin: match self.own {
                0 => FeedOrigin::Other,
                _ => FeedOrigin::Own,
            },
            have: size("publishers.have", self.have)?,
            known: size("publishers.known", self.known)?,
            head: self
                .head
                .map(|head| announcement_cid("publishers.head", &head))
                .transpose()?,
            assets: size("publishers.assets", self.assets)?,
            bytes: size("publishers.bytes", self.bytes)?,
            forked_at: optional_time("publishers.forked_at", self.forked_at)?,
            announced_at: optional_time("publishers.announced_at", self.announced_at)?,
            recorded_at: optional_time("publishers.recorded_at", self.recorded_at)?,
            sync: SyncNote {
                source: self.source,
                error: self.error,
                failures: count("publishers.failures", self.failures)?,
                next_at: optional_time("publishers.next_at", self.next_at)?,
            },
            profile: Profile {
                name: self.name,
                about: self.about,
                nodes: document("publishers.nodes", &self.nodes)?,
                web: self.web,
            },
        })
    }
}

pub(super) fn publisher_of(key: &[u8]) -> Result<Publisher, CatalogError> {
    Publisher::from_bytes(key).map_err(|error| unreadable("publishers.key", error))
}

/// One row of `announced` with its publisher.
#[derive(Debug)]
pub(crate) struct AnnouncedRow {
    pub(crate) id: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) name: String,
    pub(crate) asset: String,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) root: Vec<u8>,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: String,
    pub(crate) created_at: i64,
    pub(crate) duration_ms: i64,
    pub(crate) bytes: i64,
    pub(crate) renditions: String,
    pub(crate) poster: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) copies_min: i64,
    pub(crate) copies_max: i64,
    pub(crate) views: i64,
    pub(crate) hidden: i64,
}

impl AnnouncedRow {
    pub(crate) fn into_asset(self) -> Result<AnnouncedAsset, CatalogError> {
        Ok(AnnouncedAsset {
            publisher: publisher_of(&self.key)?,
            publisher_name: self.name,
            seq: size("announced.seq", self.seq)?,
            at: time("announced.at", self.at)?,
            listing: match self.hidden {
                0 => Listing::Shown,
                _ => Listing::Hidden,
            },
            content: Publish {
                asset: parse("announced.asset", &self.asset)?,
                root: root_cid("announced.root", &self.root)?,
                title: self.title,
                description: self.description,
                tags: document("announced.tags", &self.tags)?,
                created_at: time("announced.created_at", self.created_at)?,
                duration_ms: size("announced.duration_ms", self.duration_ms)?,
                bytes: size("announced.bytes", self.bytes)?,
                renditions: renditions(&self.renditions)?,
                poster: self.poster,
                language: self.language,
                replication: Replication {
                    min: count("announced.copies_min", self.copies_min)?,
                    max: count("announced.copies_max", self.copies_max)?,
                },
                views: match self.views {
                    0 => ViewSharing::Keep,
                    _ => ViewSharing::Share,
                },
            },
        })
    }
}

/// Renditions in few bytes, one a line: name, width, height (0 for sound), size, and the path
/// unless it is the one that the name implies.
pub(super) fn renditions_to_text(renditions: &[Rendition]) -> String {
    let mut text = String::new();
    for rendition in renditions {
        let (width, height) = match rendition.kind {
            MediaKind::Video { width, height } => (width, height),
            MediaKind::Audio => (0, 0),
        };
        let (name, bytes) = (&rendition.name, rendition.bytes);
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{name} {width} {height} {bytes}");
        if rendition.path != implied_path(rendition.kind, name.as_str()) {
            let _ = write!(text, " {}", rendition.path);
        }
    }
    text
}

fn renditions(text: &str) -> Result<Vec<Rendition>, CatalogError> {
    const COLUMN: &str = "announced.renditions";
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(5, ' ');
            let mut next = || parts.next().unwrap_or_default();
            let (name, width, height, bytes) = (next(), next(), next(), next());
            let (width, height) = (parse(COLUMN, width)?, parse(COLUMN, height)?);
            let kind = match width {
                0 => MediaKind::Audio,
                width => MediaKind::Video { width, height },
            };
            let path = match parts.next() {
                Some(path) => path.to_owned(),
                None => implied_path(kind, name),
            };
            Ok(Rendition {
                name: parse(COLUMN, name)?,
                kind,
                bytes: parse(COLUMN, bytes)?,
                path,
            })
        })
        .collect()
}

fn implied_path(kind: MediaKind, name: &str) -> String {
    match kind {
        MediaKind::Video { .. } => format!("video/{name}"),
        MediaKind::Audio => format!("audio/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_read_back_what_was_written() {
        let of = |name: &str, kind, path: &str| Rendition {
            name: name.parse().unwrap(),
            kind,
            bytes: 5,
            path: path.to_owned(),
        };
        let video = MediaKind::Video {
            width: 4,
            height: 3,
        };
        let all = vec![
            of("720p", video, "video/720p"),
            of("audio", MediaKind::Audio, "audio/audio"),
            of("odd", video, "else where/odd"),
        ];
        assert_eq!(renditions(&renditions_to_text(&all)).unwrap(), all);
        assert_eq!(renditions("").unwrap(), []);
        assert!(renditions("720p").is_err());
    }
}
