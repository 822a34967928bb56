//! Snapshots of feeds: those that were announced, and those whose segments are here.

use cidcast_announce::{Announcement, Publisher, Snapshot};
use cidcast_types::Cid;
use sqlx::{Sqlite, Transaction};

use super::hash::{announcement_cid, digest, join_announcements, split_announcements};
use super::record::{exceeded, place, usage};
use super::row::publisher_of;
use super::tidy::mark;
use crate::feed::{FeedLimits, HeldSnapshot, Holding, KnownSnapshot, SnapshotGain, SnapshotState};
use crate::row::{integer, size};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// The newest snapshot that a feed has announced.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn known_snapshot(
        &self,
        publisher: &Publisher,
    ) -> Result<Option<KnownSnapshot>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let row = sqlx::query!(
            r#"SELECT snapshots.seq, snapshots.announced_in, snapshots.cid, snapshots.segments,
                   held_snapshots.bytes AS "held_bytes?"
               FROM snapshots JOIN publishers ON publishers.id = snapshots.publisher
               LEFT JOIN held_snapshots ON held_snapshots.publisher = snapshots.publisher
                   AND held_snapshots.cid = snapshots.cid
               WHERE key = ?"#,
            key
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(KnownSnapshot {
                seq: size("snapshots.seq", row.seq)?,
                announced_in: size("snapshots.announced_in", row.announced_in)?,
                cid: announcement_cid("snapshots.cid", &row.cid)?,
                segments: split_announcements("snapshots.segments", &row.segments)?,
                state: match row.held_bytes {
                    None => SnapshotState::Named,
                    Some(_) => SnapshotState::Held,
                },
            })
        })
        .transpose()
    }

    /// The snapshot of a feed that is here whole; there may be a newer one that is not.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn held_snapshot(
        &self,
        publisher: &Publisher,
    ) -> Result<Option<HeldSnapshot>, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let row = sqlx::query!(
            "SELECT seq, announced_in, cid, segments, held_snapshots.bytes
             FROM held_snapshots JOIN publishers ON publishers.id = publisher WHERE key = ?",
            key
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(HeldSnapshot {
                seq: size("held_snapshots.seq", row.seq)?,
                announced_in: size("held_snapshots.announced_in", row.announced_in)?,
                cid: announcement_cid("held_snapshots.cid", &row.cid)?,
                segments: split_announcements("held_snapshots.segments", &row.segments)?,
                bytes: size("held_snapshots.bytes", row.bytes)?,
            })
        })
        .transpose()
    }

    /// Publishers, by key and after `after`, whose newest snapshot was announced and is not here.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn snapshots_to_hold(
        &self,
        after: Option<&Publisher>,
        limit: u32,
    ) -> Result<Vec<Publisher>, CatalogError> {
        let after = after.map_or(&[][..], |key| key.as_bytes().as_slice());
        let keys = sqlx::query_scalar!(
            "SELECT key FROM publishers JOIN snapshots ON snapshots.publisher = publishers.id
             WHERE key > ? AND NOT EXISTS (
                 SELECT 1 FROM held_snapshots
                 WHERE publisher = publishers.id AND held_snapshots.cid = snapshots.cid)
             ORDER BY key LIMIT ?",
            after,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        keys.iter().map(|key| publisher_of(key)).collect()
    }

    /// Notes that the segments of the newest snapshot, which `cid` names, are in the store and
    /// pinned: `bytes` of them. The one that was held before counts no longer.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn hold_snapshot(
        &self,
        publisher: &Publisher,
        cid: &Cid,
        bytes: u64,
        limits: &FeedLimits,
    ) -> Result<Holding, CatalogError> {
        let mut write = self.write().await?;
        let Some(place) = place(&mut write, publisher).await? else {
            return Ok(Holding::Superseded);
        };
        let digest = digest(cid);
        let named = sqlx::query_scalar!(
            "SELECT COUNT(*) FROM snapshots WHERE publisher = ? AND cid = ?",
            place.id,
            digest
        )
        .fetch_one(&mut *write)
        .await?;
        if named == 0 {
            return Ok(Holding::Superseded);
        }
        let usage = usage(&mut write).await?;
        let before = held_bytes(&mut write, place.id).await?;
        if let Some(quota) = exceeded(
            limits,
            usage.without(before),
            place.bytes.saturating_sub(before),
            bytes,
        ) {
            return Ok(Holding::OverQuota(quota));
        }
        hold(&mut write, place.id, bytes).await?;
        mark(&mut write, publisher).await?;
        write.commit().await?;
        Ok(Holding::Held)
    }

    /// What a snapshot of a feed now would save a newcomer.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn snapshot_gain(&self, publisher: &Publisher) -> Result<SnapshotGain, CatalogError> {
        let key = publisher.as_bytes().as_slice();
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "announcements!: i64",
                   COALESCE(SUM(announcements.bytes), 0) AS "bytes!: i64",
                   COALESCE((SELECT bytes FROM held_snapshots
                       WHERE held_snapshots.publisher = publishers.id), 0) AS "held!: i64"
               FROM publishers JOIN announcements ON announcements.publisher = publishers.id
               WHERE key = ? AND announcements.seq > COALESCE(
                   (SELECT seq FROM snapshots WHERE snapshots.publisher = publishers.id), -1)"#,
            key
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(SnapshotGain {
            announcements: size("announcements", row.announcements)?,
            bytes: size("announcements.bytes", row.bytes)?
                .saturating_add(size("held_snapshots.bytes", row.held)?),
        })
    }
}

