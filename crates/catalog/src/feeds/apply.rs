//! What an announcement's operations do to the rows.

use cidcast_announce::{Announcement, Op, Profile, Publish, ViewSharing};
use cidcast_types::{AssetId, RootCid, Timestamp};
use sqlx::{Sqlite, Transaction};

use super::hash::{digest, root_cid};
use super::row::renditions_to_text;
use super::snapshot;
use crate::CatalogError;
use crate::feed::FeedChange;
use crate::row::{integer, millis, tags_to_json, to_document};

type Write = Transaction<'static, Sqlite>;

/// Where and when something was announced.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) publisher: i64,
    pub(super) seq: u64,
    pub(super) at: Timestamp,
}

/// Applies the operations, in order.
pub(super) async fn apply(
    write: &mut Write,
    publisher: i64,
    announcement: &Announcement,
) -> Result<Vec<FeedChange>, CatalogError> {
    let said = Said {
        publisher,
        seq: announcement.seq(),
        at: announcement.at(),
    };
    let mut changes = Vec::with_capacity(announcement.ops().len());
    for op in announcement.ops() {
        match op {
            Op::Publish(content) => changes.push(publish(write, said, content).await?),
            Op::Retract(content) => {
                changes.push(retract(write, said, content.asset, &content.reason).await?);
            }
            Op::Profile(content) => {
                profile(write, said, content).await?;
                changes.push(FeedChange::Profiled);
            }
            Op::Snapshot(content) => {
                snapshot::name(write, publisher, announcement, content).await?;
                changes.push(FeedChange::Snapshotted);
            }
            Op::Unknown { .. } => {}
        }
    }
    Ok(changes)
}

pub(super) async fn publish(
    write: &mut Write,
    said: Said,
    content: &Publish,
) -> Result<FeedChange, CatalogError> {
    let asset = content.asset.to_string();
    // What the operator removed here does not come back with a new announcement.
    let hidden = sqlx::query_scalar!(
        "DELETE FROM tombstones WHERE publisher = ? AND asset = ? RETURNING hidden",
        said.publisher,
        asset
    )
    .fetch_optional(&mut **write)
    .await?
    .unwrap_or(0);
    let before = sqlx::query_scalar!(
        "SELECT id FROM announced WHERE asset = ? AND publisher = ?",
        asset,
        said.publisher
    )
    .fetch_optional(&mut **write)
    .await?;
    match before {
        Some(id) => update(write, id, said, content).await?,
        None => {
            let hidden = hidden | was_removed(write, said.publisher, &asset).await?;
            insert(write, said, content, hidden).await?;
            count_asset(write, said.publisher, 1).await?;
        }
    }
    Ok(FeedChange::Published {
        asset: content.asset,
        root: content.root,
    })
}

/// Whether the operator removed an asset for good: also if all else about it was forgotten since.
async fn was_removed(write: &mut Write, publisher: i64, asset: &str) -> Result<i64, CatalogError> {
    let found = sqlx::query_scalar!(
        "SELECT 1 FROM removed
         WHERE publisher = (SELECT key FROM publishers WHERE id = ?) AND asset = ?",
        publisher,
        asset
    )
    .fetch_optional(&mut **write)
    .await?;
    Ok(i64::from(found.is_some()))
}

/// What the columns of an announced asset hold.
struct Columns {
    seq: i64,
    at: i64,
    root: Vec<u8>,
    tags: String,
    created_at: i64,
    duration_ms: i64,
    bytes: i64,
    renditions: String,
    views: i64,
}

impl Columns {
    fn of(said: Said, content: &Publish) -> Self {
        Self {
            seq: integer(said.seq),
            at: millis(said.at),
            root: digest(&content.root.cid()),
            tags: tags_to_json(&content.tags),
            created_at: millis(content.created_at),
            duration_ms: integer(content.duration_ms),
            bytes: integer(content.bytes),
            renditions: renditions_to_text(&content.renditions),
            views: match content.views {
                ViewSharing::Keep => 0,
                ViewSharing::Share => 1,
            },
        }
    }
}

