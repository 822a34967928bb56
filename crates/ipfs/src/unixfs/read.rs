//! Reading UnixFS: paths, listings, byte ranges.
//!
//! A DAG may come from anyone. Blocks are at most [`MAX_BLOCK_BYTES`] long, file trees and shards
//! are at most so deep, a listing has at most [`MAX_ENTRIES`] entries, and a file yields exactly
//! the bytes that its nodes declare or ends in an error. Reading a range touches only the blocks
//! on the way to it.

mod list;
mod resolve;
mod stream;

pub use super::node::MAX_BLOCK_BYTES;
pub use list::{DirEntry, ListError, MAX_ENTRIES, list};
pub use resolve::{Kind, MAX_PATH_NAMES, Node, ResolveError, resolve};
pub use stream::{MAX_DEPTH, ReadAllError, ReadError, read_all, stream};
