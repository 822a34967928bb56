//! A feed as this node knows it, what recording an announcement did, and what was announced.

use cidcast_announce::{Profile, Publish, Publisher};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp};

/// All that is known here about one publisher's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Whose feed.
    pub publisher: Publisher,
    /// Whether this node signs it.
    pub origin: FeedOrigin,
    /// What the publisher says about itself; empty until it has.
    pub profile: Profile,
    /// How many announcements are recorded, from number 0 on without a gap.
    pub have: u64,
    /// How many there are, as far as a signature proves. Never less than `have`.
    pub known: u64,
    /// The CID of the last one recorded.
    pub head: Option<Cid>,
    /// How many assets it announces now, the hidden ones among them.
    pub assets: u64,
    /// What it takes of its quota: bytes of announcements and snapshots.
    pub bytes: u64,
    /// When two announcements that cannot both be were first seen.
    pub forked_at: Option<Timestamp>,
    /// When the last one recorded was made, by the publisher's clock.
    pub announced_at: Option<Timestamp>,
    /// When it was recorded here.
    pub recorded_at: Option<Timestamp>,
    /// How catching up goes.
    pub sync: SyncNote,
}

/// How much of a feed is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedHead {
    /// Whose feed.
    pub publisher: Publisher,
    /// How many announcements are recorded, from number 0 on. At least one.
    pub have: u64,
    /// The CID of the last one.
    pub head: Cid,
}

impl Feed {
    /// A feed of which nothing has been heard yet.
    pub fn unheard(publisher: Publisher) -> Self {
        Self {
            publisher,
            origin: FeedOrigin::Other,
            profile: Profile::default(),
            have: 0,
            known: 0,
            head: None,
            assets: 0,
            bytes: 0,
            forked_at: None,
            announced_at: None,
            recorded_at: None,
            sync: SyncNote::default(),
        }
    }
}

/// Who signs a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedOrigin {
    /// This node.
    Own,
    /// Somebody else.
    Other,
}

/// How catching up with a feed goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncNote {
    /// The peer that was asked last.
    pub source: Option<String>,
    /// Why asking it failed; `None` if it did not.
    pub error: Option<String>,
    /// How often in a row asking has failed.
    pub failures: u32,
    /// When somebody is asked again.
    pub next_at: Option<Timestamp>,
}

/// How much announcements may take on this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedLimits {
    /// Bytes of announcements and snapshots of one publisher. Its rows take about as much again.
    pub publisher_bytes: u64,
    /// Bytes of all publishers together.
    pub total_bytes: u64,
    /// How many publishers may be known.
    pub publishers: u64,
}

impl FeedLimits {
    /// Which of the limits on bytes is exceeded by `bytes` more of a publisher that has `publisher`.
    pub fn exceeded_by(&self, bytes: u64, publisher: u64, all: FeedUsage) -> Option<Quota> {
        if publisher.saturating_add(bytes) > self.publisher_bytes {
            Some(Quota::Publisher)
        } else if all.bytes.saturating_add(bytes) > self.total_bytes {
            Some(Quota::Total)
        } else {
            None
        }
    }
}

/// What all feeds take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedUsage {
    /// Bytes of announcements and snapshots.
    pub bytes: u64,
    /// Publishers with a row.
    pub publishers: u64,
}

impl FeedUsage {
    /// The same without so many bytes.
    pub(crate) fn without(self, bytes: u64) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(bytes),
            ..self
        }
    }
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// [`FeedLimits::publisher_bytes`]
    Publisher,
    /// [`FeedLimits::total_bytes`]
    Total,
    /// [`FeedLimits::publishers`]
    Publishers,
}

/// What recording an announcement did. Only [`Recorded::Applied`] has moved the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It was the next one: its operations are in the rows now.
    Applied(Vec<FeedChange>),
    /// It is the last one that was recorded.
    Duplicate,
    /// It was recorded, or skipped by a snapshot, and others after it.
    Superseded,
    /// Others have to come before it. That it exists is noted.
    Gap {
        /// How many are here.
        have: u64,
    },
    /// It has the next number, but continues something else than what is here.
    Detached {
        /// How many are here.
        have: u64,
    },
    /// Another one with its number is recorded: evidence, see [`crate::Catalog::record_fork`].
    Conflict {
        /// The CID of the one that is recorded.
        recorded: Cid,
    },
    /// It claims to be from more than a day ahead.
    Future,
    /// There is no room for it.
    OverQuota(Quota),
}

