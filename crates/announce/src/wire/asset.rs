//! The fields of a `publish`.

use cidcast_types::{AssetId, RenditionName, RootCid, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::field::{self, Checked, Problem, refuse};
use crate::op::{MediaKind, Publish, Rendition, Replication, ViewSharing};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishWire {
    asset: AssetId,
    /// The binary CID as plain bytes: as a link, whoever pins a feed would pin its videos.
    root: ByteBuf,
    title: String,
    description: String,
    tags: Vec<String>,
    created_at: Timestamp,
    duration_ms: u64,
    bytes: u64,
    renditions: Vec<RenditionWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    poster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    replication: ReplicationWire,
    views: ViewsWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenditionWire {
    name: RenditionName,
    kind: KindWire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    bytes: u64,
    path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicationWire {
    min: u32,
    max: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindWire {
    Video,
    Audio,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ViewsWire {
    Share,
    Keep,
}

impl PublishWire {
    pub(crate) fn of(publish: &Publish) -> Self {
        Self {
            asset: publish.asset,
            root: ByteBuf::from(publish.root.cid().to_bytes()),
            title: publish.title.clone(),
            description: publish.description.clone(),
            tags: publish.tags.clone(),
            created_at: publish.created_at,
            duration_ms: publish.duration_ms,
            bytes: publish.bytes,
            renditions: publish.renditions.iter().map(RenditionWire::of).collect(),
            poster: publish.poster.clone(),
            language: publish.language.clone(),
            replication: ReplicationWire {
                min: publish.replication.min,
                max: publish.replication.max,
            },
            views: match publish.views {
                ViewSharing::Share => ViewsWire::Share,
                ViewSharing::Keep => ViewsWire::Keep,
            },
        }
    }

    pub(crate) fn read(self) -> Checked<Publish> {
        let renditions = self.renditions.into_iter().map(RenditionWire::read);
        Ok(Publish {
            asset: self.asset,
            root: read_root(&self.root)?,
            title: self.title,
            description: self.description,
            tags: self.tags,
            created_at: self.created_at,
            duration_ms: self.duration_ms,
            bytes: self.bytes,
            renditions: renditions.collect::<Checked<_>>()?,
            poster: self.poster,
            language: self.language,
            replication: Replication {
                min: self.replication.min,
                max: self.replication.max,
            },
            views: match self.views {
                ViewsWire::Share => ViewSharing::Share,
                ViewsWire::Keep => ViewSharing::Keep,
            },
        })
    }
}

/// A binary CID, and nothing behind it.
pub(super) fn read_root(bytes: &[u8]) -> Checked<RootCid> {
    field::root_bytes(bytes).map(RootCid::new)
}

impl RenditionWire {
    fn of(rendition: &Rendition) -> Self {
        let (kind, size) = match rendition.kind {
            MediaKind::Video { width, height } => (KindWire::Video, Some((width, height))),
            MediaKind::Audio => (KindWire::Audio, None),
        };
        Self {
            name: rendition.name.clone(),
            kind,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            bytes: rendition.bytes,
            path: rendition.path.clone(),
        }
    }

    fn read(self) -> Checked<Rendition> {
        let kind = match (self.kind, self.width, self.height) {
            (KindWire::Video, Some(width), Some(height)) => MediaKind::Video { width, height },
            (KindWire::Audio, None, None) => MediaKind::Audio,
            (KindWire::Video, ..) => {
                return refuse("width", Problem::Expected("there, as video needs it"));
            }
            (KindWire::Audio, ..) => {
                return refuse("width", Problem::Expected("absent, as sound has none"));
            }
        };
        Ok(Rendition {
            name: self.name,
            kind,
            bytes: self.bytes,
            path: self.path,
        })
    }
}
