//! Pins of this node at remote pinning services.

use std::collections::HashSet;

use cidcast_types::{Cid, Timestamp};

use crate::remote_pin::{
    RemoteAudience, RemoteCount, RemoteNote, RemotePin, RemoteReplica, WantedRemote,
};
use crate::row::{count, millis, parse, size, time};
use crate::{Catalog, CatalogError};

/// One row of `remote_pins`.
struct RemoteRow {
    id: i64,
    service: String,
    cid: String,
    name: String,
    audience: String,
    asset: Option<String>,
    state: String,
    request: Option<String>,
    error: Option<String>,
    failures: i64,
    since: i64,
    next_at: Option<i64>,
}

impl RemoteRow {
    fn into_pin(self) -> Result<RemotePin, CatalogError> {
        let asset = self.asset.map(|asset| parse("remote_pins.asset", &asset));
        let next_at = self.next_at.map(|at| time("remote_pins.next_at", at));
        Ok(RemotePin {
            id: self.id,
            service: self.service,
            cid: parse("remote_pins.cid", &self.cid)?,
            name: self.name,
            audience: parse("remote_pins.audience", &self.audience)?,
            asset: asset.transpose()?,
            state: parse("remote_pins.state", &self.state)?,
            request: self.request,
            error: self.error,
            failures: count("remote_pins.failures", self.failures)?,
            since: time("remote_pins.since", self.since)?,
            next_at: next_at.transpose()?,
        })
    }
}

impl Catalog {
    /// Makes pins at services wanted, all or none. One that is there or on its way stays as it is;
    /// one that was being given up, has failed, or is for others than it was is asked for now.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn want_remote_pins(
        &self,
        all: &[WantedRemote],
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        for wanted in all {
            let (cid, audience) = (wanted.cid.to_string(), wanted.audience.as_str());
            let asset = wanted.asset.map(|asset| asset.to_string());
            let by_hand = i64::from(asset.is_none());
            sqlx::query!(
                "INSERT INTO remote_pins (service, cid, name, audience, by_hand, asset, state,
                     since, next_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?7)
                 ON CONFLICT (service, cid) DO UPDATE SET
                     by_hand = max(by_hand, ?5), asset = ifnull(?6, asset),
                     failures = CASE WHEN state IN ('unpinning', 'error') OR audience <> ?4
                         THEN 0 ELSE failures END,
                     next_at = CASE WHEN state IN ('unpinning', 'error') OR audience <> ?4
                         THEN ?7 ELSE next_at END,
                     state = CASE WHEN state IN ('unpinning', 'error') OR audience <> ?4
                         THEN 'queued' ELSE state END,
                     audience = ?4",
                wanted.service,
                cid,
                wanted.name,
                audience,
                by_hand,
                asset,
                now
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Gives up a pin at a service, whoever wants it; answers whether there was one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn give_up_remote_pin(
        &self,
        service: &str,
        cid: &Cid,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let (cid, now) = (cid.to_string(), millis(now));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE remote_pins SET state = 'unpinning', by_hand = 0, asset = NULL, failures = 0,
                 next_at = ?
             WHERE service = ? AND cid = ?",
            now,
            service,
            cid
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Makes a pin that has failed, or that is being given up, due now.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retry_remote_pin(
        &self,
        service: &str,
        cid: &Cid,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let (cid, now) = (cid.to_string(), millis(now));
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE remote_pins SET failures = 0, next_at = ?
             WHERE service = ? AND cid = ? AND state IN ('error', 'unpinning')",
            now,
            service,
            cid
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Lets go of what was wanted for assets that want it no longer: those of `kept` still do, as
    /// pairs of service and root.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn keep_remote_pins_of_assets(
        &self,
        kept: &[(String, Cid)],
        now: Timestamp,
    ) -> Result<u64, CatalogError> {
        let kept: Vec<String> = kept
            .iter()
            .map(|(service, cid)| format!("{service} {cid}"))
            .collect();
        let kept = crate::row::to_document("remote_pins", &kept)?;
        let now = millis(now);
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE remote_pins SET asset = NULL,
                 failures = CASE by_hand WHEN 1 THEN failures ELSE 0 END,
                 next_at = CASE by_hand WHEN 1 THEN next_at ELSE ?1 END,
                 state = CASE by_hand WHEN 1 THEN state ELSE 'unpinning' END
             WHERE asset IS NOT NULL
                 AND service || ' ' || cid NOT IN (SELECT value FROM json_each(?2))",
            now,
            kept
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    /// Pins about which a service is to be asked now, the longest due first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_pins_due(
        &self,
        service: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RemotePin>, CatalogError> {
        let now = millis(now);
        let rows = sqlx::query_as!(
            RemoteRow,
            "SELECT id, service, cid, name, audience, asset, state, request, error, failures, since,
                 next_at
             FROM remote_pins
             WHERE service = ? AND next_at <= ?
             ORDER BY next_at, id LIMIT ?",
            service,
            now,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(RemoteRow::into_pin).collect()
    }

    /// Every pin that its service has, or that it knew and for which it has failed less than
    /// `failures` times in a row since.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_replicas(&self, failures: u32) -> Result<Vec<RemoteReplica>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT service, cid, state FROM remote_pins
             WHERE state = 'pinned'
                 OR (state = 'error' AND request IS NOT NULL AND failures < ?)",
            failures
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(RemoteReplica {
                    service: row.service,
                    cid: parse("remote_pins.cid", &row.cid)?,
                    state: parse("remote_pins.state", &row.state)?,
                })
            })
            .collect()
    }

    /// When a service is to be asked next.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_remote_at(&self, service: &str) -> Result<Option<Timestamp>, CatalogError> {
        let next = sqlx::query_scalar!(
            r#"SELECT MIN(next_at) AS "next: i64" FROM remote_pins
               WHERE service = ? AND next_at IS NOT NULL"#,
            service
        )
        .fetch_one(&self.reader)
        .await?;
        next.map(|at| time("remote_pins.next_at", at)).transpose()
    }

