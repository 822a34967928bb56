//! SQLite: assets with their jobs, finished units of work, uploads, feeds of publishers, and
//! full-text search.
//!
//! This crate is the only one that speaks SQL. It stores what it is told and never starts work,
//! reads a clock or touches a block: times and ids come from the caller.
//!
//! Invariants:
//! - Every query is checked against the schema when the crate is compiled (`build.rs` applies
//!   `migrations/` to an empty database; no `DATABASE_URL` has to be set).
//! - One connection writes, a few read; a method is one transaction, so a caller that is dropped
//!   half-way leaves either all of it or nothing.
//! - What a method has answered survives a power cut (WAL with `synchronous = FULL`).
//! - Lists page by the order of arrival and never by offset; an insert during paging neither
//!   repeats nor hides a row.
//! - A feed moves by whole verified announcements, in order; what is listed and found moves in the
//!   same transaction.
//! - Of each member of a cluster the log is kept from its first entry without gaps; of two entries
//!   of one number the first stays.
//! - A settled job (`ready`, `failed`) is moved only by [`Catalog::requeue`].

mod announced;
mod asset;
mod assets;
mod block_lists;
mod blocked;
mod catalog;
mod census;
mod cluster;
mod copies;
mod copy;
mod deliveries;
mod error;
mod feed;
mod feeds;
mod follow;
mod followers;
mod follows;
mod jobs;
mod known_nodes;
mod list;
mod remote_pin;
mod remote_pins;
mod removed;
mod replica;
mod replicas;
mod requested;
mod requests;
mod row;
mod scores;
mod search;
mod shown;
mod spelled;
mod trust;
mod unit;
mod units;
mod upload;
mod views;
mod wishes;

pub use announced::AnnouncedQuery;
pub use asset::{Asset, Failure, NewAsset, NewSource, Patch, Permanence, Source};
pub use block_lists::{ListSource, MAX_BLOCK_LISTS, NewBlockList, StoredBlockList};
pub use blocked::{Blocked, BlockedError, MAX_BLOCKED};
pub use catalog::{Catalog, OpenError};
pub use census::{Census, DeliveryStates, FollowCounts, ScoreCount};
pub use cluster::{
    ClusterEvent, ClusterLogUsage, ClusterRowsError, EntryKept, InCluster, MAX_CLUSTER_ENTRIES,
    MAX_CLUSTER_EVENT_TEXT, MAX_CLUSTER_EVENTS,
};
pub use copy::{Acknowledgement, Copy, CopyQuery, CopyState, Noted, NoticeLimits};
pub use deliveries::{Delivery, DeliveryCounts, MAX_DELIVERIES, NewDelivery, Undelivered};
pub use error::{CatalogError, ChangeError};
pub use feed::{
    AnnouncedAsset, Evidence, Feed, FeedChange, FeedHead, FeedLimits, FeedOrigin, FeedUsage, Fork,
    HeldSnapshot, Holding, Interest, KeptAnnouncement, KnownSnapshot, Listing, Loading, OwnKey,
    Quota, Recorded, SnapshotGain, SnapshotState, SyncNote, Tombstone,
};
pub use feeds::{FeedState, NeededBlocks, NoState, SnapshotLoad, Unannounced};
pub use follow::{
    Follow, FollowOrigin, FollowPolicy, NewFollow, ParseReplicateError, Replicate, Resolved,
    Strategy, TransferPace,
};
pub use followers::{FollowSaid, Follower, FollowerChange, FollowerState, MAX_FOLLOWERS};
pub use follows::{FollowError, MAX_FOLLOWS};
pub use known_nodes::{KnownNode, MAX_KNOWN_NODES, NodeSource};
pub use list::{Cursor, ListQuery, MAX_PAGE, Page, ParseCursorError, ReadyAssets};
pub use remote_pin::{
    RemoteAudience, RemoteCount, RemoteNote, RemotePin, RemoteReplica, WantedRemote,
};
pub use removed::Removed;
pub use replica::{
    AssetOf, FailedAttempt, HeldPackage, KeepReason, Renditions, Replica, ReplicaProgress,
    ReplicaTotals, WantedReplica,
};
pub use requested::{
    Leaving, MAX_REQUESTED, NameMatch, PinRequest, RequestError, RequestPage, RequestQuery,
    RequestState, Requested,
};
pub use scores::{Conduct, FIRST_SCORE, Judged, MAX_REASONS, MAX_SCORES, Reason, Score};
pub use shown::{CopyAway, CopyHere, Fill, Standing};
pub use spelled::ParseSpellingError;
pub use trust::{Fate, Refusal, RefusedPublisher, Subject};
pub use unit::{
    NewInit, NewSegment, NewUnit, ParseUnitNameError, StoredInit, StoredRendition, StoredSegment,
    Unit, UnitName,
};
pub use upload::{NewUpload, Upload, UploadError};
pub use views::{DayViews, ViewTotals, Watched};
pub use wishes::{Wish, WishAudience, Wisher};
