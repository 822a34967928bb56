//! Jobs: which assets have work to do, and what has become of it.

use cidcast_media::plan::Plan;
use cidcast_media::source::SourceMedia;
use cidcast_types::{AssetId, AssetState, RootCid, Timestamp};
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{Sqlite, Transaction};

use crate::asset::{Asset, Failure, Permanence};
use crate::assets::fetch;
use crate::row::{AssetRow, integer, millis, parse, time, to_document};
use crate::{Catalog, CatalogError, ChangeError, MAX_PAGE};

impl Catalog {
    /// The jobs that may run at `now`, oldest first: not settled, and not waiting for a later
    /// attempt. A job that is running is among them; the caller knows which those are.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn runnable(&self, now: Timestamp, limit: u32) -> Result<Vec<AssetId>, CatalogError> {
        let now = millis(now);
        let ids = sqlx::query_scalar!(
            "SELECT id FROM assets
             WHERE state NOT IN ('ready', 'failed')
               AND (next_attempt_at IS NULL OR next_attempt_at <= ?)
             ORDER BY seq LIMIT ?",
            now,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        ids.iter().map(|id| parse("assets.id", id)).collect()
    }

    /// The jobs that failed for good with this code, oldest first: what to try again when its
    /// cause has passed. At most [`MAX_PAGE`] at a time.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn failed_with(&self, code: &str) -> Result<Vec<AssetId>, CatalogError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM assets WHERE state = 'failed' AND failure_code = ?
             ORDER BY seq LIMIT ?",
            code,
            MAX_PAGE
        )
        .fetch_all(&self.reader)
        .await?;
        ids.iter().map(|id| parse("assets.id", id)).collect()
    }

    /// When the next waiting job may run, if one waits.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_attempt(&self) -> Result<Option<Timestamp>, CatalogError> {
        let at = sqlx::query_scalar!(
            r#"SELECT MIN(next_attempt_at) AS "at: i64" FROM assets
               WHERE state NOT IN ('ready', 'failed')"#
        )
        .fetch_one(&self.reader)
        .await?;
        at.map(|at| time("assets.next_attempt_at", at)).transpose()
    }

    /// Every asset whose job is not settled, oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unsettled(&self, limit: u32) -> Result<Vec<Asset>, CatalogError> {
        let rows = sqlx::query_as!(
            AssetRow,
            "SELECT * FROM assets WHERE state NOT IN ('ready', 'failed') ORDER BY seq LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(AssetRow::into_asset).collect()
    }

    /// Moves a job to a working state and starts its progress at 0. A failure that an earlier
    /// attempt left is cleared when work begins again (any state but `queued`).
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if the job is settled, or if `state` is `ready` or `failed`:
    /// those are reached by [`Catalog::save_package`] and [`Catalog::fail`] only.
    pub async fn set_state(
        &self,
        id: &AssetId,
        state: AssetState,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        if state.is_settled() {
            return Err(ChangeError::WrongState { id: *id, state });
        }
        let mut write = self.write().await?;
        let (key, name, now) = (id.to_string(), state.as_str(), millis(now));
        let done = sqlx::query!(
            "UPDATE assets SET state = ?1, progress = 0, speed = NULL, updated_at = ?2,
                 failure_code      = iif(?1 = 'queued', failure_code, NULL),
                 failure_title     = iif(?1 = 'queued', failure_title, NULL),
                 failure_detail    = iif(?1 = 'queued', failure_detail, NULL),
                 failure_permanent = iif(?1 = 'queued', failure_permanent, NULL),
                 next_attempt_at   = iif(?1 = 'queued', next_attempt_at, NULL)
             WHERE id = ?3 AND state NOT IN ('ready', 'failed')",
            name,
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }

    /// Saves how far the current state's work is (percent, clamped to 0 to 100) and how fast it
    /// goes. Writes to the disk: call it a few times a second at most.
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if the job is settled.
    pub async fn set_progress(
        &self,
        id: &AssetId,
        percent: f32,
        speed: Option<f32>,
    ) -> Result<(), ChangeError> {
        let mut write = self.write().await?;
        let percent = if percent.is_nan() {
            0.0
        } else {
            percent.clamp(0.0, 100.0)
        };
        let (key, speed) = (id.to_string(), speed.filter(|speed| speed.is_finite()));
        let done = sqlx::query!(
            "UPDATE assets SET progress = ?, speed = ?
             WHERE id = ? AND state NOT IN ('ready', 'failed')",
            percent,
            speed,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }

    /// Saves what the probe found and what will be encoded.
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if the job is settled.
    pub async fn save_plan(
        &self,
        id: &AssetId,
        media: &SourceMedia,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let media = to_document("assets.media", media)?;
        let (plan, plan_key) = (plan.to_json(), plan.key().to_string());
        let (key, now) = (id.to_string(), millis(now));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE assets SET media = ?, plan = ?, plan_key = ?, updated_at = ?
             WHERE id = ? AND state NOT IN ('ready', 'failed')",
            media,
            plan,
            plan_key,
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }

    /// Saves a failed attempt. With a time for the `next` one the job waits in `queued`; without
    /// one it is `failed` until [`Catalog::requeue`].
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if the job is settled.
    pub async fn fail(
        &self,
        id: &AssetId,
        failure: &Failure,
        attempt: u32,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let state = if next.is_some() {
            AssetState::Queued
        } else {
            AssetState::Failed
        }
        .as_str();
        let permanent = failure.permanence == Permanence::Permanent;
        let (key, next, now) = (id.to_string(), next.map(millis), millis(now));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE assets SET state = ?, speed = NULL, failure_code = ?, failure_title = ?,
                 failure_detail = ?, failure_permanent = ?, attempt = ?, next_attempt_at = ?,
                 updated_at = ?
             WHERE id = ? AND state NOT IN ('ready', 'failed')",
            state,
            failure.code,
            failure.title,
            failure.detail,
            permanent,
            attempt,
            next,
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }

    /// Queues a job again as if it had never failed: one that failed for good, or one that waits
    /// for its next attempt.
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if there is no failure to try again after.
    pub async fn requeue(&self, id: &AssetId, now: Timestamp) -> Result<(), ChangeError> {
        let (key, now) = (id.to_string(), millis(now));
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE assets SET state = 'queued', progress = 0, speed = NULL, attempt = 0,
                 failure_code = NULL, failure_title = NULL, failure_detail = NULL,
                 failure_permanent = NULL, next_attempt_at = NULL, updated_at = ?
             WHERE id = ? AND (state = 'failed' OR (state = 'queued' AND failure_code IS NOT NULL))",
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }

    /// Saves the package of an asset: it is `ready`. Call it only when every block under `root`
    /// is on disk, synced and pinned.
    ///
    /// # Errors
    /// [`ChangeError::WrongState`] if the job is settled.
    pub async fn save_package(
        &self,
        id: &AssetId,
        root: &RootCid,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let (key, root, bytes, now) = (
            id.to_string(),
            root.to_string(),
            integer(bytes),
            millis(now),
        );
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE assets SET state = 'ready', progress = 100, speed = NULL, root = ?,
                 package_bytes = ?, attempt = 0, failure_code = NULL, failure_title = NULL,
                 failure_detail = NULL, failure_permanent = NULL, next_attempt_at = NULL,
                 updated_at = ?
             WHERE id = ? AND state NOT IN ('ready', 'failed')",
            root,
            bytes,
            now,
            key
        )
        .execute(&mut *write)
        .await?;
        settle(write, id, &done).await
    }
}

/// Commits a change that touched its row, or finds out why it touched none.
async fn settle(
    mut write: Transaction<'static, Sqlite>,
    id: &AssetId,
    done: &SqliteQueryResult,
) -> Result<(), ChangeError> {
    if done.rows_affected() > 0 {
        return Ok(write.commit().await?);
    }
    match fetch(&mut write, id).await? {
        Some(asset) => Err(ChangeError::WrongState {
            id: *id,
            state: asset.state,
        }),
        None => Err(ChangeError::NoSuchAsset(*id)),
    }
}