    /// Pins at services: of one root, at one service, or all; at most `limit`, the newest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_pins(
        &self,
        service: Option<&str>,
        cid: Option<&Cid>,
        limit: u32,
    ) -> Result<Vec<RemotePin>, CatalogError> {
        let cid = cid.map(Cid::to_string);
        let rows = sqlx::query_as!(
            RemoteRow,
            "SELECT id, service, cid, name, audience, asset, state, request, error, failures, since,
                 next_at
             FROM remote_pins WHERE (?1 IS NULL OR service = ?1) AND (?2 IS NULL OR cid = ?2)
             ORDER BY id DESC LIMIT ?3",
            service,
            cid,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(RemoteRow::into_pin).collect()
    }

    /// What is at services for assets, as service, root and audience; what is being given up is not
    /// among it.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_pins_of_assets(
        &self,
    ) -> Result<HashSet<(String, Cid, RemoteAudience)>, CatalogError> {
        let rows =
            sqlx::query!("SELECT service, cid, audience FROM remote_pins WHERE asset IS NOT NULL")
                .fetch_all(&self.reader)
                .await?;
        rows.into_iter()
            .map(|row| {
                let cid = parse("remote_pins.cid", &row.cid)?;
                let audience = parse("remote_pins.audience", &row.audience)?;
                Ok((row.service, cid, audience))
            })
            .collect()
    }

    /// What a person pinned, also where an asset wants it too; what is being given up is not among
    /// it.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_pins_by_hand(&self) -> Result<Vec<WantedRemote>, CatalogError> {
        let rows =
            sqlx::query!("SELECT service, cid, name, audience FROM remote_pins WHERE by_hand = 1")
                .fetch_all(&self.reader)
                .await?;
        rows.into_iter()
            .map(|row| {
                Ok(WantedRemote {
                    service: row.service,
                    cid: parse("remote_pins.cid", &row.cid)?,
                    name: row.name,
                    audience: parse("remote_pins.audience", &row.audience)?,
                    asset: None,
                })
            })
            .collect()
    }

    /// Saves what became of a pin, unless it is no more as it was: it may have been given up, or
    /// wanted again, or for others, while its service was asked. Answers whether it was saved.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_remote_pin(
        &self,
        was: &RemotePin,
        note: &RemoteNote,
    ) -> Result<bool, CatalogError> {
        let (state, now_is) = (was.state.as_str(), note.state.as_str());
        let audience = was.audience.as_str();
        let (since, next_at) = (millis(note.since), note.next_at.map(millis));
        let mut write = self.write().await?;
        // What the service calls it is true whatever became of the row.
        sqlx::query!(
            "UPDATE remote_pins SET request = ? WHERE id = ?",
            note.request,
            was.id
        )
        .execute(&mut *write)
        .await?;
        let done = sqlx::query!(
            "UPDATE remote_pins SET state = ?, error = ?, failures = ?, since = ?, next_at = ?
             WHERE id = ? AND state = ? AND audience = ?",
            now_is,
            note.error,
            note.failures,
            since,
            next_at,
            was.id,
            state,
            audience
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes the row of a pin that is gone, unless it is wanted again.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_remote_pin(&self, id: i64) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        sqlx::query!("UPDATE remote_pins SET request = NULL WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        sqlx::query!(
            "DELETE FROM remote_pins WHERE id = ? AND state = 'unpinning'",
            id
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// How many pins each service has in each state.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn remote_pin_counts(&self) -> Result<Vec<RemoteCount>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT service, state, count(*) AS "pins!: i64" FROM remote_pins
               GROUP BY service, state"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(RemoteCount {
                    service: row.service,
                    state: parse("remote_pins.state", &row.state)?,
                    pins: size("remote_pins", row.pins)?,
                })
            })
            .collect()
    }
}
