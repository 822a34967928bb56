//! What each path of the gateway means.

pub(crate) mod embed;
pub(crate) mod ipfs;
pub(crate) mod play;
