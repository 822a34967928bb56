//! How many there are of what discovery keeps, by how it stands: for metrics.

use crate::row::size;
use crate::{Catalog, CatalogError};

/// Rows by how they stand, counted at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Follows by whether they lead somewhere.
    pub follows: FollowCounts,
    /// Nodes that follow a publisher of this one.
    pub followers: u64,
    /// Notices by how often they were tried.
    pub deliveries: DeliveryStates,
    /// Copies here: state, how many, and bytes that are held of them.
    pub replicas: Vec<(String, u64, u64)>,
    /// Notices of nodes about copies.
    pub copies: u64,
    /// Who has a score: `peer` or `publisher`, how many stand so, and how.
    pub scores: Vec<ScoreCount>,
}

/// Follows by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FollowCounts {
    /// They lead to a publisher.
    pub followed: u64,
    /// They could not be looked up the last time.
    pub failing: u64,
    /// They have not been looked up yet.
    pub looking_up: u64,
    /// They lead to another publisher than before.
    pub moved: u64,
}

/// Notices by how often they were tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryStates {
    /// Not tried yet.
    pub queued: u64,
    /// Tried in vain, and tried again.
    pub failed: u64,
    /// Not tried any more.
    pub given_up: u64,
}

/// How many have a score in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreCount {
    /// `peer` or `publisher`.
    pub kind: String,
    /// `revoked` (0), `poor` (below 100) or `good`.
    pub standing: String,
    /// How many.
    pub count: u64,
}

impl Catalog {
    /// Counts. Each count reads the rows of one table, of which all but the copies are few.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn census(&self) -> Result<Census, CatalogError> {
        let followers = sqlx::query_scalar!(
            r#"SELECT COUNT(*) AS "n!: i64" FROM followers WHERE state = 'following'"#
        )
        .fetch_one(&self.reader)
        .await?;
        let copies = sqlx::query_scalar!(r#"SELECT copies AS "n!: i64" FROM notice_usage"#)
            .fetch_one(&self.reader)
            .await?;
        Ok(Census {
            follows: self.follow_counts().await?,
            followers: size("count", followers)?,
            deliveries: self.delivery_states().await?,
            replicas: self.replica_states().await?,
            copies: size("count", copies)?,
            scores: self.score_counts().await?,
        })
    }

    async fn follow_counts(&self) -> Result<FollowCounts, CatalogError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "all!: i64",
                   COUNT(offered) AS "moved!: i64",
                   ifnull(SUM(offered IS NULL AND error IS NOT NULL), 0) AS "failing!: i64",
                   ifnull(SUM(offered IS NULL AND error IS NULL AND publisher IS NULL), 0)
                       AS "looking_up!: i64"
               FROM follows"#
        )
        .fetch_one(&self.reader)
        .await?;
        let moved = size("count", row.moved)?;
        let failing = size("count", row.failing)?;
        let looking_up = size("count", row.looking_up)?;
        let all = size("count", row.all)?;
        Ok(FollowCounts {
            followed: all.saturating_sub(moved + failing + looking_up),
            failing,
            looking_up,
            moved,
        })
    }

    async fn delivery_states(&self) -> Result<DeliveryStates, CatalogError> {
        let row = sqlx::query!(
            r#"SELECT ifnull(SUM(next_at IS NOT NULL AND failures = 0), 0) AS "queued!: i64",
                   ifnull(SUM(next_at IS NOT NULL AND failures > 0), 0) AS "failed!: i64",
                   ifnull(SUM(next_at IS NULL), 0) AS "given_up!: i64"
               FROM deliveries"#
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(DeliveryStates {
            queued: size("count", row.queued)?,
            failed: size("count", row.failed)?,
            given_up: size("count", row.given_up)?,
        })
    }

    async fn replica_states(&self) -> Result<Vec<(String, u64, u64)>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT state, COUNT(*) AS "n!: i64", ifnull(SUM(held_bytes), 0) AS "bytes!: i64"
               FROM replicas GROUP BY state"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let count = size("count", row.n)?;
                Ok((row.state, count, size("replicas.held_bytes", row.bytes)?))
            })
            .collect()
    }

    async fn score_counts(&self) -> Result<Vec<ScoreCount>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT kind, CASE WHEN score = 0 THEN 'revoked' WHEN score < 100 THEN 'poor'
                       ELSE 'good' END AS "standing!: String",
                   COUNT(*) AS "n!: i64"
               FROM scores GROUP BY 1, 2"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ScoreCount {
                    kind: row.kind,
                    standing: row.standing,
                    count: size("count", row.n)?,
                })
            })
            .collect()
    }
}
