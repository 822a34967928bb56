//! Beginning a feed with a snapshot: state and head at once, or nothing.

use std::collections::HashSet;

use cidcast_announce::{Announcement, Op, Publisher, Snapshot, StateEntry};
use cidcast_types::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::apply::{self, Said};
use super::hash::digest;
use super::record::{exceeded, new_place, place, usage};
use super::snapshot::{held_bytes, hold, name};
use super::tidy::mark;
use crate::feed::{FeedLimits, Loading};
use crate::row::{integer, millis};
use crate::{Catalog, CatalogError};

/// A feed that is about to begin where a snapshot ends. Dropped before [`Self::finish`], nothing
/// has happened.
#[derive(Debug)]
pub struct SnapshotLoad {
    write: Transaction<'static, Sqlite>,
    publisher: Publisher,
    id: i64,
    announcement: Announcement,
    snapshot: Snapshot,
    bytes: u64,
    now: Timestamp,
    /// Assets that are here and were not in the snapshot so far.
    left: HashSet<String>,
    last_at: Timestamp,
}

impl Catalog {
    /// Begins to make a feed what `snapshot`, an operation of `announcement`, says: `bytes` of
    /// segments, which are in the store and pinned. Takes the place of what little of the feed is
    /// here; a feed that is here as far as the snapshot or further is left alone.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn load_snapshot(
        &self,
        announcement: &Announcement,
        snapshot: &Snapshot,
        bytes: u64,
        limits: &FeedLimits,
        now: Timestamp,
    ) -> Result<Loading, CatalogError> {
        if announcement.is_future(now) {
            return Ok(Loading::Future);
        }
        let publisher = announcement.publisher();
        let mut write = self.write().await?;
        let usage = usage(&mut write).await?;
        let place = match place(&mut write, &publisher).await? {
            Some(place) => place,
            None if usage.publishers >= limits.publishers => {
                return Ok(Loading::OverQuota(crate::Quota::Publishers));
            }
            None => new_place(&mut write, &publisher).await?,
        };
        if place.have > snapshot.seq {
            return Ok(Loading::Here { have: place.have });
        }
        let before = held_bytes(&mut write, place.id).await?;
        let others = place.bytes.saturating_sub(before);
        if let Some(quota) = exceeded(limits, usage.without(before), others, bytes) {
            return Ok(Loading::OverQuota(quota));
        }
        let left = known_assets(&mut write, place.id).await?;
        Ok(Loading::Begun(Box::new(SnapshotLoad {
            write,
            publisher,
            id: place.id,
            announcement: announcement.clone(),
            snapshot: snapshot.clone(),
            bytes,
            now,
            left,
            last_at: Timestamp::from_millis(0),
        })))
    }
}

impl SnapshotLoad {
    /// Takes the entries of the next segment.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn add(&mut self, entries: &[StateEntry]) -> Result<(), CatalogError> {
        for entry in entries {
            let said = Said {
                publisher: self.id,
                seq: entry.seq,
                at: entry.at,
            };
            self.last_at = self.last_at.max(entry.at);
            match &entry.op {
                Op::Publish(content) => {
                    apply::publish(&mut self.write, said, content).await?;
                }
                Op::Retract(content) => {
                    apply::retract(&mut self.write, said, content.asset, &content.reason).await?;
                }
                Op::Profile(content) => apply::profile(&mut self.write, said, content).await?,
                Op::Snapshot(_) | Op::Unknown { .. } => continue,
            }
            if let Some(asset) = entry.op.asset() {
                self.left.remove(&asset.to_string());
            }
        }
        Ok(())
    }

    /// Makes it so: the feed has all up to the snapshot, which is held. How much that is.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn finish(mut self) -> Result<u64, CatalogError> {
        for asset in std::mem::take(&mut self.left) {
            self.drop_asset(&asset).await?;
        }
        let (id, seq) = (self.id, integer(self.snapshot.seq));
        let have = self.snapshot.seq.saturating_add(1);
        let (next, head) = (integer(have), digest(&self.snapshot.head));
        let known = integer(self.announcement.seq().saturating_add(1));
        let (at, now) = (millis(self.last_at), millis(self.now));
        // Its bytes are not here, but another one of that number is a fork.
        sqlx::query!(
            "INSERT OR IGNORE INTO announcements (publisher, seq, cid, bytes) VALUES (?, ?, ?, 0)",
            id,
            seq,
            head
        )
        .execute(&mut *self.write)
        .await?;
        sqlx::query!(
            "UPDATE publishers SET have = ?1, known = max(known, ?2), head = ?3,
                 announced_at = ?4, recorded_at = ?5
             WHERE id = ?6",
            next,
            known,
            head,
            at,
            now,
            id
        )
        .execute(&mut *self.write)
        .await?;
        name(&mut self.write, id, &self.announcement, &self.snapshot).await?;
        hold(&mut self.write, id, self.bytes).await?;
        mark(&mut self.write, &self.publisher).await?;
        self.write.commit().await?;
        Ok(have)
    }

    /// An asset of which the snapshot knows nothing: what was here of it is not the feed's state.
    async fn drop_asset(&mut self, asset: &str) -> Result<(), CatalogError> {
        let gone = sqlx::query!(
            "DELETE FROM announced WHERE publisher = ? AND asset = ?",
            self.id,
            asset
        )
        .execute(&mut *self.write)
        .await?;
        let gone = i64::try_from(gone.rows_affected()).unwrap_or(0);
        apply::count_asset(&mut self.write, self.id, -gone).await?;
        sqlx::query!(
            "DELETE FROM tombstones WHERE publisher = ? AND asset = ?",
            self.id,
            asset
        )
        .execute(&mut *self.write)
        .await?;
        Ok(())
    }
}

async fn known_assets(
    write: &mut Transaction<'static, Sqlite>,
    publisher: i64,
) -> Result<HashSet<String>, CatalogError> {
    let assets = sqlx::query_scalar!(
        "SELECT asset FROM announced WHERE publisher = ?1
         UNION ALL SELECT asset FROM tombstones WHERE publisher = ?1",
        publisher
    )
    .fetch_all(&mut **write)
    .await?;
    Ok(assets.into_iter().collect())
}
