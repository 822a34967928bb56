//! Recording announcements: a feed moves by whole announcements, in order, or not at all.

use cidcast_announce::{Announcement, Publisher};
use cidcast_types::{Cid, Timestamp};
use sqlx::{Sqlite, Transaction};

use super::apply::apply;
use super::hash::{announcement_cid, digest};
use crate::feed::{FeedLimits, FeedUsage, Quota, Recorded};
use crate::row::{integer, millis, size};
use crate::{Catalog, CatalogError};

/// Where a feed stands, inside a transaction.
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) have: u64,
    head: Option<Cid>,
    pub(super) bytes: u64,
}

impl Catalog {
    /// What [`Self::record`] would do with each announcement if it came alone. Changes nothing.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn would_record(
        &self,
        announcement: &Announcement,
        limits: &FeedLimits,
        now: Timestamp,
    ) -> Result<Recorded, CatalogError> {
        // Never committed: the same code answers, and nothing stays.
        let mut look = self.write().await?;
        record_one(&mut look, announcement, limits, now).await
    }

    /// Records announcements, in the order given, all in one transaction. Their bytes have to be in
    /// the store, pinned. Says for each what became of it; one that was recorded before changes
    /// nothing, so the call can be repeated.
    ///
    /// # Errors
    /// See [`CatalogError`]; then none was recorded.
    pub async fn record(
        &self,
        announcements: &[Announcement],
        limits: &FeedLimits,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, CatalogError> {
        let mut write = self.write().await?;
        let mut done = Vec::with_capacity(announcements.len());
        for announcement in announcements {
            done.push(record_one(&mut write, announcement, limits, now).await?);
        }
        write.commit().await?;
        Ok(done)
    }
}

async fn record_one(
    write: &mut Transaction<'static, Sqlite>,
    announcement: &Announcement,
    limits: &FeedLimits,
    now: Timestamp,
) -> Result<Recorded, CatalogError> {
    if announcement.is_future(now) {
        return Ok(Recorded::Future);
    }
    let usage = usage(write).await?;
    let place = match place(write, &announcement.publisher()).await? {
        Some(place) => place,
        None if usage.publishers >= limits.publishers => {
            return Ok(Recorded::OverQuota(Quota::Publishers));
        }
        None => new_place(write, &announcement.publisher()).await?,
    };
    let (seq, have) = (announcement.seq(), place.have);
    if seq < have {
        return earlier(write, &place, announcement).await;
    }
    if seq > have {
        note_known(write, place.id, seq.saturating_add(1)).await?;
        return Ok(Recorded::Gap { have });
    }
    if announcement.prev() != place.head {
        return Ok(Recorded::Detached { have });
    }
    let bytes = announcement.bytes().len() as u64;
    if let Some(quota) = exceeded(limits, usage, place.bytes, bytes) {
        note_known(write, place.id, seq.saturating_add(1)).await?;
        return Ok(Recorded::OverQuota(quota));
    }
    append(write, &place, announcement, now).await?;
    let changes = apply(write, place.id, announcement).await?;
    Ok(Recorded::Applied(changes))
}

/// Which limit `bytes` more would exceed.
pub(super) fn exceeded(
    limits: &FeedLimits,
    usage: FeedUsage,
    publisher: u64,
    bytes: u64,
) -> Option<Quota> {
    limits.exceeded_by(bytes, publisher, usage)
}

async fn earlier(
    write: &mut Transaction<'static, Sqlite>,
    place: &Place,
    announcement: &Announcement,
) -> Result<Recorded, CatalogError> {
    let seq = integer(announcement.seq());
    let recorded = sqlx::query_scalar!(
        "SELECT cid FROM announcements WHERE publisher = ? AND seq = ?",
        place.id,
        seq
    )
    .fetch_optional(&mut **write)
    .await?;
    let recorded = recorded
        .map(|digest| announcement_cid("announcements.cid", &digest))
        .transpose()?;
    Ok(match recorded {
        Some(recorded) if recorded != announcement.cid() => Recorded::Conflict { recorded },
        _ if announcement.seq().saturating_add(1) == place.have => Recorded::Duplicate,
        _ => Recorded::Superseded,
    })
}

async fn append(
    write: &mut Transaction<'static, Sqlite>,
    place: &Place,
    announcement: &Announcement,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let (seq, next) = (
        integer(announcement.seq()),
        integer(announcement.seq().saturating_add(1)),
    );
    let (cid, bytes) = (
        digest(&announcement.cid()),
        integer(announcement.bytes().len() as u64),
    );
    let (at, now) = (millis(announcement.at()), millis(now));
    sqlx::query!(
        "INSERT INTO announcements (publisher, seq, cid, bytes) VALUES (?, ?, ?, ?)",
        place.id,
        seq,
        cid,
        bytes
    )
    .execute(&mut **write)
    .await?;
    sqlx::query!(
        "UPDATE publishers SET have = ?1, known = max(known, ?1), head = ?2, bytes = bytes + ?3,
             announced_at = ?4, recorded_at = ?5
         WHERE id = ?6",
        next,
        cid,
        bytes,
        at,
        now,
        place.id
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(super) async fn place(
    write: &mut Transaction<'static, Sqlite>,
    publisher: &Publisher,
) -> Result<Option<Place>, CatalogError> {
    let key = publisher.as_bytes().as_slice();
    let row = sqlx::query!(
        "SELECT id, have, head, bytes FROM publishers WHERE key = ?",
        key
    )
    .fetch_optional(&mut **write)
    .await?;
    row.map(|row| {
        Ok(Place {
            id: row.id,
            have: size("publishers.have", row.have)?,
            head: row
                .head
                .map(|head| announcement_cid("publishers.head", &head))
                .transpose()?,
            bytes: size("publishers.bytes", row.bytes)?,
        })
    })
    .transpose()
}

pub(super) async fn new_place(
    write: &mut Transaction<'static, Sqlite>,
    publisher: &Publisher,
) -> Result<Place, CatalogError> {
    let key = publisher.as_bytes().as_slice();
    let row = sqlx::query!("INSERT INTO publishers (key) VALUES (?)", key)
        .execute(&mut **write)
        .await?;
    Ok(Place {
        id: row.last_insert_rowid(),
        have: 0,
        head: None,
        bytes: 0,
    })
}

async fn note_known(
    write: &mut Transaction<'static, Sqlite>,
    id: i64,
    known: u64,
) -> Result<(), CatalogError> {
    let known = integer(known);
    sqlx::query!(
        "UPDATE publishers SET known = max(known, ?) WHERE id = ?",
        known,
        id
    )
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(super) async fn usage(
    write: &mut Transaction<'static, Sqlite>,
) -> Result<FeedUsage, CatalogError> {
    let row = sqlx::query!("SELECT bytes, publishers FROM feed_usage")
        .fetch_one(&mut **write)
        .await?;
    Ok(FeedUsage {
        bytes: size("feed_usage.bytes", row.bytes)?,
        publishers: size("feed_usage.publishers", row.publishers)?,
    })
}
