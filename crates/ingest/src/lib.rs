//! The write path: upload → probe → transcode → package → pin.
//!
//! [`Ingest`] takes bytes in ([`Ingest::uploads`], [`Ingest::receive`]), turns each source into a
//! package in the store, and keeps the catalog's job rows true while it does. One module per step;
//! each step takes the value of the step before and returns its own type, and ends by saving what
//! it found, so a process that dies continues where it was.
//!
//! It never speaks HTTP, never answers a reader, and never touches a pin that another holder has.
//!
//! Invariants:
//! - a unit of work that has a catalog row has all its blocks on disk, synced and pinned;
//! - every step may run twice with the same result; a kill at any instruction loses at most the
//!   chunks in flight;
//! - deleting an asset leaves no row, no pin, no file; what a crash leaves behind is removed by
//!   [`reconcile`](Ingest::start) at the next start;
//! - encoder processes, concurrent jobs and upload bytes are bounded by [`IngestSettings`].

mod about;
mod event;
mod failure;
mod files;
mod ingest;
mod job;
mod metrics;
mod reconcile;
mod removal;
mod scheduler;
mod settings;
mod steps;
mod unit;
mod upload;

pub use about::{About, AboutError};
pub use event::{Event, EventKind};
pub use ingest::{EditError, Ingest, Parties, RetryError, StartError};
pub use metrics::Metrics;
pub use removal::RemoveError;
pub use settings::{IngestSettings, KeepSource};
pub use upload::{
    Algorithm, Checksum, NewUpload, UnknownAlgorithm, UploadError, UploadStatus, Uploads,
};
