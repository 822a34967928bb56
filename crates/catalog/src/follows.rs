//! Follows: begin, look up, change, end.

use std::collections::BTreeMap;

use cidcast_announce::Publisher;
use cidcast_types::Timestamp;
use sqlx::SqliteConnection;

use crate::follow::{Follow, FollowPolicy, NewFollow, Resolved};
use crate::row::{count, document, integer, millis, parse, size, time, to_document};
use crate::{Catalog, CatalogError};

/// Follows that there may be: each is looked up and told of again and again.
pub const MAX_FOLLOWS: u32 = 10_000;

/// A change to a follow was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The same target is followed already.
    #[error("{target} is followed already (follow {id}): change that follow instead")]
    Already {
        /// As it was given.
        target: String,
        /// The follow that there is.
        id: i64,
    },
    /// There are too many.
    #[error("there are {MAX_FOLLOWS} follows, which is the most: end one first")]
    Full,
    /// It ended, or never existed.
    #[error("there is no follow {0}: list the follows to see which there are")]
    NoSuchFollow(i64),
    /// Its target leads to whom it always led.
    #[error("follow {0} leads to nobody else than before: there is nothing to accept")]
    NothingOffered(i64),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<sqlx::Error> for FollowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}

struct FollowRow {
    id: i64,
    target: String,
    origin: String,
    replicate: String,
    renditions: String,
    strategy: String,
    min_lifetime: i64,
    publisher: Option<String>,
    offered: Option<String>,
    name: String,
    nodes: String,
    failures: i64,
    error: Option<String>,
    resolved_at: Option<i64>,
    next_at: Option<i64>,
    told_at: Option<i64>,
    created_at: i64,
    #[expect(dead_code, reason = "orders the policies; nobody is shown it")]
    updated_at: i64,
    pace: String,
}

impl FollowRow {
    fn into_follow(self) -> Result<Follow, CatalogError> {
        let at = |column, at: Option<i64>| at.map(|at| time(column, at)).transpose();
        let key = |column, key: Option<String>| key.map(|key| parse(column, &key)).transpose();
        Ok(Follow {
            id: self.id,
            origin: parse("follows.origin", &self.origin)?,
            policy: FollowPolicy {
                replicate: parse("follows.replicate", &self.replicate)?,
                renditions: document("follows.renditions", &self.renditions)?,
                strategy: parse("follows.strategy", &self.strategy)?,
                min_lifetime: std::time::Duration::from_millis(size(
                    "follows.min_lifetime",
                    self.min_lifetime,
                )?),
                pace: parse("follows.pace", &self.pace)?,
            },
            publisher: key("follows.publisher", self.publisher)?,
            offered: key("follows.offered", self.offered)?,
            nodes: document("follows.nodes", &self.nodes)?,
            failures: count("follows.failures", self.failures)?,
            resolved_at: at("follows.resolved_at", self.resolved_at)?,
            next_at: at("follows.next_at", self.next_at)?,
            told_at: at("follows.told_at", self.told_at)?,
            created_at: time("follows.created_at", self.created_at)?,
            target: self.target,
            name: self.name,
            error: self.error,
        })
    }
}

fn lifetime(policy: &FollowPolicy) -> i64 {
    integer(u64::try_from(policy.min_lifetime.as_millis()).unwrap_or(u64::MAX))
}

