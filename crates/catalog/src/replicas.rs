//! Copies of other publishers' assets on this node: wanted, fetched, held, given up.

mod row;

use std::collections::BTreeSet;

use cidcast_announce::Publisher;
use cidcast_types::{RenditionName, RootCid, Timestamp};

use crate::follow::TransferPace;
use crate::replica::{
    AssetOf, FailedAttempt, HeldPackage, Replica, ReplicaProgress, ReplicaTotals, WantedReplica,
};
use crate::row::{document, integer, millis, parse, size};
use crate::{Catalog, CatalogError};
use row::ReplicaRow;
pub(crate) use row::{node_of, publisher_of, renditions_from_json, renditions_to_json};

impl Catalog {
    /// Makes copies wanted, or changes what is wanted of them, all or none. One that is here as it
    /// is wanted stays as it is; otherwise its attempts begin anew, now. What is held meanwhile
    /// stays held.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn want_replicas(
        &self,
        all: &[WantedReplica],
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        for wanted in all {
            let (key, asset) = key(&wanted.of);
            let renditions = renditions_to_json(&wanted.renditions)?;
            let (root, bytes) = (wanted.root.to_string(), integer(wanted.bytes));
            let reason = wanted.reason.as_str();
            sqlx::query!(
                "INSERT INTO replicas (publisher, asset, root, renditions, bytes, reason, place,
                     state, queued_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8)
                 ON CONFLICT (publisher, asset) DO UPDATE SET
                     state = CASE WHEN state <> 'unpinning' AND root = ?3 AND renditions IS ?4
                         THEN state ELSE 'queued' END,
                     failures = CASE WHEN root = ?3 AND renditions IS ?4 THEN failures ELSE 0 END,
                     next_at = CASE WHEN root = ?3 AND renditions IS ?4 THEN next_at END,
                     root = ?3, renditions = ?4, bytes = ?5, reason = ?6, place = ?7",
                key,
                asset,
                root,
                renditions,
                bytes,
                reason,
                wanted.place,
                now
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Copies whose next attempt is due, most important first, but those of `paused` publishers.
    /// One that was interrupted is due.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replicas_to_fetch(
        &self,
        now: Timestamp,
        paused: &BTreeSet<Publisher>,
        limit: u32,
    ) -> Result<Vec<Replica>, CatalogError> {
        let now = millis(now);
        let keys = paused.iter().map(|publisher| hex(publisher.as_bytes()));
        // All as long as each other, and nothing of a key in between.
        let paused = keys.collect::<Vec<_>>().join(",");
        let rows = sqlx::query_as!(
            ReplicaRow,
            "SELECT * FROM replicas
             WHERE state <> 'pinned' AND (state IN ('queued', 'pinning')
                 OR (state = 'error' AND next_at <= ?))
                 AND instr(?, hex(publisher)) = 0
             ORDER BY place, id LIMIT ?",
            now,
            paused,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ReplicaRow::into_replica).collect()
    }

