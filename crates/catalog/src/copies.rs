//! Who has copies of what, and who has obeyed a retraction, as their nodes said.

use std::collections::BTreeMap;

use cidcast_announce::{NodeId, Outcome, Publisher};
use cidcast_types::{AssetId, Timestamp};
use sqlx::{Sqlite, Transaction};

use crate::copy::{Acknowledgement, Copy, CopyQuery, CopyState, Noted, NoticeLimits};
use crate::replica::AssetOf;
use crate::replicas::{key, node_of, publisher_of, renditions_from_json, renditions_to_json};
use crate::row::{count, integer, millis, parse, size, time, unreadable};
use crate::{Catalog, CatalogError};

#[derive(Debug)]
pub(crate) struct CopyRow {
    pub(crate) publisher: Vec<u8>,
    pub(crate) asset: String,
    pub(crate) node: Vec<u8>,
    pub(crate) root: String,
    pub(crate) renditions: Option<String>,
    pub(crate) state: String,
    pub(crate) until: i64,
    pub(crate) at: i64,
    pub(crate) first_seen: i64,
    pub(crate) notice: Vec<u8>,
}

impl CopyRow {
    pub(crate) fn into_copy(self) -> Result<Copy, CatalogError> {
        Ok(Copy {
            of: AssetOf {
                publisher: publisher_of("copies.publisher", &self.publisher)?,
                asset: parse("copies.asset", &self.asset)?,
            },
            node: node_of("copies.node", &self.node)?,
            root: parse("copies.root", &self.root)?,
            renditions: renditions_from_json("copies.renditions", self.renditions)?,
            state: parse("copies.state", &self.state)?,
            until: time("copies.until", self.until)?,
            at: time("copies.at", self.at)?,
            first_seen: time("copies.first_seen", self.first_seen)?,
            notice: self.notice,
        })
    }
}

/// Rows of other nodes, as they stand against the limits.
struct Crowd {
    of_asset: i64,
    of_node: i64,
    all: i64,
}

impl Crowd {
    fn has_room(&self, limits: NoticeLimits) -> bool {
        self.of_asset < i64::from(limits.per_asset)
            && self.of_node < i64::from(limits.per_node)
            && self.all < i64::from(limits.total)
    }
}