async fn insert(
    write: &mut Write,
    said: Said,
    content: &Publish,
    hidden: i64,
) -> Result<(), CatalogError> {
    let asset = content.asset.to_string();
    let columns = Columns::of(said, content);
    sqlx::query!(
        "INSERT INTO announced (publisher, asset, seq, at, root, title, description, tags,
             created_at, duration_ms, bytes, renditions, poster, language, copies_min, copies_max,
             views, hidden)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        said.publisher,
        asset,
        columns.seq,
        columns.at,
        columns.root,
        content.title,
        content.description,
        columns.tags,
        columns.created_at,
        columns.duration_ms,
        columns.bytes,
        columns.renditions,
        content.poster,
        content.language,
        content.replication.min,
        content.replication.max,
        columns.views,
        hidden
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn update(
    write: &mut Write,
    id: i64,
    said: Said,
    content: &Publish,
) -> Result<(), CatalogError> {
    let columns = Columns::of(said, content);
    sqlx::query!(
        "UPDATE announced SET seq = ?, at = ?, root = ?, title = ?, description = ?, tags = ?,
             created_at = ?, duration_ms = ?, bytes = ?, renditions = ?, poster = ?, language = ?,
             copies_min = ?, copies_max = ?, views = ?
         WHERE id = ?",
        columns.seq,
        columns.at,
        columns.root,
        content.title,
        content.description,
        columns.tags,
        columns.created_at,
        columns.duration_ms,
        columns.bytes,
        columns.renditions,
        content.poster,
        content.language,
        content.replication.min,
        content.replication.max,
        columns.views,
        id
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(super) async fn retract(
    write: &mut Write,
    said: Said,
    asset: AssetId,
    reason: &str,
) -> Result<FeedChange, CatalogError> {
    let key = asset.to_string();
    let gone = sqlx::query!(
        "DELETE FROM announced WHERE asset = ? AND publisher = ? RETURNING root, hidden",
        key,
        said.publisher
    )
    .fetch_optional(&mut **write)
    .await?;
    if gone.is_some() {
        count_asset(write, said.publisher, -1).await?;
    }
    let (root, hidden) = gone.map_or((None, 0), |gone| (Some(gone.root), gone.hidden));
    let (seq, at) = (integer(said.seq), millis(said.at));
    sqlx::query!(
        "INSERT INTO tombstones (publisher, asset, seq, at, reason, root, hidden)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (publisher, asset) DO UPDATE SET seq = excluded.seq, at = excluded.at,
             reason = excluded.reason",
        said.publisher,
        key,
        seq,
        at,
        reason,
        root,
        hidden
    )
    .execute(&mut **write)
    .await?;
    Ok(FeedChange::Retracted {
        asset,
        root: known_root(root.as_deref())?,
        reason: reason.to_owned(),
    })
}

fn known_root(root: Option<&[u8]>) -> Result<Option<RootCid>, CatalogError> {
    root.map(|root| root_cid("announced.root", root))
        .transpose()
}

pub(super) async fn count_asset(
    write: &mut Write,
    publisher: i64,
    change: i64,
) -> Result<(), CatalogError> {
    sqlx::query!(
        "UPDATE publishers SET assets = assets + ? WHERE id = ?",
        change,
        publisher
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(super) async fn profile(
    write: &mut Write,
    said: Said,
    content: &Profile,
) -> Result<(), CatalogError> {
    let nodes = to_document("publishers.nodes", &content.nodes)?;
    sqlx::query!(
        "UPDATE publishers SET name = ?, about = ?, nodes = ?, web = ? WHERE id = ?",
        content.name,
        content.about,
        nodes,
        content.web,
        said.publisher
    )
    .execute(&mut **write)
    .await?;
    let (seq, at) = (integer(said.seq), millis(said.at));
    sqlx::query!(
        "INSERT OR REPLACE INTO profiled (publisher, seq, at) VALUES (?, ?, ?)",
        said.publisher,
        seq,
        at
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}
