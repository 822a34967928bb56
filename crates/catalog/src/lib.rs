//! SQLite: assets with their jobs, finished units of work, uploads, and full-text search.
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
//! - A settled job (`ready`, `failed`) is moved only by [`Catalog::requeue`].

mod asset;
mod assets;
mod catalog;
mod error;
mod jobs;
mod list;
mod row;
mod search;
mod unit;
mod units;
mod upload;

pub use asset::{Asset, Failure, NewAsset, NewSource, Patch, Permanence, Source};
pub use catalog::{Catalog, OpenError};
pub use error::{CatalogError, ChangeError};
pub use list::{Cursor, ListQuery, MAX_PAGE, Page, ParseCursorError};
pub use unit::{
    NewInit, NewSegment, NewUnit, ParseUnitNameError, StoredInit, StoredRendition, StoredSegment,
    Unit, UnitName,
};
pub use upload::{NewUpload, Upload, UploadError};
