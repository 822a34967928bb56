//! What each path of the gateway means.

pub(crate) mod embed;
pub(crate) mod feeds;
pub(crate) mod ipfs;
pub(crate) mod oembed;
pub(crate) mod play;
