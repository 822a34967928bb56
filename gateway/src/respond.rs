//! From content to an HTTP answer: validators, ranges, caching, and the headers that keep
//! content from doing harm.

pub(crate) mod directory;
pub(crate) mod file;

use std::hash::{DefaultHasher, Hasher};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_types::Cid;

use crate::Gateway;
use crate::conditional::not_modified;
use crate::openness::Openness;
use crate::play::Joined;
use crate::problem::Problem;
use crate::range::{self, Selection};

/// What a cache may do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// The URL names the content: keep it for ever.
    Immutable,
    /// The URL names something that rarely changes.
    Brief,
    /// Ask every time.
    Revalidate,
    /// A directory listing: the content is fixed, its looks are not.
    Listing,
}

impl Freshness {
    /// The `Cache-Control` value.
    fn header(self, openness: Openness) -> HeaderValue {
        HeaderValue::from_static(match (self, openness) {
            (Self::Immutable, Openness::Open) => "public, max-age=29030400, immutable",
            (Self::Immutable, Openness::Private) => "private, max-age=29030400, immutable",
            // Long enough for one burst of a player, short enough for a change of visibility.
            (Self::Brief, Openness::Open) => "public, max-age=10",
            (Self::Brief, Openness::Private) => "private, max-age=10",
            (Self::Revalidate, Openness::Open) => "no-cache",
            (Self::Revalidate, Openness::Private) => "private, no-cache",
            (Self::Listing, Openness::Open) => "public, max-age=604800",
            (Self::Listing, Openness::Private) => "private, max-age=604800",
        })
    }
}

/// Content that an answer is made of.
#[derive(Debug)]
pub(crate) enum Content {
    /// In memory.
    Bytes(Bytes),
    /// Read as it is sent.
    File {
        /// A UnixFS file or raw block.
        cid: Cid,
        /// Its size.
        bytes: u64,
        /// Where to read it.
        blocks: Blocks,
    },
    /// Files one after another, read as they are sent.
    Joined {
        /// Each with its size.
        parts: Joined,
        /// Where to read them.
        blocks: Blocks,
    },
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
            Self::Joined { parts, .. } => parts.iter().map(|(_, bytes)| bytes).sum(),
        }
    }
}

/// Everything about an answer that does not depend on conditions and ranges.
#[derive(Debug)]
pub(crate) struct Representation {
    /// A strong validator, quoted.
    pub(crate) etag: String,
    /// `Content-Type`.
    pub(crate) content_type: HeaderValue,
    /// What caches may do.
    pub(crate) freshness: Freshness,
    /// Who else may be shown it.
    pub(crate) openness: Openness,
    /// The body.
    pub(crate) content: Content,
    /// Whatever else the route sends.
    pub(crate) headers: HeaderMap,
}

impl Gateway {
    /// Answers `request` with `representation`: 200, 206, 304 or 416.
    pub(crate) fn answer(&self, request: &Parts, representation: Representation) -> Response {
        let Representation {
            etag,
            content_type,
            freshness,
            openness,
            content,
            mut headers,
        } = representation;
        headers.insert(header::CACHE_CONTROL, freshness.header(openness));
        guard_against_others(&mut headers, openness);
        if let Ok(value) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, value);
        }
        if not_modified(&request.headers, &etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(NOSNIFF.0, NOSNIFF.1);
        let total = content.len();
        let (status, part) = match range::select(&request.method, &request.headers, &etag, total) {
            Selection::Whole => (StatusCode::OK, 0..total),
            Selection::Outside => {
                return Problem::RangeNotSatisfiable { bytes: total }.into_response();
            }
            Selection::Part(part) => {
                let text = format!(
                    "bytes {}-{}/{total}",
                    part.start,
                    part.end.saturating_sub(1)
                );
                if let Ok(value) = HeaderValue::from_str(&text) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
                (StatusCode::PARTIAL_CONTENT, part)
            }
        };
        headers.insert(
            header::CONTENT_LENGTH,
            HeaderValue::from(part.end - part.start),
        );
        let body = match content {
            Content::Bytes(bytes) => Body::from(slice(&bytes, part)),
            Content::File { .. } | Content::Joined { .. } if part.is_empty() => Body::empty(),
            Content::File { cid, blocks, .. } => self.body(&blocks, &cid, part),
            Content::Joined { parts, blocks } => self.joined_body(&blocks, &parts, part),
        };
        (status, headers, body).into_response()
    }
}

/// Keeps private content from pages of other sites, in a browser's cache and as an image or video
/// that they include. Open content is for every page, and one copy in a cache serves them all.
fn guard_against_others(headers: &mut HeaderMap, openness: Openness) {
    let policy = match openness {
        Openness::Open => "cross-origin",
        Openness::Private => {
            let varies = HeaderValue::from_static("origin, authorization");
            headers.insert(header::VARY, varies);
            "same-site"
        }
    };
    let name = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(name, HeaderValue::from_static(policy));
}

/// Browsers must believe our content types.
const NOSNIFF: (HeaderName, HeaderValue) = (
    header::X_CONTENT_TYPE_OPTIONS,
    HeaderValue::from_static("nosniff"),
);

fn slice(bytes: &Bytes, part: std::ops::Range<u64>) -> Bytes {
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(within(part.start)..within(part.end))
}

/// A strong validator for bytes that have no CID of their own. 64 bits and the length tell
/// versions of one resource apart; nobody gains by making two of them collide.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}-{:x}\"", hasher.finish(), bytes.len())
}