impl Catalog {
    /// Notes what a node said of its copy. One that was given up and is not known is not kept.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_copy(
        &self,
        copy: &Copy,
        limits: NoticeLimits,
    ) -> Result<Noted, CatalogError> {
        let mut write = self.write().await?;
        let noted = note(&mut write, copy, limits).await?;
        write.commit().await?;
        Ok(noted)
    }

    /// Notes what many said, as [`Self::note_copy`] does, in one transaction; answers how many of
    /// them are saved.
    ///
    /// # Errors
    /// See [`CatalogError`]; then none is.
    pub async fn note_copies(
        &self,
        copies: &[Copy],
        limits: NoticeLimits,
    ) -> Result<usize, CatalogError> {
        let mut saved = 0;
        let mut write = self.write().await?;
        for copy in copies {
            saved += usize::from(note(&mut write, copy, limits).await? == Noted::Saved);
        }
        write.commit().await?;
        Ok(saved)
    }

    /// Copies that others have or had, by publisher, asset and node.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn copies(&self, query: &CopyQuery) -> Result<Vec<Copy>, CatalogError> {
        let publisher = query.publisher.as_ref();
        let publisher = publisher.map(|key| key.as_bytes().as_slice());
        let asset = query.asset.map(|asset| asset.to_string());
        let (after_publisher, after_asset, after_node) = match &query.after {
            None => (&[][..], String::new(), &[][..]),
            Some((of, node)) => {
                let (publisher, asset) = key(of);
                (publisher, asset, node.as_bytes().as_slice())
            }
        };
        let rows = sqlx::query_as!(
            CopyRow,
            r#"SELECT publisher, asset, node, root, renditions, state, until, at, first_seen, notice
               FROM copies
               WHERE (?1 IS NULL OR publisher = ?1) AND (?2 IS NULL OR asset = ?2)
                   AND (publisher, asset, node) > (?3, ?4, ?5)
               ORDER BY publisher, asset, node LIMIT ?6"#,
            publisher,
            asset,
            after_publisher,
            after_asset,
            after_node,
            query.limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(CopyRow::into_copy).collect()
    }

    /// On how many nodes but `except` each asset of a publisher is, as far as was said; assets of
    /// which nobody said so are left out.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn copy_counts(
        &self,
        publisher: &Publisher,
        except: Option<&NodeId>,
        now: Timestamp,
    ) -> Result<BTreeMap<AssetId, u32>, CatalogError> {
        let (publisher, now) = (publisher.as_bytes().as_slice(), millis(now));
        let except = except.map_or(&[][..], |node| node.as_bytes().as_slice());
        let rows = sqlx::query!(
            r#"SELECT asset, COUNT(*) AS "nodes!: i64" FROM copies
               WHERE publisher = ? AND state = 'held' AND until > ? AND node <> ? GROUP BY asset"#,
            publisher,
            now,
            except
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    parse("copies.asset", &row.asset)?,
                    count("count", row.nodes)?,
                ))
            })
            .collect()
    }

    /// Forgets copies whose time was over before `before`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_copies(&self, before: Timestamp) -> Result<u64, CatalogError> {
        let before = millis(before);
        let mut write = self.write().await?;
        let done = sqlx::query!("DELETE FROM copies WHERE until < ?", before)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    /// Notes what a node did when something was retracted.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_acknowledgement(
        &self,
        ack: &Acknowledgement,
        limits: NoticeLimits,
    ) -> Result<Noted, CatalogError> {
        let (publisher, asset) = key(&ack.of);
        let node = ack.node.as_bytes().as_slice();
        let (seq, outcome, at) = (
            integer(ack.seq),
            outcome_to_text(ack.outcome),
            millis(ack.at),
        );
        let mut write = self.write().await?;
        let before = sqlx::query_scalar!(
            "SELECT at FROM acknowledgements WHERE publisher = ? AND asset = ? AND node = ?",
            publisher,
            asset,
            node
        )
        .fetch_optional(&mut *write)
        .await?;
        match before {
            Some(before) if before >= at => return Ok(Noted::Old),
            None if !crowd_of_acks(&mut write, ack).await?.has_room(limits) => {
                return Ok(Noted::Full);
            }
            Some(_) | None => {}
        }
        sqlx::query!(
            "INSERT INTO acknowledgements (publisher, asset, node, seq, outcome, at, notice)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (publisher, asset, node) DO UPDATE SET seq = ?4, outcome = ?5, at = ?6,
                 notice = ?7",
            publisher,
            asset,
            node,
            seq,
            outcome,
            at,
            ack.notice
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(Noted::Saved)
    }

    /// What nodes did when an asset was retracted, by node.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn acknowledgements(
        &self,
        of: &AssetOf,
    ) -> Result<Vec<Acknowledgement>, CatalogError> {
        let (publisher, asset) = key(of);
        let rows = sqlx::query!(
            "SELECT node, seq, outcome, at, notice FROM acknowledgements
             WHERE publisher = ? AND asset = ? ORDER BY node",
            publisher,
            asset
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Acknowledgement {
                    of: *of,
                    node: node_of("acknowledgements.node", &row.node)?,
                    seq: size("acknowledgements.seq", row.seq)?,
                    outcome: outcome(&row.outcome)?,
                    at: time("acknowledgements.at", row.at)?,
                    notice: row.notice,
                })
            })
            .collect()
    }
}

fn outcome_to_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deleted => "deleted",
        Outcome::Unindexed => "unindexed",
        Outcome::Kept => "kept",
    }
}

