//! Who follows a publisher of this node, as their nodes said.

use cidcast_announce::{NodeId, Publisher};
use cidcast_types::Timestamp;

use crate::row::{integer, millis, parse, time};
use crate::spelled::spelled;
use crate::{Catalog, CatalogError};

/// Followers that are kept: anybody may say that it follows.
pub const MAX_FOLLOWERS: u32 = 10_000;

spelled! {
    /// Whether somebody follows.
    pub enum FollowerState as "following or left" {
        /// It does.
        Following = "following",
        /// It did.
        Left = "left",
    }
}

/// A node that follows, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// The node that said so.
    pub node: NodeId,
    /// Whom it follows.
    pub publisher: Publisher,
    /// The publisher on whose behalf, as it says; not proven.
    pub by: Option<Publisher>,
    /// Whether it still does.
    pub state: FollowerState,
    /// Since when this node knows of it.
    pub first_seen: Timestamp,
    /// When it last said so.
    pub last_seen: Timestamp,
}

/// What a node said, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowSaid {
    /// Who said it.
    pub node: NodeId,
    /// Whom it is about.
    pub publisher: Publisher,
    /// On whose behalf.
    pub by: Option<Publisher>,
    /// Whether it follows or has left.
    pub state: FollowerState,
    /// When it said so, by its own clock.
    pub at: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerChange {
    /// It is a new follower.
    New,
    /// It has said so before, or has left.
    Noted,
    /// It has said something newer before; nothing is changed.
    Old,
    /// There are [`MAX_FOLLOWERS`] already; nothing is changed.
    Full,
}

struct FollowerRow {
    node: String,
    publisher: String,
    by: Option<String>,
    state: String,
    first_seen: i64,
    last_seen: i64,
}

impl FollowerRow {
    fn into_follower(self) -> Result<Follower, CatalogError> {
        Ok(Follower {
            node: parse("followers.node", &self.node)?,
            publisher: parse("followers.publisher", &self.publisher)?,
            by: self.by.map(|by| parse("followers.by", &by)).transpose()?,
            state: parse("followers.state", &self.state)?,
            first_seen: time("followers.first_seen", self.first_seen)?,
            last_seen: time("followers.last_seen", self.last_seen)?,
        })
    }
}

impl Catalog {
    /// Notes what a node said. When there is no place, those go first that left, or that have not
    /// said anything for a month.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_follower(
        &self,
        said: &FollowSaid,
        now: Timestamp,
    ) -> Result<FollowerChange, CatalogError> {
        let (node, publisher) = (said.node.to_string(), said.publisher.to_string());
        let by = said.by.map(|by| by.to_string());
        let (state, at, now) = (said.state.as_str(), millis(said.at), millis(now));
        let silent_since = now.saturating_sub(integer(MAX_SILENCE_MS));
        let mut write = self.write().await?;
        let before = sqlx::query!(
            "SELECT at, state FROM followers WHERE node = ? AND publisher = ?",
            node,
            publisher
        )
        .fetch_optional(&mut *write)
        .await?;
        let change = match &before {
            // The same notice again is not newer.
            Some(row) if row.at > at || (row.at == at && row.state != state) => {
                return Ok(FollowerChange::Old);
            }
            Some(row) if row.state == state => FollowerChange::Noted,
            _ if said.state == FollowerState::Left => FollowerChange::Noted,
            _ => FollowerChange::New,
        };
        if before.is_none() {
            sqlx::query!(
                "DELETE FROM followers WHERE (state = 'left' OR last_seen < ?)
                     AND (node, publisher) IN (SELECT node, publisher FROM followers
                         ORDER BY state = 'left', last_seen DESC LIMIT -1 OFFSET ?)",
                silent_since,
                MAX_FOLLOWERS_LESS_ONE
            )
            .execute(&mut *write)
            .await?;
            let all = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!: i64" FROM followers"#)
                .fetch_one(&mut *write)
                .await?;
            if all >= i64::from(MAX_FOLLOWERS) {
                return Ok(FollowerChange::Full);
            }
        }
        sqlx::query!(
            "INSERT INTO followers (node, publisher, by, state, at, first_seen, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
             ON CONFLICT (node, publisher) DO UPDATE SET by = ?3, state = ?4, at = ?5,
                 last_seen = ?6",
            node,
            publisher,
            by,
            state,
            at,
            now
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(change)
    }

    /// Up to `limit` followers after the first `skip`, those that said so last first. Who has left
    /// comes at the end.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn followers(&self, skip: u32, limit: u32) -> Result<Vec<Follower>, CatalogError> {
        let rows = sqlx::query_as!(
            FollowerRow,
            r#"SELECT node, publisher, by, state, first_seen, last_seen FROM followers
               ORDER BY state = 'left', last_seen DESC, node LIMIT ? OFFSET ?"#,
            limit,
            skip
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(FollowerRow::into_follower).collect()
    }

    /// Forgets a follower; answers whether it was there.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_follower(&self, node: &NodeId) -> Result<bool, CatalogError> {
        let node = node.to_string();
        let mut write = self.write().await?;
        let done = sqlx::query!("DELETE FROM followers WHERE node = ?", node)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Who follows says so every week; who has not for longer makes room first.
const MAX_SILENCE_MS: u64 = 30 * 24 * 3600 * 1000;
/// So that there is place for one more.
const MAX_FOLLOWERS_LESS_ONE: u32 = MAX_FOLLOWERS - 1;
