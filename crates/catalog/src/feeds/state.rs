//! What a feed adds up to, read in the order of a snapshot.

use cidcast_announce::{Op, Profile, Publisher, Retract, StateEntry};
use cidcast_types::Cid;
use sqlx::{Sqlite, Transaction};

use super::row::{AnnouncedRow, FeedRow};
use crate::row::{integer, parse, size, time};
use crate::{Catalog, CatalogError};

/// Rows of each kind that are read at a time.
const PAGE: usize = 500;

/// The state of one feed as of one moment, whatever is recorded meanwhile.
#[derive(Debug)]
pub struct FeedState {
    read: Transaction<'static, Sqlite>,
    id: i64,
    key: Vec<u8>,
    /// How many announcements it is made of; at least one.
    pub have: u64,
    /// The CID of the last of them.
    pub head: Cid,
    /// Of the profile, which comes first.
    profile: Option<StateEntry>,
    after: Option<String>,
}

/// Why there is no state to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoState {
    /// Nothing was announced.
    Empty,
    /// Which announcement the profile is from is not known: it is from before that was noted. It
    /// has to be announced once more.
    UndatedProfile,
}

impl Catalog {
    /// Opens the state of a feed for reading.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn feed_state(
        &self,
        publisher: &Publisher,
    ) -> Result<Result<FeedState, NoState>, CatalogError> {
        let key = publisher.as_bytes().to_vec();
        let mut read = self.reader.begin().await?;
        let row = sqlx::query_as!(FeedRow, "SELECT * FROM publishers WHERE key = ?", key)
            .fetch_optional(&mut *read)
            .await?;
        let Some(row) = row else {
            return Ok(Err(NoState::Empty));
        };
        let id = row.id;
        let feed = row.into_feed()?;
        let Some(head) = feed.head else {
            return Ok(Err(NoState::Empty));
        };
        let dated = sqlx::query!("SELECT seq, at FROM profiled WHERE publisher = ?", id)
            .fetch_optional(&mut *read)
            .await?;
        let profile = match dated {
            Some(dated) => Some(StateEntry {
                seq: size("profiled.seq", dated.seq)?,
                at: time("profiled.at", dated.at)?,
                op: Op::Profile(feed.profile),
            }),
            None if feed.profile == Profile::default() => None,
            None => return Ok(Err(NoState::UndatedProfile)),
        };
        Ok(Ok(FeedState {
            read,
            id,
            key,
            have: feed.have,
            head,
            profile,
            after: Some(String::new()),
        }))
    }
}

impl FeedState {
    /// The next entries in the order of a snapshot; none: that was all.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next(&mut self) -> Result<Vec<StateEntry>, CatalogError> {
        let mut entries: Vec<StateEntry> = self.profile.take().into_iter().collect();
        let Some(after) = self.after.take() else {
            return Ok(entries);
        };
        let published = self.published(&after).await?;
        let retracted = self.retracted(&after).await?;
        // What is behind the end of a full page may not be there yet in the other kind.
        let full = |page: &[(String, StateEntry)]| match page.len() < PAGE {
            true => None,
            false => page.last().map(|(asset, _)| asset.clone()),
        };
        let end = [full(&published), full(&retracted)]
            .into_iter()
            .flatten()
            .min();
        let mut page = [published, retracted].concat();
        page.retain(|(asset, _)| end.as_ref().is_none_or(|end| asset <= end));
        page.sort_by(|one, other| one.0.cmp(&other.0));
        self.after = end;
        entries.extend(page.into_iter().map(|(_, entry)| entry));
        Ok(entries)
    }

    async fn published(&mut self, after: &str) -> Result<Vec<(String, StateEntry)>, CatalogError> {
        let limit = integer(PAGE as u64);
        // By asset: one pass over all pages.
        let rows = sqlx::query_as!(
            AnnouncedRow,
            r#"SELECT announced.id, ? AS "key!: Vec<u8>", '' AS "name!: String", asset, seq, at, root, title,
                   description, tags, created_at, duration_ms, bytes, renditions, poster, language,
                   copies_min, copies_max, views, hidden
               FROM announced INDEXED BY announced_by_asset
               WHERE publisher = ? AND asset > ? ORDER BY asset LIMIT ?"#,
            self.key,
            self.id,
            after,
            limit
        )
        .fetch_all(&mut *self.read)
        .await?;
        let entry = |row: AnnouncedRow| {
            let asset = row.asset.clone();
            let announced = row.into_asset()?;
            let entry = StateEntry {
                seq: announced.seq,
                at: announced.at,
                op: Op::Publish(Box::new(announced.content)),
            };
            Ok((asset, entry))
        };
        rows.into_iter().map(entry).collect()
    }

    async fn retracted(&mut self, after: &str) -> Result<Vec<(String, StateEntry)>, CatalogError> {
        let limit = integer(PAGE as u64);
        let rows = sqlx::query!(
            "SELECT asset, seq, at, reason FROM tombstones
             WHERE publisher = ? AND asset > ? ORDER BY asset LIMIT ?",
            self.id,
            after,
            limit
        )
        .fetch_all(&mut *self.read)
        .await?;
        rows.into_iter()
            .map(|row| {
                let entry = StateEntry {
                    seq: size("tombstones.seq", row.seq)?,
                    at: time("tombstones.at", row.at)?,
                    op: Op::Retract(Retract {
                        asset: parse("tombstones.asset", &row.asset)?,
                        reason: row.reason,
                    }),
                };
                Ok((row.asset, entry))
            })
            .collect()
    }
}
