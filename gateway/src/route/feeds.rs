//! `/feeds/{publisher}.rss`: what a publisher announces, for readers and podcast clients.
//!
//! Made from the rows that the node lists and searches, so that both always say the same. Only
//! what is announced stands in it, which is public by definition.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use cidcast_announce::{MediaKind, Publisher};
use cidcast_catalog::{AnnouncedAsset, AnnouncedQuery, Feed};

use crate::Gateway;
use crate::openness::Openness;
use crate::play::catalog_problem;
use crate::problem::{Problem, shortened};
use crate::respond::{Content, Freshness, Representation, fingerprint};
use crate::syndication::{Channel, Enclosure, Episode};

/// The media type that feed readers look for.
const RSS_TYPE: HeaderValue = HeaderValue::from_static("application/rss+xml; charset=utf-8");

/// Newest assets in one document: podcast directories read hundreds, and 200 are about 400 kB.
const EPISODES: u32 = 200;

/// Answers with the feed of one publisher.
pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let name = request.uri.path().strip_prefix("/feeds/");
    let name = name.and_then(|name| name.strip_suffix(".rss"));
    let name = name.ok_or(Problem::NoRoute)?;
    let publisher: Publisher = name.parse().map_err(|_| Problem::BadPublisher {
        text: shortened(name),
    })?;
    let feed = gateway.feed(&publisher).await?;
    let links = gateway.links(&request);
    let text = Bytes::from(feed.to_rss(&links));
    let representation = Representation {
        etag: fingerprint(&text),
        content_type: RSS_TYPE,
        freshness: Freshness::Brief,
        openness: Openness::Open,
        content: Content::Bytes(text),
        headers: HeaderMap::new(),
    };
    Ok(gateway.answer(&request, representation))
}

impl Gateway {
    async fn feed(&self, publisher: &Publisher) -> Result<Channel, Problem> {
        let feed = self.in_time(self.catalog.feed(publisher)).await?;
        let feed = feed.map_err(|error| catalog_problem(&error))?;
        let feed = feed.ok_or(Problem::UnknownPublisher {
            publisher: publisher.to_string(),
        })?;
        let query = AnnouncedQuery {
            publisher: Some(*publisher),
            limit: EPISODES,
            ..AnnouncedQuery::default()
        };
        let page = self.in_time(self.catalog.announced(&query)).await?;
        let page = page.map_err(|error| catalog_problem(&error))?;
        Ok(channel(feed, page.items))
    }
}

fn channel(feed: Feed, assets: Vec<AnnouncedAsset>) -> Channel {
    Channel {
        publisher: feed.publisher.to_string(),
        name: feed.profile.name,
        about: feed.profile.about,
        web: feed.profile.web,
        changed: feed.announced_at,
        episodes: assets.into_iter().map(episode).collect(),
    }
}

fn episode(asset: AnnouncedAsset) -> Episode {
    let content = asset.content;
    let sound = content.renditions.iter();
    let sound = sound.filter(|rendition| rendition.kind == MediaKind::Audio);
    let enclosure = sound.max_by_key(|rendition| rendition.bytes);
    Episode {
        asset: content.asset.to_string(),
        root: content.root,
        enclosure: enclosure.map(|rendition| Enclosure {
            path: rendition.path.clone(),
            bytes: rendition.bytes,
        }),
        title: content.title,
        description: content.description,
        tags: content.tags,
        created: content.created_at,
        duration: Duration::from_millis(content.duration_ms),
        bytes: content.bytes,
        poster: content.poster,
        language: content.language,
    }
}
