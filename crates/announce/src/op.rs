//! What an announcement says.

use cid::Cid;
use cidcast_types::{AssetId, RenditionName, RootCid, Timestamp};

use crate::field::{self, Checked, Problem, refuse};

/// Most operations in one announcement.
pub(crate) const MAX_OPS: usize = 1024;
const MAX_TITLE: usize = 200;
const MAX_DESCRIPTION: usize = 10_000;
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 50;
const MAX_RENDITIONS: usize = 32;
const MAX_REASON: usize = 1000;
const MAX_NAME: usize = 100;
const MAX_ABOUT: usize = 2000;
const MAX_NODES: usize = 16;
const MAX_SEGMENTS: usize = 1024;
/// Most copies that a publisher may wish for.
const MAX_COPIES: u64 = 1000;

/// One operation. Operations of an announcement are in order; a later one on an asset replaces an
/// earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// An asset is public, or what is said about it has changed.
    Publish(Box<Publish>),
    /// An asset is public no longer, and its copies are to go.
    Retract(Retract),
    /// Who the publisher is, and where its nodes are.
    Profile(Profile),
    /// Where the feed's state at an earlier number can be had.
    Snapshot(Snapshot),
    /// Of a later minor version. It has no effect here and cannot be signed here.
    Unknown {
        /// Its name.
        kind: String,
    },
}

/// An asset, complete: it replaces everything that was said about the asset before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Its id at the publisher; with the publisher, unique.
    pub asset: AssetId,
    /// The CID of the package: CIDv1, dag-pb, SHA2-256.
    pub root: RootCid,
    /// 1 to 200 characters.
    pub title: String,
    /// At most 10,000 characters.
    pub description: String,
    /// At most 20, each of 1 to 50 characters.
    pub tags: Vec<String>,
    /// When the asset was made.
    pub created_at: Timestamp,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Of all blocks of the package.
    pub bytes: u64,
    /// At most 32, each with another name or kind.
    pub renditions: Vec<Rendition>,
    /// A picture: path inside the package.
    pub poster: Option<String>,
    /// Language tag (BCP 47).
    pub language: Option<String>,
    /// How many copies the publisher wishes for.
    pub replication: Replication,
    /// Whether view counts are to be sent to the publisher.
    pub views: ViewSharing,
}

/// One encoding of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// `720p`, `audio`
    pub name: RenditionName,
    /// Pictures or sound.
    pub kind: MediaKind,
    /// Of its files.
    pub bytes: u64,
    /// Its folder inside the package.
    pub path: String,
}

/// What a rendition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Pictures.
    Video {
        /// Pixels, at least 1.
        width: u32,
        /// Pixels, at least 1.
        height: u32,
    },
    /// Sound.
    Audio,
}

/// How many copies a publisher wishes for, its own among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replication {
    /// Fewer are too few.
    pub min: u32,
    /// More are not needed. At least `min`, at most 1000.
    pub max: u32,
}

/// Whether nodes send their view counts to the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewSharing {
    /// Daily totals may be sent.
    Share,
    /// Counts stay where they are.
    Keep,
}

/// An asset is public no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retract {
    /// Which.
    pub asset: AssetId,
    /// For people; at most 1000 characters, possibly none.
    pub reason: String,
}

/// Who a publisher is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// At most 100 characters, possibly none.
    pub name: String,
    /// At most 2000 characters, possibly none.
    pub about: String,
    /// Multiaddresses with `/p2p/…` of its nodes; at most 16.
    pub nodes: Vec<String>,
    /// Its web app.
    pub web: Option<String>,
}

/// The state of a feed at an earlier number, as blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last announcement that is in it. Earlier than the announcement with this operation.
    pub seq: u64,
    /// The CID of that announcement: what the next one's `prev` names.
    pub head: Cid,
    /// Its segments, in order; at most 1024.
    pub segments: Vec<Cid>,
}

impl Op {
    /// The asset that it is about, if it is about one.
    pub fn asset(&self) -> Option<AssetId> {
        match self {
            Self::Publish(publish) => Some(publish.asset),
            Self::Retract(retract) => Some(retract.asset),
            Self::Profile(_) | Self::Snapshot(_) | Self::Unknown { .. } => None,
        }
    }

    pub(crate) fn check(&self) -> Checked {
        match self {
            Self::Publish(publish) => publish.check(),
            Self::Retract(retract) => field::text("reason", &retract.reason, MAX_REASON),
            Self::Profile(profile) => profile.check(),
            Self::Snapshot(snapshot) => snapshot.check(),
            Self::Unknown { kind } => field::kind_name(kind),
        }
    }
}

impl Publish {
    fn check(&self) -> Checked {
        field::root("root", &self.root.cid())?;
        field::not_empty("title", &self.title)?;
        field::text("title", &self.title, MAX_TITLE)?;
        field::text("description", &self.description, MAX_DESCRIPTION)?;
        field::at_most("tags", &self.tags, MAX_TAGS)?;
        for tag in &self.tags {
            field::not_empty("tags", tag)?;
            field::text("tags", tag, MAX_TAG)?;
        }
        field::integer("created_at", self.created_at.as_millis())?;
        field::integer("duration_ms", self.duration_ms)?;
        field::integer("bytes", self.bytes)?;
        self.check_renditions()?;
        if let Some(poster) = &self.poster {
            field::path("poster", poster)?;
        }
        if let Some(language) = &self.language {
            field::language("language", language)?;
        }
        self.replication.check()
    }

    fn check_renditions(&self) -> Checked {
        field::at_most("renditions", &self.renditions, MAX_RENDITIONS)?;
        for (n, rendition) in self.renditions.iter().enumerate() {
            rendition.check()?;
            let same = |other: &Rendition| other.path == rendition.path;
            let repeated = self.renditions.iter().take(n).any(same);
            field::expect("renditions", "of different paths", !repeated)?;
        }
        Ok(())
    }
}

impl Rendition {
    fn check(&self) -> Checked {
        field::integer("bytes", self.bytes)?;
        field::path("path", &self.path)?;
        match self.kind {
            MediaKind::Video { width, height } => {
                field::expect("width", "at least 1", width > 0)?;
                field::expect("height", "at least 1", height > 0)
            }
            MediaKind::Audio => Ok(()),
        }
    }
}

impl Replication {
    fn check(self) -> Checked {
        field::expect("min", "at most `max`", self.min <= self.max)?;
        if u64::from(self.max) > MAX_COPIES {
            return refuse("max", Problem::TooLarge(MAX_COPIES));
        }
        Ok(())
    }
}

impl Profile {
    fn check(&self) -> Checked {
        field::text("name", &self.name, MAX_NAME)?;
        field::text("about", &self.about, MAX_ABOUT)?;
        field::at_most("nodes", &self.nodes, MAX_NODES)?;
        for node in &self.nodes {
            field::node_address("nodes", node)?;
        }
        match &self.web {
            Some(web) => field::url("web", web),
            None => Ok(()),
        }
    }
}

impl Snapshot {
    pub(crate) fn check(&self) -> Checked {
        field::integer("seq", self.seq)?;
        field::link("head", &self.head)?;
        field::at_most("segments", &self.segments, MAX_SEGMENTS)?;
        for segment in &self.segments {
            field::link("segments", segment)?;
        }
        Ok(())
    }
}