/// What an announcement changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedChange {
    /// An asset is announced, for the first time or again.
    Published {
        /// Which.
        asset: AssetId,
        /// Its package.
        root: RootCid,
    },
    /// An asset is announced no longer.
    Retracted {
        /// Which.
        asset: AssetId,
        /// Its package, if it was known here.
        root: Option<RootCid>,
        /// What the publisher says, possibly nothing.
        reason: String,
    },
    /// The publisher describes itself.
    Profiled,
    /// A snapshot was announced.
    Snapshotted,
}

/// An asset as its publisher announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedAsset {
    /// Who announced it.
    pub publisher: Publisher,
    /// What the publisher calls itself; may be empty.
    pub publisher_name: String,
    /// The number of the announcement that says so.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub at: Timestamp,
    /// What it says.
    pub content: Publish,
    /// Whether it is listed here.
    pub listing: Listing,
}

/// Whether an announced asset is listed and found on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It is.
    Shown,
    /// The operator has removed it here, and it does not come back.
    Hidden,
}

/// An asset that its publisher retracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Which.
    pub asset: AssetId,
    /// Its package, if it was known here.
    pub root: Option<RootCid>,
    /// The number of the announcement that says so.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub at: Timestamp,
    /// What the publisher says, possibly nothing.
    pub reason: String,
}

/// What two announcements of one publisher prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing.
    None,
    /// That it has two histories, which was known here.
    Known,
    /// The same, and it was not known, or not at this number.
    Kept,
}

/// Two signed announcements of one publisher that cannot both be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The number at which the histories part, at the latest.
    pub seq: u64,
    /// The bytes of the one that is recorded.
    pub first: Vec<u8>,
    /// The bytes of the other: with the same number, or with the next one and another predecessor.
    pub second: Vec<u8>,
    /// When it was seen.
    pub seen_at: Timestamp,
}

/// An announcement whose bytes are in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptAnnouncement {
    /// Its number.
    pub seq: u64,
    /// Its block.
    pub cid: Cid,
    /// The size of the block.
    pub bytes: u64,
}

/// The newest snapshot that a feed has announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSnapshot {
    /// The last announcement that is in it.
    pub seq: u64,
    /// The announcement that names it.
    pub announced_in: u64,
    /// The block of that announcement.
    pub cid: Cid,
    /// The blocks of its segments.
    pub segments: Vec<Cid>,
    /// Whether they are in the store.
    pub state: SnapshotState,
}

/// A snapshot whose segments are in the store, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSnapshot {
    /// The last announcement that is in it.
    pub seq: u64,
    /// The announcement that names it.
    pub announced_in: u64,
    /// The block of that announcement.
    pub cid: Cid,
    /// The blocks of its segments.
    pub segments: Vec<Cid>,
    /// Their bytes.
    pub bytes: u64,
}

/// What came of noting that a snapshot is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It is the one that is held.
    Held,
    /// A newer one was announced, or the feed was forgotten.
    Superseded,
    /// There is no room for it.
    OverQuota(Quota),
}

/// What came of beginning a feed with a snapshot.
#[derive(Debug)]
pub enum Loading {
    /// Its entries can be added.
    Begun(Box<crate::SnapshotLoad>),
    /// The feed is here as far as the snapshot, or further.
    Here {
        /// How many announcements are here.
        have: u64,
    },
    /// It claims to be from more than a day ahead.
    Future,
    /// There is no room for it.
    OverQuota(Quota),
}

/// What a newcomer has to fetch of a feed that a snapshot made now would save it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotGain {
    /// Announcements since the newest snapshot, or since the beginning.
    pub announcements: u64,
    /// Bytes of that snapshot and of those announcements.
    pub bytes: u64,
}

/// Whether the segments of a snapshot are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// Only its announcement is.
    Named,
    /// They are in the store, pinned.
    Held,
}

/// What this node wants of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// It signs for it.
    Own,
    /// It follows it.
    Followed,
    /// Nothing was decided about it.
    Unknown,
    /// It is blocked or revoked: nothing more of it is taken.
    Blocked,
}

/// How sure this node is of the latest number of the feed that it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKey {
    /// The key came from elsewhere: the feed may be longer there.
    Unconfirmed,
    /// It was made here, or somebody who knows the feed was asked.
    Confirmed,
}

impl OwnKey {
    /// As `publishers.own` has it.
    pub(crate) fn column(self) -> i64 {
        match self {
            Self::Unconfirmed => 1,
            Self::Confirmed => 2,
        }
    }

    pub(crate) fn of_column(own: i64) -> Option<Self> {
        match own {
            0 => None,
            1 => Some(Self::Unconfirmed),
            _ => Some(Self::Confirmed),
        }
    }
}
