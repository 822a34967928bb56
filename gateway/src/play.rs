//! Playback: playlists whose segments are immutable `/ipfs/{cid}` URLs.
//!
//! A finished asset's playlists are those of its package with their links replaced; they never
//! change, so they are kept in memory by (root CID, path). While an asset is being transcoded its
//! playlists are made from the catalog's rows on every request.

mod growing;
mod packaged;
mod partial;
mod whole;

use std::str::FromStr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use cidcast_catalog::Asset;
use cidcast_catalog::CatalogError;
use cidcast_media::hls;
use cidcast_types::{AssetId, AssetState, Cid, Visibility};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Gateway;
use crate::access::Caller;
use crate::content_path::ContentPath;
use crate::openness::Openness;
use crate::problem::{Problem, shortened};
use crate::respond::{Content, Freshness, Representation, fingerprint};

pub(crate) use partial::KnownPart;
pub(crate) use whole::Joined;

/// The media type of playlists (RFC 8216 §4).
const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// What is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An asset of this node, ready or not.
    Asset(AssetId),
    /// A package, whoever made it.
    Root(Cid),
}

impl FromStr for Subject {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let asset = text.parse().map(Self::Asset).ok();
        let subject = asset.or_else(|| Cid::try_from(text).ok().map(Self::Root));
        subject.ok_or_else(|| Problem::BadSubject {
            text: shortened(text),
        })
    }
}

/// A playlist as it is sent to those who need no token.
#[derive(Debug, Clone)]
pub(crate) struct Playlist {
    text: Bytes,
    etag: String,
}

impl Playlist {
    fn new(text: String) -> Self {
        let text = Bytes::from(text);
        Self {
            etag: fingerprint(&text),
            text,
        }
    }
}

impl Gateway {
    /// Answers `/play/{subject}/{names}`.
    pub(crate) async fn play(
        &self,
        request: &Parts,
        caller: &Caller,
        subject: Subject,
        path: &ContentPath,
    ) -> Result<Response, Problem> {
        let id = match subject {
            Subject::Root(root) => {
                return self
                    .packaged(request, caller, &root, path, Freshness::Immutable)
                    .await;
            }
            Subject::Asset(id) => id,
        };
        let asset = self.asset(caller, &id).await?;
        match (&asset.root, asset.state) {
            (Some(root), _) => {
                self.packaged(request, caller, &root.cid(), path, Freshness::Brief)
                    .await
            }
            (None, AssetState::Failed) => Err(Problem::AssetFailed),
            (None, _) => {
                let playlist = self.growing(&asset, path).await?;
                let openness = match asset.visibility {
                    Visibility::Private => Openness::Private,
                    Visibility::Unlisted | Visibility::Public => Openness::Open,
                };
                self.send_playlist(request, caller, playlist, Freshness::Revalidate, openness)
            }
        }
    }

    /// An asset that `caller` may see.
    pub(crate) async fn asset(&self, caller: &Caller, id: &AssetId) -> Result<Asset, Problem> {
        let found = self
            .in_time(self.catalog.get(id))
            .await?
            .map_err(|error| catalog_problem(&error))?;
        found
            .filter(|asset| asset.visibility != Visibility::Private || caller.is_trusted())
            .ok_or_else(|| Problem::UnknownAsset { id: id.to_string() })
    }

    fn send_playlist(
        &self,
        request: &Parts,
        caller: &Caller,
        playlist: Playlist,
        freshness: Freshness,
        openness: Openness,
    ) -> Result<Response, Problem> {
        let (playlist, openness) = match caller.token_in_url() {
            // The links hold a secret now, so no shared cache may keep them.
            Some(token) => (with_token(&playlist, token)?, Openness::Private),
            None => (playlist, openness),
        };
        let representation = Representation {
            etag: playlist.etag,
            content_type: PLAYLIST_TYPE,
            freshness,
            openness,
            content: Content::Bytes(playlist.text),
            headers: HeaderMap::new(),
        };
        Ok(self.answer(request, representation))
    }
}

/// The playlist with `token` in every link to this gateway.
fn with_token(playlist: &Playlist, token: &str) -> Result<Playlist, Problem> {
    let text = std::str::from_utf8(&playlist.text).map_err(|_| Problem::Internal)?;
    let token = utf8_percent_encode(token, NON_ALPHANUMERIC).to_string();
    let rewritten = hls::rewrite_uris(text, |uri| {
        // First in the query: the URL still ends in the segment's name.
        is_here(uri).then(|| match uri.split_once('?') {
            Some((path, query)) => format!("{path}?token={token}&{query}"),
            None => format!("{uri}?token={token}"),
        })
    });
    rewritten.map(Playlist::new).map_err(|error| {
        tracing::error!(error = %error, "own playlist could not be rewritten");
        Problem::Internal
    })
}

/// Whether a link stays on this gateway: no scheme and no host.
fn is_here(uri: &str) -> bool {
    let head = uri.split(['/', '?', '#']).next().unwrap_or_default();
    !uri.starts_with("//") && !head.contains(':') && !uri.contains('\\')
}

/// A database that cannot be read, as the client sees it.
pub(crate) fn catalog_problem(error: &CatalogError) -> Problem {
    match error {
        CatalogError::Busy(_) | CatalogError::Closed => Problem::Busy,
        CatalogError::DiskFull(_)
        | CatalogError::UnreadableRow { .. }
        | CatalogError::Database(_) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "catalog could not be read"
            );
            Problem::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_an_asset_id_or_a_cid() {
        let asset = "01j9z3k5v8q2w4e6r7t9y0a1b2".parse::<Subject>();
        assert!(matches!(asset, Ok(Subject::Asset(_))), "{asset:?}");
        let root = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354".parse::<Subject>();
        assert!(matches!(root, Ok(Subject::Root(_))), "{root:?}");
        assert!("..".parse::<Subject>().is_err());
    }

    #[test]
    fn a_token_never_leaves_this_gateway() {
        for here in ["/ipfs/bafy", "video/720p/playlist.m3u8", "a?b=c:d"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "https://evil.example/x",
            "//evil.example/x",
            "/\\evil.example",
            "data:x",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
