//! `/api/v1/discover`: everything that publishers announce and this node has indexed.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cidcast_announce::{MediaKind, Rendition};
use cidcast_catalog::{
    AnnouncedAsset, AnnouncedQuery, AssetOf, FeedOrigin, Listing, Renditions, Standing,
};
use cidcast_types::{AssetId, PinState, RootCid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::assets::parsed;
use super::super::extract::Params;
use super::super::links::Links;
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};
use super::copies::CopyView;
use super::{MOST, PAGE};

/// Which announced assets to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiscoverParams {
    /// Words to find in title, description and tags.
    q: Option<String>,
    /// Only those of this publisher.
    publisher: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// One page of announced assets, those that were heard of last first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AnnouncedList {
    pub(crate) items: Vec<AnnouncedView>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// An asset as its publisher announced it: its signature is verified, or it would not be here.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AnnouncedAsset)]
pub(crate) struct AnnouncedView {
    /// The publisher's key, `k51…`.
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) publisher_name: String,
    /// The asset's id there.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    /// The root CID.
    pub(crate) root: String,
    /// In seconds.
    pub(crate) duration: f64,
    /// Size of the package.
    pub(crate) bytes: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) created_at: u64,
    /// Number of the announcement that it stands in.
    pub(crate) seq: u64,
    /// When that was made, by the publisher's clock.
    pub(crate) announced_at: u64,
    /// own, whole, part, coming or none: what of it is on this node.
    pub(crate) here: String,
    /// Nodes that say they hold a copy.
    pub(crate) copies: u64,
    /// How often it was watched, as far as is known here.
    pub(crate) views: u64,
    pub(crate) play_url: String,
    pub(crate) embed_url: String,
    pub(crate) poster_url: Option<String>,
    /// The package's directory on the gateway.
    pub(crate) gateway_url: String,
}

/// An announced asset with everything that is known about it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AnnouncedDetail {
    #[serde(flatten)]
    pub(crate) asset: AnnouncedView,
    pub(crate) renditions: Vec<AnnouncedRendition>,
    /// BCP 47.
    pub(crate) language: Option<String>,
    /// Block of the signed announcement, if its bytes are kept here.
    pub(crate) announcement: Option<String>,
    /// Copies that the publisher wishes for, itself not counted.
    pub(crate) wanted_copies: u32,
    /// Who holds it, as their signed notices say.
    pub(crate) holders: Vec<CopyView>,
}

/// One encoding, as announced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AnnouncedRendition {
    pub(crate) name: String,
    /// video or audio.
    pub(crate) kind: String,
    /// Pixels; null for sound.
    pub(crate) width: Option<u32>,
    /// Pixels; null for sound.
    pub(crate) height: Option<u32>,
    pub(crate) bytes: u64,
}

