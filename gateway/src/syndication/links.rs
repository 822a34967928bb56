//! Absolute URLs below one base.

use cidcast_media::layout;
use cidcast_types::RootCid;

/// Where this gateway is for the reader of a document.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// Scheme, host and port, without a trailing slash.
    base: String,
}

impl Links {
    /// Below `base`, which has no trailing slash.
    pub(crate) fn new(base: String) -> Self {
        Self { base }
    }

    /// Scheme, host and port.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The playlist of a package.
    pub(crate) fn play(&self, subject: &str) -> String {
        format!("{}/play/{subject}/{}", self.base, layout::MASTER)
    }

    /// A page with a player.
    pub(crate) fn embed(&self, subject: &str) -> String {
        format!("{}/embed/{subject}", self.base)
    }

    /// A file of a package, by its path inside.
    pub(crate) fn file(&self, root: &RootCid, path: &str) -> String {
        format!("{}/ipfs/{root}/{path}", self.base)
    }

    /// One rendition as a single file.
    pub(crate) fn whole(&self, root: &RootCid, rendition: &str) -> String {
        format!("{}/play/{root}/{rendition}.mp4", self.base)
    }

    /// A publisher's feed.
    pub(crate) fn rss(&self, publisher: &str) -> String {
        format!("{}/feeds/{publisher}.rss", self.base)
    }
}
