//! Whom this node has to do with: nobody who is blocked by the operator or by a list that the
//! operator imported, and nobody who is revoked for what was delivered.

use std::collections::BTreeSet;
use std::fmt;

use cidcast_announce::{NodeId, Publisher};
use sqlx::SqliteConnection;

use crate::feed::Interest;
use crate::row::parse;
use crate::spelled::spelled;
use crate::{Catalog, CatalogError};

/// Rows of the index that move in one transaction: a few tenths of a second, in which nobody else
/// writes.
const AT_ONCE: u32 = 1_000;

/// Somebody who is trusted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A node that is talked to.
    Peer(NodeId),
    /// A publisher whose announcements are kept.
    Publisher(Publisher),
}

impl Subject {
    /// `peer` or `publisher`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Peer(_) => "peer",
            Self::Publisher(_) => "publisher",
        }
    }

    /// The peer id or IPNS name.
    pub fn key(&self) -> String {
        match self {
            Self::Peer(node) => node.to_string(),
            Self::Publisher(publisher) => publisher.to_string(),
        }
    }

    pub(crate) fn from_columns(
        column: &'static str,
        kind: &str,
        key: &str,
    ) -> Result<Self, CatalogError> {
        match kind {
            "peer" => parse(column, key).map(Self::Peer),
            _ => parse(column, key).map(Self::Publisher),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.key())
    }
}

spelled! {
    /// What becomes of what a refused publisher had here.
    pub enum Fate as "keep, unindex or delete" {
        /// All of it stays; nothing new comes.
        Keep = "keep",
        /// It is not listed or found any more; copies stay.
        Unindex = "unindex",
        /// Copies go too.
        Delete = "delete",
    }
}

spelled! {
    /// Why somebody is refused.
    pub enum Refusal as "blocked or revoked" {
        /// The operator or an imported list says so.
        Blocked = "blocked",
        /// Its score is 0.
        Revoked = "revoked",
    }
}

/// A publisher of which nothing is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPublisher {
    /// Who.
    pub publisher: Publisher,
    /// Why.
    pub refusal: Refusal,
    /// What the operator said of what it had here; `None`: what the configuration says.
    pub fate: Option<Fate>,
}

