//! An asset as the API shows it. The shape is stable from the first release.

use cidcast_catalog::{Asset, AssetOf, Failure, Permanence};
use cidcast_media::plan::Plan;
use cidcast_types::{AssetState, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::links::Links;
use super::network::copies::CopyView;
use super::problem::{Problem, type_of};

/// One title: a source, its renditions, its metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Asset)]
pub(crate) struct AssetView {
    /// 26 characters; sorts by creation.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    /// queued, probing, transcoding, packaging, pinning, ready or failed.
    pub(crate) state: String,
    /// private, unlisted or public.
    pub(crate) visibility: String,
    /// The root CID, once there is a package.
    pub(crate) root: Option<String>,
    /// The playlist to give to a player; works while transcoding too.
    pub(crate) play_url: String,
    /// A page with a player, for an iframe.
    pub(crate) embed_url: String,
    pub(crate) poster_url: Option<String>,
    /// The package's directory on the gateway.
    pub(crate) gateway_url: Option<String>,
    /// Percent of the transcode, 0 to 100.
    pub(crate) progress: f32,
    /// Media seconds per second, while transcoding.
    pub(crate) speed: Option<f32>,
    /// Why it failed, or why it waits for another attempt.
    pub(crate) error: Option<ErrorView>,
    pub(crate) source: SourceView,
    /// In seconds, once probed.
    pub(crate) duration: Option<f64>,
    /// Best first, once planned.
    pub(crate) renditions: Vec<RenditionView>,
    /// Size of the package, once there is one.
    pub(crate) bytes: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub(crate) created_at: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) updated_at: u64,
    /// Where it stands with the feed of this node's publisher. Null in lists, and for what was
    /// never announced.
    pub(crate) announcement: Option<AssetAnnouncement>,
    /// How often it was watched, here and on nodes that say so; 0 in lists.
    pub(crate) views: u64,
}

/// An asset and its announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AssetAnnouncement {
    /// This node's publisher, `k51…`.
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) publisher_name: String,
    /// announced, waiting or retracted.
    pub(crate) state: String,
    /// Number of the announcement that says so.
    pub(crate) seq: Option<u64>,
    /// Its signed block.
    pub(crate) cid: Option<String>,
    /// When it was made.
    pub(crate) at: Option<u64>,
    /// After a retraction: what was told to everyone.
    pub(crate) reason: Option<String>,
    /// Nodes that hold a copy now.
    pub(crate) copies: u64,
    /// After a retraction: nodes that have answered what they did.
    pub(crate) answered: u64,
    /// After a retraction: nodes that said they hold a copy and have not answered. Until when each
    /// has promised to keep it stands with the holders.
    pub(crate) unanswered: u64,
    /// Who holds a copy, held one when it was retracted, or acknowledged that.
    pub(crate) holders: Vec<CopyView>,
}

/// Why a job stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AssetError)]
pub(crate) struct ErrorView {
    /// `urn:cidcast:problem:<code>`; programs compare this.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    /// Whether another attempt would end the same way.
    pub(crate) permanent: bool,
}

/// The uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Source)]
pub(crate) struct SourceView {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) cid: String,
}

/// One encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Rendition)]
pub(crate) struct RenditionView {
    pub(crate) name: String,
    /// video or audio.
    pub(crate) kind: String,
    /// Pixels; null for sound.
    pub(crate) width: Option<u32>,
    /// Pixels; null for sound.
    pub(crate) height: Option<u32>,
    pub(crate) codec: String,
    /// Highest bits per second.
    pub(crate) bitrate: u64,
}