    /// Copies that are being given up.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replicas_to_drop(&self, limit: u32) -> Result<Vec<Replica>, CatalogError> {
        let rows = sqlx::query_as!(
            ReplicaRow,
            "SELECT * FROM replicas WHERE state <> 'pinned' AND state = 'unpinning'
             ORDER BY place, id LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ReplicaRow::into_replica).collect()
    }

    /// When the next attempt of a failed copy is due.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_replica_at(&self) -> Result<Option<Timestamp>, CatalogError> {
        let next = sqlx::query_scalar!(
            r#"SELECT MIN(next_at) AS "next: i64" FROM replicas
               WHERE state <> 'pinned' AND state = 'error' AND next_at IS NOT NULL"#
        )
        .fetch_one(&self.reader)
        .await?;
        next.map(|at| crate::row::time("replicas.next_at", at))
            .transpose()
    }

    /// Notes that a transfer runs, and how far it is. A copy that is given up meanwhile, or wanted
    /// in another form, is left alone; answers whether it is still wanted so.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_pinning(
        &self,
        wanted: &WantedReplica,
        progress: ReplicaProgress,
    ) -> Result<bool, CatalogError> {
        let (key, asset) = key(&wanted.of);
        let (root, renditions) = (
            wanted.root.to_string(),
            renditions_to_json(&wanted.renditions)?,
        );
        let (bytes, blocks) = (integer(progress.bytes), integer(progress.blocks));
        let known = integer(progress.blocks_known);
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE replicas SET state = 'pinning', done_bytes = ?, done_blocks = ?,
                 known_blocks = ?
             WHERE publisher = ? AND asset = ? AND root = ? AND renditions IS ?
                 AND state NOT IN ('pinned', 'unpinning')",
            bytes,
            blocks,
            known,
            key,
            asset,
            root,
            renditions
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Saves that a copy is pinned: every block of it is on disk and synced. Answers whether it
    /// was still wanted so; if not, its pin has to go.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_pinned(
        &self,
        of: &AssetOf,
        held: &HeldPackage,
    ) -> Result<bool, CatalogError> {
        let (key, asset) = key(of);
        let (root, renditions) = (held.root.to_string(), renditions_to_json(&held.renditions)?);
        let (bytes, at) = (integer(held.bytes), millis(held.at));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE replicas SET state = 'pinned', error = NULL, failures = 0, next_at = NULL,
                 done_blocks = known_blocks, told_until = NULL,
                 held_root = ?1, held_renditions = ?2, held_bytes = ?3, held_at = ?4
             WHERE publisher = ?5 AND asset = ?6 AND root = ?1 AND renditions IS ?2
                 AND state <> 'unpinning'",
            root,
            renditions,
            bytes,
            at,
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Saves that an attempt failed. One that is given up or complete is left alone.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_failed(
        &self,
        of: &AssetOf,
        failed: &FailedAttempt,
    ) -> Result<(), CatalogError> {
        let (key, asset) = key(of);
        let next_at = failed.next_at.map(millis);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE replicas SET state = 'error', error = ?, next_at = ?, failures = failures + 1
             WHERE publisher = ? AND asset = ? AND state NOT IN ('pinned', 'unpinning')",
            failed.error,
            next_at,
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Makes failed copies due at once: one, or all.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retry_replicas(&self, only: Option<&AssetOf>) -> Result<u64, CatalogError> {
        let only = only.map(key);
        let (publisher, asset) = only.unzip();
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE replicas SET state = 'queued', failures = 0, next_at = NULL
             WHERE state = 'error' AND (?1 IS NULL OR (publisher = ?1 AND asset = ?2))",
            publisher,
            asset
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    /// Marks copies as being given up, all or none; answers how many of them there are.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn give_up_replicas(&self, all: &[AssetOf]) -> Result<u64, CatalogError> {
        let mut marked = 0;
        let mut write = self.write().await?;
        for of in all {
            let (key, asset) = key(of);
            let done = sqlx::query!(
                "UPDATE replicas SET state = 'unpinning', next_at = NULL
                 WHERE publisher = ? AND asset = ?",
                key,
                asset
            )
            .execute(&mut *write)
            .await?;
            marked += done.rows_affected();
        }
        write.commit().await?;
        Ok(marked)
    }

    /// Removes the row of a copy whose pin is gone, unless it is wanted again by now; answers
    /// whether it was removed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn drop_replica(&self, of: &AssetOf) -> Result<bool, CatalogError> {
        let (key, asset) = key(of);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE replicas SET held_root = NULL, held_renditions = NULL, held_bytes = NULL,
                 held_at = NULL, told_until = NULL
             WHERE publisher = ? AND asset = ? AND state = 'queued'",
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        let done = sqlx::query!(
            "DELETE FROM replicas WHERE publisher = ? AND asset = ? AND state = 'unpinning'",
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes until when the publisher was told of a copy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_told(&self, of: &AssetOf, until: Timestamp) -> Result<(), CatalogError> {
        let (key, asset) = key(of);
        let until = millis(until);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE replicas SET told_until = ? WHERE publisher = ? AND asset = ?",
            until,
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Copies that are held although they were retracted, with the number of the retraction, of
    /// which the publisher was not told.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unacknowledged(&self, limit: u32) -> Result<Vec<(AssetOf, u64)>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT replicas.publisher, replicas.asset, tombstones.seq FROM replicas
             JOIN publishers ON publishers.key = replicas.publisher
             JOIN tombstones ON tombstones.publisher = publishers.id
                 AND tombstones.asset = replicas.asset
             WHERE state = 'pinned' AND ifnull(acknowledged, -1) <> tombstones.seq LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let of = AssetOf {
                    publisher: publisher_of("replicas.publisher", &row.publisher)?,
                    asset: parse("replicas.asset", &row.asset)?,
                };
                Ok((of, size("tombstones.seq", row.seq)?))
            })
            .collect()
    }

    /// Notes that the publisher was told that a retraction is obeyed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_acknowledged(&self, of: &AssetOf, seq: u64) -> Result<(), CatalogError> {
        let (key, asset) = key(of);
        let seq = integer(seq);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE replicas SET acknowledged = ? WHERE publisher = ? AND asset = ?",
            seq,
            key,
            asset
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Copies that are held and of which the publisher was not told, or only until `before`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replicas_to_tell(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Replica>, CatalogError> {
        let before = millis(before);
        let rows = sqlx::query_as!(
            ReplicaRow,
            "SELECT * FROM replicas WHERE state = 'pinned' AND ifnull(told_until, 0) < ?
             ORDER BY id LIMIT ?",
            before,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ReplicaRow::into_replica).collect()
    }

    /// One copy.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica(&self, of: &AssetOf) -> Result<Option<Replica>, CatalogError> {
        let (key, asset) = key(of);
        let row = sqlx::query_as!(
            ReplicaRow,
            "SELECT * FROM replicas WHERE publisher = ? AND asset = ?",
            key,
            asset
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(ReplicaRow::into_replica).transpose()
    }

    /// Up to `limit` copies with an id after `after`, oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replicas(&self, after: i64, limit: u32) -> Result<Vec<Replica>, CatalogError> {
        let rows = sqlx::query_as!(
            ReplicaRow,
            "SELECT * FROM replicas WHERE id > ? ORDER BY id LIMIT ?",
            after,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ReplicaRow::into_replica).collect()
    }

    /// Whether the operator lets transfers run.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replication_pace(&self) -> Result<TransferPace, CatalogError> {
        let pace = sqlx::query_scalar!("SELECT pace FROM replication")
            .fetch_one(&self.reader)
            .await?;
        parse("replication.pace", &pace)
    }

    /// Saves whether the operator lets transfers run.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn set_replication_pace(&self, pace: TransferPace) -> Result<(), CatalogError> {
        let pace = pace.as_str();
        let mut write = self.write().await?;
        sqlx::query!("UPDATE replication SET pace = ?", pace)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// What all copies take.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_totals(&self) -> Result<ReplicaTotals, CatalogError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "all!: i64",
                   ifnull(SUM(state = 'pinned'), 0) AS "pinned!: i64",
                   ifnull(SUM(state = 'error'), 0) AS "failed!: i64",
                   ifnull(SUM(held_bytes), 0) AS "held!: i64",
                   ifnull(SUM(bytes), 0) AS "wanted!: i64"
               FROM replicas"#
        )
        .fetch_one(&self.reader)
        .await?;
        let pinned = size("count", row.pinned)?;
        Ok(ReplicaTotals {
            pinned,
            waiting: size("count", row.all)?.saturating_sub(pinned),
            failed: size("count", row.failed)?,
            held_bytes: size("replicas.held_bytes", row.held)?,
            wanted_bytes: size("replicas.bytes", row.wanted)?,
        })
    }

    /// The packages of which a copy is held, in whole or in part.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn replica_roots(&self) -> Result<Vec<RootCid>, CatalogError> {
        let roots = sqlx::query_scalar!(
            r#"SELECT DISTINCT held_root AS "root!" FROM replicas WHERE held_root IS NOT NULL
               ORDER BY held_root"#
        )
        .fetch_all(&self.reader)
        .await?;
        roots
            .iter()
            .map(|root| parse("replicas.held_root", root))
            .collect()
    }

    /// The renditions of a package that are here, if it is here as a copy in part and in no other
    /// way as a whole.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn part_of_package(
        &self,
        root: &RootCid,
    ) -> Result<Option<Vec<RenditionName>>, CatalogError> {
        let root = root.to_string();
        let rows = sqlx::query_scalar!(
            r#"SELECT held_renditions AS "renditions: String" FROM replicas WHERE held_root = ?1
               UNION ALL SELECT NULL FROM assets WHERE root = ?1"#,
            root
        )
        .fetch_all(&self.reader)
        .await?;
        let mut names = Vec::new();
        let is_copy = !rows.is_empty();
        for row in rows {
            let Some(json) = row else {
                return Ok(None);
            };
            names.extend(document::<Vec<RenditionName>>(
                "replicas.held_renditions",
                &json,
            )?);
        }
        names.sort();
        names.dedup();
        Ok(is_copy.then_some(names))
    }
}

/// As SQLite's `hex` writes it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// How a copy is found.
pub(crate) fn key(of: &AssetOf) -> (&[u8], String) {
    (of.publisher.as_bytes().as_slice(), of.asset.to_string())
}
