//! What a package is made of: ladder, chunk plan, playlists, manifests, MP4 boxes, folder layout.
//!
//! This crate is pure: values in, values out. It never reads a clock, a disk, a network, and
//! starts no process.
//!
//! Invariants: the same source description and settings always give the same plan, and the same
//! measured tracks always give the same playlists, byte for byte; every parser of outside bytes
//! returns an error rather than panicking, and takes memory in proportion to its input at most.

pub mod asset_json;
pub mod check;
pub mod dash;
pub mod hls;
pub mod layout;
pub mod mp4;
pub mod package;
pub mod plan;
mod seconds;
pub mod source;
