//! `/embed/{asset or root CID}`: a page with nothing but the player, to be framed by others.
//!
//! The page is the same for every subject but for the address of its oEmbed document; its script
//! reads the subject from its own address and asks `/play/…`, so the page itself reveals nothing.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;

use crate::Gateway;
use crate::content_path::ContentPath;
use crate::openness::Openness;
use crate::play::Subject;
use crate::problem::Problem;
use crate::respond::{Content, Freshness, Representation};
use crate::syndication::Links;

/// The page in the built web app.
const PAGE: &str = "embed.html";

/// Everything from here, nothing from elsewhere, and any page may frame it. hls.js plays through
/// `blob:` URLs and transmuxes in a worker made from one.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; \
     worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors *",
);

/// The page.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let path = ContentPath::parse(request.uri.path(), "/embed/", 1)?;
    path.subject.parse::<Subject>()?;
    let links = gateway.links(&request);
    let tags = ["json", "xml"].map(|format| discovery(&links, &path.subject, format));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // The address may carry a token, which is nobody else's business.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    gateway.page_with(&request, &tags.concat(), headers)
}

/// The tag by which programs find the oEmbed document of a page.
fn discovery(links: &Links, subject: &str, format: &str) -> String {
    let href = links.oembed(subject, format);
    let media = match format {
        "xml" => "text/xml+oembed",
        _ => "application/json+oembed",
    };
    let href = quick_xml::escape::escape(href);
    format!("<link rel=\"alternate\" type=\"{media}\" href=\"{href}\" />\n")
}

/// What the page loads, from the folder `assets` of the built web app: names of files there hold a
/// hash of their content.
pub(crate) async fn asset(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let depth = gateway.settings.limits.path_depth;
    let target = request.uri.path();
    let prefix = if target.starts_with("/embed/") {
        "/embed/assets/"
    } else {
        "/embed-assets/"
    };
    let path = ContentPath::parse(target, prefix, depth)?;
    let below = [vec![path.subject], path.names].concat().join("/");
    let file = format!("assets/{below}");
    gateway.site_file(&request, &file, Freshness::Immutable, HeaderMap::new())
}

impl Gateway {
    /// The player page with more in its head.
    fn page_with(
        &self,
        request: &Parts,
        tags: &str,
        headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let (page, content_type) = (self.site.get)(PAGE).ok_or(Problem::NoRoute)?;
        let page = String::from_utf8_lossy(&page);
        let content = Bytes::from(page.replacen("</head>", &format!("{tags}</head>"), 1));
        let representation = Representation {
            etag: crate::respond::fingerprint(&content),
            content_type: HeaderValue::from_static(content_type),
            freshness: Freshness::Revalidate,
            openness: Openness::Open,
            content: Content::Bytes(content),
            headers,
        };
        Ok(self.answer(request, representation))
    }

    fn site_file(
        &self,
        request: &Parts,
        path: &str,
        freshness: Freshness,
        headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let (bytes, content_type) = (self.site.get)(path).ok_or(Problem::NoRoute)?;
        let content = match bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let representation = Representation {
            etag: crate::respond::fingerprint(&content),
            content_type: HeaderValue::from_static(content_type),
            freshness,
            openness: Openness::Open,
            content: Content::Bytes(content),
            headers,
        };
        Ok(self.answer(request, representation))
    }
}