impl AssetView {
    /// The asset as the caller to whom `links` lead sees it.
    pub(crate) fn new(asset: &Asset, links: &Links) -> Self {
        let has_poster = asset
            .media
            .as_ref()
            .is_some_and(|media| media.video.is_some());
        Self {
            id: asset.id.to_string(),
            title: asset.title.clone(),
            description: asset.description.clone(),
            tags: asset.tags.clone(),
            state: asset.state.to_string(),
            visibility: asset.visibility.to_string(),
            root: asset.root.map(|root| root.to_string()),
            play_url: links.play(&asset.id),
            embed_url: links.embed(&asset.id),
            poster_url: asset
                .root
                .filter(|_| has_poster)
                .map(|root| links.poster(&root)),
            gateway_url: asset.root.map(|root| links.package(&root)),
            progress: if asset.state == AssetState::Ready {
                100.0
            } else {
                asset.progress
            },
            speed: asset.speed,
            error: asset.failure.as_ref().map(ErrorView::new),
            source: SourceView {
                name: asset.source.name.clone(),
                bytes: asset.source.bytes,
                cid: asset.source.cid.to_string(),
            },
            duration: asset
                .media
                .as_ref()
                .map(|media| media.duration.as_secs_f64()),
            renditions: asset.plan.as_ref().map(renditions).unwrap_or_default(),
            bytes: asset.package_bytes,
            created_at: asset.created_at.as_millis(),
            updated_at: asset.updated_at.as_millis(),
            announcement: None,
            views: 0,
        }
    }
}

impl Api {
    /// The asset with its announcement and views.
    pub(crate) async fn asset_view(
        &self,
        asset: &Asset,
        links: &Links,
    ) -> Result<AssetView, Problem> {
        let of = AssetOf {
            publisher: self.own_publisher(),
            asset: asset.id,
        };
        let views = self.catalog.view_totals(&of).await?;
        Ok(AssetView {
            announcement: self.announcement(asset, &of).await?,
            views: views.here.saturating_add(views.elsewhere),
            ..AssetView::new(asset, links)
        })
    }

    async fn announcement(
        &self,
        asset: &Asset,
        of: &AssetOf,
    ) -> Result<Option<AssetAnnouncement>, Problem> {
        let announced = self.catalog.announced_asset(&of.publisher, &of.asset);
        let tombstone = self.catalog.tombstone(of);
        let (state, seq, at, reason) = match (announced.await?, tombstone.await?) {
            (Some(found), _) => ("announced", Some(found.seq), Some(found.at), None),
            _ if asset.visibility == Visibility::Public => ("waiting", None, None, None),
            (None, Some(gone)) => (
                "retracted",
                Some(gone.seq),
                Some(gone.at),
                Some(gone.reason),
            ),
            (None, None) => return Ok(None),
        };
        let holders = self.holders(of).await?;
        let held = holders.iter().filter(|copy| copy.state == "held").count();
        let answered = holders.iter().filter(|copy| copy.retraction.is_some());
        let answered = answered.count();
        let feed = self.catalog.feed(&of.publisher).await?;
        let kept = match seq {
            Some(seq) => {
                self.catalog
                    .kept_announcements(&of.publisher, seq, 1)
                    .await?
            }
            None => Vec::new(),
        };
        let kept = kept.into_iter().find(|kept| Some(kept.seq) == seq);
        Ok(Some(AssetAnnouncement {
            publisher: of.publisher.to_string(),
            publisher_name: feed.map(|feed| feed.profile.name).unwrap_or_default(),
            state: state.to_owned(),
            seq,
            cid: kept.map(|kept| kept.cid.to_string()),
            at: at.map(|at| at.as_millis()),
            reason,
            copies: held as u64,
            answered: answered as u64,
            unanswered: match state {
                "retracted" => holders.len().saturating_sub(answered) as u64,
                _ => 0,
            },
            holders,
        }))
    }
}

impl ErrorView {
    pub(crate) fn new(failure: &Failure) -> Self {
        Self {
            kind: type_of(&failure.code),
            title: failure.title.clone(),
            detail: failure.detail.clone(),
            permanent: failure.permanence == Permanence::Permanent,
        }
    }
}

fn renditions(plan: &Plan) -> Vec<RenditionView> {
    let video = plan.video.iter().map(|rendition| RenditionView {
        name: rendition.name.to_string(),
        kind: "video".to_owned(),
        width: Some(rendition.width),
        height: Some(rendition.height),
        codec: spelling(&rendition.codec),
        bitrate: rendition.max_bitrate,
    });
    let audio = plan.audio.iter().map(|rendition| RenditionView {
        name: rendition.name.to_string(),
        kind: "audio".to_owned(),
        width: None,
        height: None,
        codec: spelling(&rendition.codec),
        bitrate: rendition.bitrate,
    });
    video.chain(audio).collect()
}

/// The name under which a codec is stored: `h264`, `aac`.
fn spelling(codec: &impl Serialize) -> String {
    match serde_json::to_value(codec) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