impl Catalog {
    /// Begins a follow. One whose publisher is not known yet is due for looking up at once.
    ///
    /// # Errors
    /// [`FollowError::Already`], [`FollowError::Full`], or the database failed.
    pub async fn add_follow(&self, new: &NewFollow, now: Timestamp) -> Result<Follow, FollowError> {
        let mut write = self.write().await?;
        let there = sqlx::query_scalar!("SELECT id FROM follows WHERE target = ?", new.target)
            .fetch_optional(&mut *write)
            .await?;
        if let Some(id) = there {
            let target = new.target.clone();
            return Err(FollowError::Already { target, id });
        }
        let all = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!: i64" FROM follows"#)
            .fetch_one(&mut *write)
            .await?;
        if all >= i64::from(MAX_FOLLOWS) {
            return Err(FollowError::Full);
        }
        let policy = &new.policy;
        let renditions = to_document("follows.renditions", &policy.renditions)?;
        let nodes = to_document("follows.nodes", &new.nodes)?;
        let (origin, strategy) = (new.origin.as_str(), policy.strategy.as_str());
        let (replicate, lifetime) = (policy.replicate.to_string(), lifetime(policy));
        let pace = policy.pace.as_str();
        let publisher = new.publisher.map(|publisher| publisher.to_string());
        let now = millis(now);
        let next_at = publisher.is_none().then_some(now);
        let id = sqlx::query_scalar!(
            "INSERT INTO follows (target, origin, replicate, renditions, strategy, min_lifetime,
                 publisher, next_at, created_at, updated_at, nodes, pace)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            new.target,
            origin,
            replicate,
            renditions,
            strategy,
            lifetime,
            publisher,
            next_at,
            now,
            now,
            nodes,
            pace
        )
        .fetch_one(&mut *write)
        .await?;
        let follow = fetch(&mut write, id).await?;
        write.commit().await?;
        Ok(follow)
    }

    /// One follow.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollow`], or the database failed.
    pub async fn follow(&self, id: i64) -> Result<Follow, FollowError> {
        let mut connection = self.reader.acquire().await?;
        fetch(&mut connection, id).await
    }

    /// Every follow, oldest first; at most [`MAX_FOLLOWS`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn follows(&self) -> Result<Vec<Follow>, CatalogError> {
        let rows = sqlx::query_as!(FollowRow, "SELECT * FROM follows ORDER BY id")
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter().map(FollowRow::into_follow).collect()
    }

    /// What the follows want of each publisher, and where its nodes are. Of several follows that
    /// lead to one publisher, the policy that was set last counts. Who is blocked or revoked is
    /// in it too: see [`Catalog::refused_publishers`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn followed(&self) -> Result<BTreeMap<Publisher, FollowPolicy>, CatalogError> {
        let rows = sqlx::query_as!(
            FollowRow,
            "SELECT * FROM follows WHERE publisher IS NOT NULL ORDER BY updated_at, id"
        )
        .fetch_all(&self.reader)
        .await?;
        let mut followed = BTreeMap::new();
        for row in rows {
            let follow = row.into_follow()?;
            if let Some(publisher) = follow.publisher {
                followed.insert(publisher, follow.policy);
            }
        }
        Ok(followed)
    }

    /// Changes what a follow wants.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollow`], or the database failed.
    pub async fn set_follow_policy(
        &self,
        id: i64,
        policy: &FollowPolicy,
        now: Timestamp,
    ) -> Result<Follow, FollowError> {
        let renditions = to_document("follows.renditions", &policy.renditions)?;
        let (replicate, strategy) = (policy.replicate.to_string(), policy.strategy.as_str());
        let (lifetime, now) = (lifetime(policy), millis(now));
        let pace = policy.pace.as_str();
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE follows SET replicate = ?, renditions = ?, strategy = ?, min_lifetime = ?,
                 pace = ?, updated_at = ?
             WHERE id = ?",
            replicate,
            renditions,
            strategy,
            lifetime,
            pace,
            now,
            id
        )
        .execute(&mut *write)
        .await?;
        let follow = fetch(&mut write, id).await?;
        write.commit().await?;
        Ok(follow)
    }

    /// Ends a follow and answers what it was.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollow`], or the database failed.
    pub async fn remove_follow(&self, id: i64) -> Result<Follow, FollowError> {
        let mut write = self.write().await?;
        let follow = fetch(&mut write, id).await?;
        sqlx::query!("DELETE FROM follows WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(follow)
    }

    /// Up to `limit` follows whose targets are to be looked up at `now`, longest overdue first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn due_follows(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Follow>, CatalogError> {
        let now = millis(now);
        let rows = sqlx::query_as!(
            FollowRow,
            "SELECT * FROM follows WHERE next_at <= ? ORDER BY next_at, id LIMIT ?",
            now,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(FollowRow::into_follow).collect()
    }

    /// When the next target is to be looked up, if one is.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_follow_at(&self) -> Result<Option<Timestamp>, CatalogError> {
        let next = sqlx::query_scalar!(
            r#"SELECT MIN(next_at) AS "next: i64" FROM follows WHERE next_at IS NOT NULL"#
        )
        .fetch_one(&self.reader)
        .await?;
        next.map(|at| time("follows.next_at", at)).transpose()
    }

    /// Makes every follow that has something to look up due at `now`; one of them with `only`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn hurry_follows(
        &self,
        only: Option<i64>,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE follows SET next_at = ?1
             WHERE next_at IS NOT NULL AND (?2 IS NULL OR id = ?2)",
            now,
            only
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Saves what looking up a target gave. If it led to somebody else before, that one stays, and
    /// the new one is offered.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollow`] (it has ended meanwhile), or the database failed.
    pub async fn follow_resolved(
        &self,
        id: i64,
        found: &Resolved,
        next_at: Timestamp,
        now: Timestamp,
    ) -> Result<Follow, FollowError> {
        let publisher = found.publisher.to_string();
        let nodes = to_document("follows.nodes", &found.nodes)?;
        let (next_at, now) = (millis(next_at), millis(now));
        let mut write = self.write().await?;
        // In SQLite, the right-hand sides see the row as it was.
        sqlx::query!(
            "UPDATE follows SET
                 offered = CASE WHEN publisher IS NULL OR publisher = ?1 THEN NULL ELSE ?1 END,
                 name = CASE WHEN publisher IS NULL OR publisher = ?1 THEN ?2 ELSE name END,
                 nodes = CASE WHEN publisher IS NULL OR publisher = ?1 THEN ?3 ELSE nodes END,
                 publisher = COALESCE(publisher, ?1),
                 failures = 0, error = NULL, next_at = ?4, resolved_at = ?5
             WHERE id = ?6",
            publisher,
            found.name,
            nodes,
            next_at,
            now,
            id
        )
        .execute(&mut *write)
        .await?;
        let follow = fetch(&mut write, id).await?;
        write.commit().await?;
        Ok(follow)
    }

    /// Saves that looking up a target failed; whom it led to before stays.
    ///
    /// # Errors
    /// See [`CatalogError`]. A follow that has ended meanwhile is none.
    pub async fn follow_failed(
        &self,
        id: i64,
        error: &str,
        next_at: Timestamp,
    ) -> Result<(), CatalogError> {
        let next_at = millis(next_at);
        let mut write = self.write().await?;
        sqlx::query!(
            "UPDATE follows SET failures = failures + 1, error = ?, next_at = ? WHERE id = ?",
            error,
            next_at,
            id
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// The publisher that is offered becomes the one that is followed.
    ///
    /// # Errors
    /// [`FollowError::NothingOffered`], [`FollowError::NoSuchFollow`], or the database failed.
    pub async fn accept_offered(&self, id: i64, now: Timestamp) -> Result<Follow, FollowError> {
        let now = millis(now);
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE follows SET publisher = offered, offered = NULL, name = '', nodes = '[]',
                 told_at = NULL, next_at = ?1, updated_at = ?1
             WHERE id = ?2 AND offered IS NOT NULL",
            now,
            id
        )
        .execute(&mut *write)
        .await?;
        let follow = fetch(&mut write, id).await?;
        if done.rows_affected() == 0 {
            return Err(FollowError::NothingOffered(id));
        }
        write.commit().await?;
        Ok(follow)
    }

    /// Saves that the nodes of a follow's publisher were told of it.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn follow_told(&self, id: i64, now: Timestamp) -> Result<(), CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        sqlx::query!("UPDATE follows SET told_at = ? WHERE id = ?", now, id)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}

async fn fetch(connection: &mut SqliteConnection, id: i64) -> Result<Follow, FollowError> {
    let row = sqlx::query_as!(FollowRow, "SELECT * FROM follows WHERE id = ?", id)
        .fetch_optional(connection)
        .await?;
    let row = row.ok_or(FollowError::NoSuchFollow(id))?;
    Ok(row.into_follow()?)
}
