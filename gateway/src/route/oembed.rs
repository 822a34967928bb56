//! `/oembed?url=…`: how a page shows a player for a URL of this node (<https://oembed.com>).
//!
//! Taken are the URLs of players and watch pages: `/embed/{…}`, `/play/{…}/…`, `/watch/{asset}` and
//! `/discover/{publisher}/{asset}`, on whatever host: the answer leads to this gateway only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use cidcast_announce::MediaKind;
use cidcast_catalog::{AnnouncedAsset, Asset, Listing};
use cidcast_media::layout;
use cidcast_types::{AssetId, RootCid, Visibility};

use crate::Gateway;
use crate::access::Caller;
use crate::openness::Openness;
use crate::play::{Subject, catalog_problem};
use crate::problem::{Problem, shortened};
use crate::query;
use crate::respond::{Content, Freshness, Representation, fingerprint};
use crate::syndication::{Embedded, FramedSize, Links};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

/// Answers for the URL in the query.
pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let caller = gateway.access.caller(&request)?;
    let url = query::value(&request.uri, "url").unwrap_or_default();
    let format = query::value(&request.uri, "format").unwrap_or_else(|| "json".to_owned());
    let most = FramedSize {
        most_width: pixels(&request.uri, "maxwidth")?,
        most_height: pixels(&request.uri, "maxheight")?,
    };
    let links = gateway.links(&request);
    let subject = subject_of(&url).ok_or_else(|| Problem::BadUrl {
        text: shortened(&url),
    })?;
    let (embedded, openness) = gateway.embedded(&caller, subject, &links).await?;
    let (content_type, text) = match format.as_str() {
        "json" => (JSON, embedded.to_json(&links, most)),
        "xml" => (XML, embedded.to_xml(&links, most)),
        other => {
            let format = shortened(other);
            return Err(Problem::NotImplemented { format });
        }
    };
    let text = Bytes::from(text);
    let representation = Representation {
        etag: fingerprint(&text),
        content_type,
        freshness: Freshness::Brief,
        openness,
        content: Content::Bytes(text),
        headers: HeaderMap::new(),
    };
    Ok(gateway.answer(&request, representation))
}

/// A bound on the frame, if the query has one.
fn pixels(uri: &Uri, name: &'static str) -> Result<Option<u32>, Problem> {
    let Some(text) = query::value(uri, name) else {
        return Ok(None);
    };
    let refused = |_| Problem::BadUrl {
        text: format!("{name}={}", shortened(&text)),
    };
    text.parse().map(Some).map_err(refused)
}

/// What a URL shows.
fn subject_of(url: &str) -> Option<Subject> {
    let uri: Uri = url.parse().ok()?;
    let mut names = uri.path().split('/').filter(|name| !name.is_empty());
    let (page, first) = (names.next()?, names.next()?);
    match page {
        "embed" | "play" | "watch" => first.parse().ok(),
        "discover" => names.next()?.parse().map(Subject::Asset).ok(),
        _ => None,
    }
}

impl Gateway {
    /// What `caller` may be shown of `subject`, and who else.
    async fn embedded(
        &self,
        caller: &Caller,
        subject: Subject,
        links: &Links,
    ) -> Result<(Embedded, Openness), Problem> {
        let announced = match subject {
            Subject::Root(root) => self.catalog.announced_by_root(&RootCid::new(root)).await,
            Subject::Asset(id) => self.catalog.announced_by_id(&id).await,
        };
        let announced = announced.map_err(|error| catalog_problem(&error))?;
        let shown = announced.into_iter();
        let mut shown = shown.filter(|asset| asset.listing == Listing::Shown);
        if let Some(asset) = shown.next() {
            return Ok((of_announced(asset, links), Openness::Open));
        }
        match subject {
            Subject::Asset(id) => self.embedded_own(caller, &id, links).await,
            Subject::Root(root) => {
                let assets = self.catalog.by_root(&RootCid::new(root)).await;
                let assets = assets.map_err(|error| catalog_problem(&error))?;
                let mut open = assets.iter();
                let open = open.find(|asset| asset.visibility != Visibility::Private);
                let asset = open.ok_or(Problem::NotHere { cid: root })?;
                Ok((of_own(asset, links), Openness::Open))
            }
        }
    }

    async fn embedded_own(
        &self,
        caller: &Caller,
        id: &AssetId,
        links: &Links,
    ) -> Result<(Embedded, Openness), Problem> {
        let asset = self.asset(caller, id).await?;
        let openness = match asset.visibility {
            Visibility::Private => Openness::Private,
            Visibility::Unlisted | Visibility::Public => Openness::Open,
        };
        Ok((of_own(&asset, links), openness))
    }
}

fn of_announced(asset: AnnouncedAsset, links: &Links) -> Embedded {
    let content = asset.content;
    let frames = content.renditions.iter();
    let frames = frames.filter_map(|rendition| match rendition.kind {
        MediaKind::Video { width, height } => Some((width, height)),
        MediaKind::Audio => None,
    });
    let author = match asset.publisher_name.is_empty() {
        true => asset.publisher.to_string(),
        false => asset.publisher_name,
    };
    Embedded {
        subject: content.root.to_string(),
        frame: frames.max_by_key(|(_, height)| *height),
        poster: content
            .poster
            .as_deref()
            .map(|poster| links.file(&content.root, poster)),
        title: content.title,
        author,
    }
}

fn of_own(asset: &Asset, links: &Links) -> Embedded {
    let videos = asset.plan.iter().flat_map(|plan| &plan.video);
    let frame = videos
        .map(|video| (video.width, video.height))
        .max_by_key(|(_, height)| *height);
    Embedded {
        subject: asset.id.to_string(),
        title: asset.title.clone(),
        author: String::new(),
        poster: asset
            .root
            .filter(|_| frame.is_some())
            .map(|root| links.file(&root, layout::POSTER)),
        frame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_players_and_watch_pages_are_understood() {
        let asset = "01j9z3k5v8q2w4e6r7t9y0a1b2";
        let root = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        for url in [
            format!("https://m.example/embed/{asset}?autoplay=1"),
            format!("https://m.example:8787/play/{root}/master.m3u8"),
            format!("http://127.0.0.1:7878/watch/{asset}"),
            format!("http://127.0.0.1:7878/discover/k51abc/{asset}"),
        ] {
            assert!(subject_of(&url).is_some(), "{url}");
        }
        for url in [
            String::new(),
            "https://m.example/".into(),
            format!("https://m.example/ipfs/{root}"),
            "https://m.example/embed/hello".into(),
            format!("https://m.example/discover/{asset}"),
            "not a url".into(),
        ] {
            assert!(subject_of(&url).is_none(), "{url}");
        }
    }
}
