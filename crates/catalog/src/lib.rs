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
//! - A settled job (`ready`, `failed`) is moved only by [`Catalog::requeue`].

mod announced;
mod asset;
mod assets;
mod catalog;
mod error;
mod feed;
mod feeds;
mod jobs;
mod list;
mod row;
mod search;
mod unit;
mod units;
mod upload;

pub use announced::AnnouncedQuery;
pub use asset::{Asset, Failure, NewAsset, NewSource, Patch, Permanence, Source};
pub use catalog::{Catalog, OpenError};
pub use error::{CatalogError, ChangeError};
pub use feed::{
    AnnouncedAsset, Feed, FeedChange, FeedLimits, FeedOrigin, FeedUsage, Fork, Interest,
    KeptAnnouncement, KnownSnapshot, Listing, Quota, Recorded, SnapshotState, SyncNote, Tombstone,
};
pub use feeds::Unannounced;
pub use list::{Cursor, ListQuery, MAX_PAGE, Page, ParseCursorError};
pub use unit::{
    NewInit, NewSegment, NewUnit, ParseUnitNameError, StoredInit, StoredRendition, StoredSegment,
    Unit, UnitName,
};
pub use upload::{NewUpload, Upload, UploadError};