/// Lists or searches everything that is indexed: what this node and others announce.
#[utoipa::path(get, path = "/api/v1/discover", tag = "discover", operation_id = "discover",
    params(DiscoverParams),
    responses((status = 200, body = AnnouncedList), (status = 400, body = Document)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    links: Links,
    Params(params): Params<DiscoverParams>,
) -> Result<Answer<AnnouncedList>, Problem> {
    let query = AnnouncedQuery {
        search: params.q.filter(|words| !words.trim().is_empty()),
        publisher: parsed(params.publisher.as_deref())?,
        cursor: parsed(params.cursor.as_deref())?,
        limit: params.limit.unwrap_or(PAGE).clamp(1, MOST),
    };
    let page = api.catalog.announced(&query).await?;
    Ok(Answer(AnnouncedList {
        items: api.announced_views(&links, &page.items).await?,
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Shows one announced asset.
#[utoipa::path(get, path = "/api/v1/discover/{publisher}/{asset}", tag = "discover",
    operation_id = "show_announced",
    params(("publisher" = String, Path, description = "The publisher's key, k51…"),
        ("asset" = String, Path)),
    responses((status = 200, body = AnnouncedDetail), (status = 404, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    links: Links,
    path: Path<(String, String)>,
) -> Result<Answer<AnnouncedDetail>, Problem> {
    let of = asset_of(path)?;
    let asset = api.announced(&of).await?;
    let standing = api.catalog.standings(&[of], api.clock.now()).await?;
    let gone = || Problem::not_found(format!("nothing is known of {of} here any more"));
    let view = AnnouncedView::new(&links, &asset, standing.first().ok_or_else(gone)?);
    let kept = api.catalog.kept_announcements(&of.publisher, asset.seq, 1);
    let kept = kept.await?.into_iter().find(|kept| kept.seq == asset.seq);
    let content = asset.content;
    Ok(Answer(AnnouncedDetail {
        asset: view,
        renditions: content.renditions.iter().map(rendition).collect(),
        language: content.language,
        announcement: kept.map(|kept| kept.cid.to_string()),
        wanted_copies: content.replication.min,
        holders: api.holders(&of).await?,
    }))
}

/// Removes an announced asset from this node's index and disk, for good: it does not come back
/// when its publisher announces it again.
#[utoipa::path(delete, path = "/api/v1/discover/{publisher}/{asset}", tag = "discover",
    operation_id = "remove_announced",
    params(("publisher" = String, Path, description = "The publisher's key, k51…"),
        ("asset" = String, Path)),
    responses((status = 204), (status = 404, body = Document),
        (status = 409, description = "It is this node's own", body = Document)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let of = asset_of(path)?;
    let feed = api.feed(&of.publisher).await?;
    if feed.origin == FeedOrigin::Own {
        return Err(Problem::conflict(
            "own-asset",
            "this is an asset of this node: retract it, or delete it",
        ));
    }
    api.announced(&of).await?;
    api.remove_here(&of).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The two keys in a path.
pub(super) fn asset_of(
    Path((publisher, asset)): Path<(String, String)>,
) -> Result<AssetOf, Problem> {
    Ok(AssetOf {
        publisher: super::publisher_from(&publisher)?,
        asset: asset.parse::<AssetId>().map_err(Problem::bad_request)?,
    })
}

impl Api {
    async fn announced(&self, of: &AssetOf) -> Result<AnnouncedAsset, Problem> {
        let found = self.catalog.announced_asset(&of.publisher, &of.asset);
        let unknown = || {
            Problem::not_found(format!(
                "{} does not announce {}, or not any more",
                of.publisher, of.asset
            ))
        };
        let shown = found.await?;
        let shown = shown.filter(|asset| asset.listing == Listing::Shown);
        shown.ok_or_else(unknown)
    }

    /// Announced assets with what is known of them here, asked once for all of them.
    async fn announced_views(
        &self,
        links: &Links,
        assets: &[AnnouncedAsset],
    ) -> Result<Vec<AnnouncedView>, Problem> {
        let all: Vec<AssetOf> = assets.iter().map(of).collect();
        let standings = self.catalog.standings(&all, self.clock.now()).await?;
        let pairs = assets.iter().zip(&standings);
        Ok(pairs
            .map(|(asset, standing)| AnnouncedView::new(links, asset, standing))
            .collect())
    }
}

fn of(asset: &AnnouncedAsset) -> AssetOf {
    AssetOf {
        publisher: asset.publisher,
        asset: asset.content.asset,
    }
}

/// `own`, `whole`, `part`, `coming` or `none`: what of a package is on this node.
fn here(standing: &Standing, root: &RootCid) -> &'static str {
    let copy = match &standing.copy {
        _ if standing.is_own => return "own",
        None => return "none",
        Some(copy) => copy,
    };
    let held = copy.held.as_ref().filter(|(held, _)| held == root);
    match (held.map(|(_, renditions)| renditions), copy.state) {
        (Some(Renditions::All), _) => "whole",
        (Some(Renditions::Only(_)), _) => "part",
        (None, PinState::Unpinning) => "none",
        (None, _) => "coming",
    }
}

impl AnnouncedView {
    fn new(links: &Links, asset: &AnnouncedAsset, standing: &Standing) -> Self {
        let content = &asset.content;
        #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
        let duration = content.duration_ms as f64 / 1e3;
        Self {
            publisher: asset.publisher.to_string(),
            publisher_name: asset.publisher_name.clone(),
            id: content.asset.to_string(),
            title: content.title.clone(),
            description: content.description.clone(),
            tags: content.tags.clone(),
            root: content.root.to_string(),
            duration,
            bytes: content.bytes,
            created_at: content.created_at.as_millis(),
            seq: asset.seq,
            announced_at: asset.at.as_millis(),
            here: here(standing, &content.root).to_owned(),
            copies: standing.copies,
            views: standing.views,
            play_url: links.play_package(&content.root),
            embed_url: links.embed_package(&content.root),
            poster_url: content
                .poster
                .as_deref()
                .map(|poster| links.file(&content.root, poster)),
            gateway_url: links.package(&content.root),
        }
    }
}

fn rendition(rendition: &Rendition) -> AnnouncedRendition {
    let (kind, frame) = match rendition.kind {
        MediaKind::Video { width, height } => ("video", Some((width, height))),
        MediaKind::Audio => ("audio", None),
    };
    AnnouncedRendition {
        name: rendition.name.to_string(),
        kind: kind.to_owned(),
        width: frame.map(|(width, _)| width),
        height: frame.map(|(_, height)| height),
        bytes: rendition.bytes,
    }
}
