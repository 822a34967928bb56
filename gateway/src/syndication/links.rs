//! Absolute URLs below one base.

use axum::http::header;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use cidcast_media::layout;
use cidcast_types::RootCid;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Gateway;

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

    /// The oEmbed document of a player page.
    pub(crate) fn oembed(&self, subject: &str, format: &str) -> String {
        let page = self.embed(subject);
        let page = utf8_percent_encode(&page, NON_ALPHANUMERIC);
        format!("{}/oembed?url={page}&format={format}", self.base)
    }
}

impl Gateway {
    /// The links that a reader of the answer to `request` can follow.
    pub(crate) fn links(&self, request: &Parts) -> Links {
        if let Some(url) = &self.settings.public_url {
            return Links::new(url.clone());
        }
        let host = request.uri.authority().cloned().or_else(|| {
            let value = request.headers.get(header::HOST)?.to_str().ok()?;
            value.parse::<Authority>().ok()
        });
        // A request without a host is one of HTTP/1.0: whoever sent it is on its own.
        let host = host.map_or_else(|| "localhost".to_owned(), |host| host.to_string());
        Links::new(format!("http://{host}"))
    }
}