impl Catalog {
    /// Whether anything is taken from somebody.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn refusal(&self, subject: &Subject) -> Result<Option<Refusal>, CatalogError> {
        let mut connection = self.reader.acquire().await?;
        refusal(&mut connection, subject).await
    }

    /// What this node wants of a publisher. Who is refused is so although it is followed.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn interest(&self, publisher: &Publisher) -> Result<Interest, CatalogError> {
        let mut connection = self.reader.acquire().await?;
        let (raw, key) = (publisher.as_bytes().as_slice(), publisher.to_string());
        let row = sqlx::query!(
            r#"SELECT
                   EXISTS (SELECT 1 FROM publishers WHERE key = ? AND own > 0) AS "own!: i64",
                   EXISTS (SELECT 1 FROM follows WHERE publisher = ?) AS "followed!: i64""#,
            raw,
            key
        )
        .fetch_one(&mut *connection)
        .await?;
        if row.own != 0 {
            return Ok(Interest::Own);
        }
        let refused = refusal(&mut connection, &Subject::Publisher(*publisher)).await?;
        Ok(match (refused, row.followed) {
            (Some(_), _) => Interest::Blocked,
            (None, 0) => Interest::Unknown,
            (None, _) => Interest::Followed,
        })
    }

    /// For whom this node signs, if for anybody.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn own_publisher(&self) -> Result<Option<Publisher>, CatalogError> {
        let key = sqlx::query_scalar!("SELECT key FROM publishers WHERE own > 0 LIMIT 1")
            .fetch_optional(&self.reader)
            .await?;
        key.map(|key| {
            Publisher::from_bytes(&key).map_err(|error| CatalogError::UnreadableRow {
                column: "publishers.key",
                source: Box::new(error),
            })
        })
        .transpose()
    }

    /// Takes everything that exactly these publishers announced out of lists and search, and puts
    /// that of everybody else back. What the operator removed asset by asset stays removed.
    ///
    /// # Errors
    /// See [`CatalogError`]. What was done before an error is kept; the next call does the rest.
    pub async fn hide_exactly(&self, hidden: &BTreeSet<Publisher>) -> Result<(), CatalogError> {
        let keys = sqlx::query_scalar!("SELECT publisher FROM hidden_publishers")
            .fetch_all(&self.reader)
            .await?;
        let now: BTreeSet<Publisher> = keys
            .iter()
            .map(|key| parse("hidden_publishers.publisher", key))
            .collect::<Result<_, _>>()?;
        for publisher in now.difference(hidden) {
            self.put_back(publisher).await?;
        }
        for publisher in hidden.difference(&now) {
            self.take_out(publisher).await?;
        }
        Ok(())
    }

    async fn take_out(&self, publisher: &Publisher) -> Result<(), CatalogError> {
        let (raw, key) = (publisher.as_bytes().as_slice(), publisher.to_string());
        let mut left = 1;
        while left > 0 {
            let mut write = self.write().await?;
            sqlx::query!(
                "INSERT OR IGNORE INTO hidden_publishers (publisher) VALUES (?)",
                key
            )
            .execute(&mut *write)
            .await?;
            left = sqlx::query!(
                "UPDATE announced SET hidden = hidden | 2 WHERE id IN (SELECT id FROM announced
                     WHERE publisher = (SELECT id FROM publishers WHERE key = ?)
                         AND hidden & 2 = 0 LIMIT ?)",
                raw,
                AT_ONCE
            )
            .execute(&mut *write)
            .await?
            .rows_affected();
            write.commit().await?;
        }
        Ok(())
    }

    async fn put_back(&self, publisher: &Publisher) -> Result<(), CatalogError> {
        let (raw, key) = (publisher.as_bytes().as_slice(), publisher.to_string());
        loop {
            let mut write = self.write().await?;
            let done = sqlx::query!(
                "UPDATE announced SET hidden = hidden & ~2 WHERE id IN (SELECT id FROM announced
                     WHERE publisher = (SELECT id FROM publishers WHERE key = ?)
                         AND hidden & 2 <> 0 LIMIT ?)",
                raw,
                AT_ONCE
            )
            .execute(&mut *write)
            .await?;
            if done.rows_affected() == 0 {
                sqlx::query!(
                    "UPDATE tombstones SET hidden = hidden & ~2 WHERE hidden & 2 <> 0
                         AND publisher = (SELECT id FROM publishers WHERE key = ?)",
                    raw
                )
                .execute(&mut *write)
                .await?;
                sqlx::query!("DELETE FROM hidden_publishers WHERE publisher = ?", key)
                    .execute(&mut *write)
                    .await?;
                return Ok(write.commit().await?);
            }
            write.commit().await?;
        }
    }

    /// Everybody of whom nothing is taken, in order of their keys: what the index and the replicas
    /// are reconciled with.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn refused_publishers(&self) -> Result<Vec<RefusedPublisher>, CatalogError> {
        // The operator's own word (without a list) comes before those of lists.
        let rows = sqlx::query!(
            r#"SELECT subject AS "subject!: String", 'blocked' AS "refusal!: String",
                   fate AS "fate: String"
               FROM blocked AS mine WHERE kind = 'publisher' AND list IS NULL
               UNION
               SELECT subject, 'blocked', NULL
               FROM blocked AS listed WHERE kind = 'publisher' AND list IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM unblocked AS u
                       WHERE u.kind = listed.kind AND u.subject = listed.subject)
                   AND NOT EXISTS (SELECT 1 FROM blocked AS own WHERE own.list IS NULL
                       AND own.kind = listed.kind AND own.subject = listed.subject)
               UNION
               SELECT subject, 'revoked', NULL
               FROM scores WHERE kind = 'publisher' AND score = 0
                   AND NOT EXISTS (SELECT 1 FROM blocked AS b
                       WHERE b.kind = 'publisher' AND b.subject = scores.subject
                       AND (b.list IS NULL OR NOT EXISTS (SELECT 1 FROM unblocked AS u
                           WHERE u.kind = b.kind AND u.subject = b.subject)))
               ORDER BY 1"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(RefusedPublisher {
                    publisher: parse("blocked.subject", &row.subject)?,
                    refusal: parse("blocked.refusal", &row.refusal)?,
                    fate: row
                        .fate
                        .map(|fate| parse("blocked.fate", &fate))
                        .transpose()?,
                })
            })
            .collect()
    }

    /// Every node that is refused, in order: nobody talks to them.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn refused_peers(&self) -> Result<Vec<NodeId>, CatalogError> {
        let rows = sqlx::query_scalar!(
            r#"SELECT subject AS "subject!: String" FROM blocked AS b
               WHERE kind = 'peer' AND (list IS NULL OR NOT EXISTS (SELECT 1 FROM unblocked AS u
                   WHERE u.kind = b.kind AND u.subject = b.subject))
               UNION SELECT subject FROM scores WHERE kind = 'peer' AND score = 0
               ORDER BY 1"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|key| parse("blocked.subject", key))
            .collect()
    }
}

/// Blocked comes before revoked: un-blocking does not restore a score.
async fn refusal(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<Option<Refusal>, CatalogError> {
    let (kind, key) = (subject.kind(), subject.key());
    let found = sqlx::query!(
        r#"SELECT
               EXISTS (SELECT 1 FROM blocked WHERE kind = ?1 AND subject = ?2 AND list IS NULL)
               OR (EXISTS (SELECT 1 FROM blocked WHERE kind = ?1 AND subject = ?2)
                   AND NOT EXISTS (SELECT 1 FROM unblocked WHERE kind = ?1 AND subject = ?2))
                   AS "blocked!: i64",
               EXISTS (SELECT 1 FROM scores WHERE kind = ?1 AND subject = ?2 AND score = 0)
                   AS "revoked!: i64""#,
        kind,
        key
    )
    .fetch_one(connection)
    .await?;
    Ok(match (found.blocked, found.revoked) {
        (0, 0) => None,
        (0, _) => Some(Refusal::Revoked),
        _ => Some(Refusal::Blocked),
    })
}
