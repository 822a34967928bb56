//! URLs on the gateway, as the caller of the API can reach them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use cidcast_announce::Publisher;
use cidcast_types::{AssetId, RootCid};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::origin::named_host;

/// Where the gateway is.
#[derive(Debug, Clone)]
pub(crate) enum Gateway {
    /// Under the URL that the operator configured, without a trailing slash.
    Public(String),
    /// Where it is bound.
    Bound(SocketAddr),
}

impl Gateway {
    /// The gateway's base URL for someone who reached the API as `host`.
    fn base(&self, host: Option<&str>) -> String {
        match self {
            Self::Public(url) => url.clone(),
            Self::Bound(address) if address.ip().is_unspecified() => {
                format!("http://{}:{}", host.unwrap_or("127.0.0.1"), address.port())
            }
            Self::Bound(address) => format!("http://{address}"),
        }
    }
}

/// The gateway's URLs for one caller.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    base: Arc<str>,
}

impl Links {
    /// Scheme, host and port.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The playlist to give to a player; stays the same for the life of the asset.
    pub(crate) fn play(&self, id: &AssetId) -> String {
        format!("{}/play/{id}/master.m3u8", self.base)
    }

    /// A page with a player, for an `<iframe>`.
    pub(crate) fn embed(&self, id: &AssetId) -> String {
        format!("{}/embed/{id}", self.base)
    }

    /// The playlist of a package, whoever published it.
    pub(crate) fn play_package(&self, root: &RootCid) -> String {
        format!("{}/play/{root}/master.m3u8", self.base)
    }

    /// A page with a player for a package.
    pub(crate) fn embed_package(&self, root: &RootCid) -> String {
        format!("{}/embed/{root}", self.base)
    }

    /// A file of a package, by its path inside.
    pub(crate) fn file(&self, root: &RootCid, path: &str) -> String {
        format!("{}/ipfs/{root}/{path}", self.base)
    }

    /// What a publisher announces, as an RSS feed.
    pub(crate) fn rss(&self, publisher: &Publisher) -> String {
        format!("{}/feeds/{publisher}.rss", self.base)
    }

    /// Tags of a page's head that name the oEmbed documents of `url`.
    pub(crate) fn oembed_tags(&self, url: &str) -> String {
        let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
        let tag = |format: &str, media: &str| {
            let href = format!("{}/oembed?url={url}&amp;format={format}", self.base);
            format!("<link rel=\"alternate\" type=\"{media}\" href=\"{href}\" />")
        };
        tag("json", "application/json+oembed") + &tag("xml", "text/xml+oembed")
    }

    /// The package's directory.
    pub(crate) fn package(&self, root: &RootCid) -> String {
        format!("{}/ipfs/{root}/", self.base)
    }

    /// The poster in the package.
    pub(crate) fn poster(&self, root: &RootCid) -> String {
        format!(
            "{}/ipfs/{root}/{}",
            self.base,
            cidcast_media::layout::POSTER
        )
    }
}

impl FromRequestParts<super::Shared> for Links {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &super::Shared,
    ) -> Result<Self, Infallible> {
        let host = named_host(parts);
        let base = api
            .gateway
            .base(host.as_ref().map(|authority| authority.host()));
        Ok(Self { base: base.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_on_every_address_is_reached_by_the_name_that_the_caller_used() {
        let gateway = Gateway::Bound("0.0.0.0:8787".parse().unwrap());
        assert_eq!(gateway.base(Some("nas.local")), "http://nas.local:8787");
        assert_eq!(gateway.base(None), "http://127.0.0.1:8787");
    }

    #[test]
    fn a_gateway_on_one_address_is_reached_there() {
        let gateway = Gateway::Bound("127.0.0.1:8787".parse().unwrap());
        assert_eq!(gateway.base(Some("localhost")), "http://127.0.0.1:8787");
        assert_eq!(
            Gateway::Public("https://v.example".into()).base(None),
            "https://v.example"
        );
    }
}