/// What [`outcome_to_text`] writes.
pub(crate) fn outcome(text: &str) -> Result<Outcome, CatalogError> {
    let all = [Outcome::Deleted, Outcome::Unindexed, Outcome::Kept];
    let mut all = all.into_iter();
    all.find(|outcome| outcome_to_text(*outcome) == text)
        .ok_or_else(|| unreadable("acknowledgements.outcome", NoOutcome(text.to_owned())))
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no outcome of a retraction")]
struct NoOutcome(String);

/// Notes one copy in a transaction.
async fn note(
    write: &mut Transaction<'static, Sqlite>,
    copy: &Copy,
    limits: NoticeLimits,
) -> Result<Noted, CatalogError> {
    let (publisher, asset) = key(&copy.of);
    let node = copy.node.as_bytes().as_slice();
    let (root, renditions) = (copy.root.to_string(), renditions_to_json(&copy.renditions)?);
    let (state, until, at) = (copy.state.as_str(), millis(copy.until), millis(copy.at));
    let first_seen = millis(copy.first_seen);
    let before = sqlx::query_scalar!(
        "SELECT at FROM copies WHERE publisher = ? AND asset = ? AND node = ?",
        publisher,
        asset,
        node
    )
    .fetch_optional(&mut **write)
    .await?;
    match before {
        Some(before) if before >= at => return Ok(Noted::Old),
        None if copy.state == CopyState::Withdrawn => return Ok(Noted::Old),
        None if !crowd_of_copies(write, copy).await?.has_room(limits) => {
            return Ok(Noted::Full);
        }
        Some(_) | None => {}
    }
    // A copy that was given up keeps the latest end of what was promised before, so that its row
    // outlives every notice that could bring it back.
    sqlx::query!(
        "INSERT INTO copies (publisher, asset, node, root, renditions, state, until, at,
             first_seen, notice)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (publisher, asset, node) DO UPDATE SET root = ?4, renditions = ?5,
             state = ?6, until = max(until, ?7), at = ?8, notice = ?10",
        publisher,
        asset,
        node,
        root,
        renditions,
        state,
        until,
        at,
        first_seen,
        copy.notice
    )
    .execute(&mut **write)
    .await?;
    Ok(Noted::Saved)
}

async fn crowd_of_copies(
    write: &mut Transaction<'static, Sqlite>,
    copy: &Copy,
) -> Result<Crowd, CatalogError> {
    let (publisher, asset) = key(&copy.of);
    let node = copy.node.as_bytes().as_slice();
    let row = sqlx::query!(
        r#"SELECT (SELECT COUNT(*) FROM copies WHERE publisher = ?1 AND asset = ?2)
                   AS "of_asset!: i64",
               (SELECT COUNT(*) FROM copies WHERE node = ?3) AS "of_node!: i64",
               copies AS "all!" FROM notice_usage"#,
        publisher,
        asset,
        node
    )
    .fetch_one(&mut **write)
    .await?;
    Ok(Crowd {
        of_asset: row.of_asset,
        of_node: row.of_node,
        all: row.all,
    })
}

async fn crowd_of_acks(
    write: &mut Transaction<'static, Sqlite>,
    ack: &Acknowledgement,
) -> Result<Crowd, CatalogError> {
    let (publisher, asset) = key(&ack.of);
    let node = ack.node.as_bytes().as_slice();
    let row = sqlx::query!(
        r#"SELECT (SELECT COUNT(*) FROM acknowledgements WHERE publisher = ?1 AND asset = ?2)
                   AS "of_asset!: i64",
               (SELECT COUNT(*) FROM acknowledgements WHERE node = ?3) AS "of_node!: i64",
               acks AS "all!" FROM notice_usage"#,
        publisher,
        asset,
        node
    )
    .fetch_one(&mut **write)
    .await?;
    Ok(Crowd {
        of_asset: row.of_asset,
        of_node: row.of_node,
        all: row.all,
    })
}