/// Notes that there is a snapshot. Its segments may come later, or never.
pub(super) async fn name(
    write: &mut Transaction<'static, Sqlite>,
    publisher: i64,
    announcement: &Announcement,
    content: &Snapshot,
) -> Result<(), CatalogError> {
    let (seq, announced_in) = (integer(content.seq), integer(announcement.seq()));
    let (cid, segments) = (
        digest(&announcement.cid()),
        join_announcements(&content.segments),
    );
    // A feed that began with a snapshot hears of that one, and of older ones, once more.
    sqlx::query!(
        "INSERT INTO snapshots (publisher, seq, announced_in, cid, segments) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (publisher) DO UPDATE SET seq = excluded.seq,
             announced_in = excluded.announced_in, cid = excluded.cid,
             segments = excluded.segments
         WHERE excluded.announced_in > announced_in
             OR (excluded.announced_in = announced_in AND excluded.seq >= seq)",
        publisher,
        seq,
        announced_in,
        cid,
        segments
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Makes the newest snapshot the one that is held, and counts it.
pub(super) async fn hold(
    write: &mut Transaction<'static, Sqlite>,
    publisher: i64,
    bytes: u64,
) -> Result<(), CatalogError> {
    let before = integer(held_bytes(write, publisher).await?);
    let bytes = integer(bytes);
    sqlx::query!(
        "INSERT OR REPLACE INTO held_snapshots (publisher, seq, announced_in, cid, segments, bytes)
         SELECT publisher, seq, announced_in, cid, segments, ?2 FROM snapshots
         WHERE publisher = ?1",
        publisher,
        bytes
    )
    .execute(&mut **write)
    .await?;
    sqlx::query!(
        "UPDATE publishers SET bytes = bytes - ? + ? WHERE id = ?",
        before,
        bytes,
        publisher
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(super) async fn held_bytes(
    write: &mut Transaction<'static, Sqlite>,
    publisher: i64,
) -> Result<u64, CatalogError> {
    let held = sqlx::query_scalar!(
        "SELECT bytes FROM held_snapshots WHERE publisher = ?",
        publisher
    )
    .fetch_optional(&mut **write)
    .await?;
    size("held_snapshots.bytes", held.unwrap_or(0))
}
