//! What the own feed would have to say to be as the assets are.

use cidcast_announce::{MediaKind, Op, Publish, Publisher, Rendition, Retract};
use cidcast_catalog::{Asset, CatalogError, StoredRendition};
use cidcast_media::layout::{self, Branch};
use cidcast_store::Audience;
use cidcast_types::{AssetId, Cid, RenditionName};

use super::super::ledger::Ledger;

/// Assets looked at in one turn; the next one goes on.
const MOST_ASSETS: u32 = 500;
/// Characters of a title, as the format has it.
const MOST_TITLE: usize = 200;
/// Characters of a description.
const MOST_DESCRIPTION: usize = 10_000;
const MOST_TAGS: usize = 20;
const MOST_TAG: usize = 50;
const MOST_RENDITIONS: usize = 32;

/// What is missing.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// In order.
    pub(super) ops: Vec<Op>,
    /// Public assets whose package is not open to anyone yet.
    pub(super) waiting: u64,
}

pub(super) async fn wanted(ledger: &Ledger, own: &Publisher) -> Result<Wanted, CatalogError> {
    let catalog = ledger.catalog();
    let mut wanted = Wanted::default();
    for asset in catalog.no_longer_public(own, MOST_ASSETS).await? {
        let reason = catalog.retract_reason(&asset).await?.unwrap_or_default();
        wanted.ops.push(Op::Retract(Retract { asset, reason }));
    }
    let mut after: Option<AssetId> = None;
    loop {
        let page = catalog
            .unannounced(own, after.as_ref(), MOST_ASSETS)
            .await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.asset.id);
        for candidate in page {
            let Some(publish) = publish(ledger, &candidate.asset).await? else {
                continue;
            };
            if candidate
                .announced
                .is_some_and(|announced| announced.content == publish)
            {
                continue;
            }
            if is_open(ledger, &publish.root.cid()).await {
                wanted.ops.push(Op::Publish(Box::new(publish)));
            } else {
                wanted.waiting += 1;
            }
        }
        if wanted.ops.len() >= usize::try_from(MOST_ASSETS).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(wanted)
}

/// Whether a pin opens the package to anyone. A pin exists only when every block under it is on
/// disk and synced.
async fn is_open(ledger: &Ledger, root: &Cid) -> bool {
    let (store, root) = (ledger.store().clone(), *root);
    let looked = tokio::task::spawn_blocking(move || store.audience(&root)).await;
    matches!(looked, Ok(Ok(Some(Audience::Anyone))))
}

/// What there is to say about an asset; nothing while it has no package.
async fn publish(ledger: &Ledger, asset: &Asset) -> Result<Option<Publish>, CatalogError> {
    let Some(root) = asset.root else {
        return Ok(None);
    };
    let settings = ledger.settings();
    let media = asset.media.as_ref();
    Ok(Some(Publish {
        asset: asset.id,
        root,
        title: title(asset),
        description: shortened(&asset.description, MOST_DESCRIPTION),
        tags: tags(&asset.tags),
        created_at: asset.created_at,
        duration_ms: media.map_or(0, |media| media.duration.0 / 1000),
        bytes: asset.package_bytes.unwrap_or_default(),
        renditions: renditions(ledger, asset).await?,
        poster: media
            .is_some_and(|media| media.video.is_some() || media.cover.is_some())
            .then(|| layout::POSTER.to_owned()),
        language: None,
        replication: settings.copies,
        views: settings.views,
    }))
}

/// A title has at least one character.
fn title(asset: &Asset) -> String {
    match shortened(asset.title.trim(), MOST_TITLE) {
        title if title.is_empty() => asset.id.to_string(),
        title => title,
    }
}

fn tags(all: &[String]) -> Vec<String> {
    let shortened = all.iter().map(|tag| shortened(tag, MOST_TAG));
    shortened
        .filter(|tag| !tag.is_empty())
        .take(MOST_TAGS)
        .collect()
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

async fn renditions(ledger: &Ledger, asset: &Asset) -> Result<Vec<Rendition>, CatalogError> {
    let (Some(plan), Some(key)) = (&asset.plan, &asset.plan_key) else {
        return Ok(Vec::new());
    };
    let stored = ledger.catalog().segments(&asset.source.cid, key).await?;
    let bytes = |name: &RenditionName| stored.get(name).map_or(0, bytes_of);
    let video = plan.video.iter().map(|rendition| Rendition {
        kind: MediaKind::Video {
            width: rendition.width,
            height: rendition.height,
        },
        bytes: bytes(&rendition.name),
        path: layout::rendition(Branch::Video, &rendition.name),
        name: rendition.name.clone(),
    });
    let audio = plan.audio.iter().map(|rendition| Rendition {
        kind: MediaKind::Audio,
        bytes: bytes(&rendition.name),
        path: layout::rendition(Branch::Audio, &rendition.name),
        name: rendition.name.clone(),
    });
    Ok(video.chain(audio).take(MOST_RENDITIONS).collect())
}

fn bytes_of(stored: &StoredRendition) -> u64 {
    let inits = stored.inits.iter().map(|init| init.bytes);
    let segments = stored.segments.iter().map(|segment| segment.bytes);
    inits.chain(segments).sum()
}
