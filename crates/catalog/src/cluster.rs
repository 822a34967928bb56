//! The cluster that this node is in: which, the logs of its members, and what happened.
//!
//! Who is a member and what is pinned is not here: that follows from the entries, and whoever
//! merges them decides. Of each author the log is kept from number 0 without gaps, so that what is
//! read at the next start can be merged as it is.

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterId, Entry};
use cidcast_types::Timestamp;
use sqlx::{Sqlite, Transaction};

use crate::feeds::{announcement_cid, digest};
use crate::row::{document, integer, millis, parse, size, time, to_document, unreadable};
use crate::{Catalog, CatalogError};

/// Events that are kept for the operator.
pub const MAX_CLUSTER_EVENTS: u32 = 1_000;
/// Longest text of an event, in characters; what is longer is cut.
pub const MAX_CLUSTER_EVENT_TEXT: usize = 500;
/// Most entries that one call reads.
pub const MAX_CLUSTER_ENTRIES: u32 = 1_000;

/// The cluster that this node is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InCluster {
    /// Which.
    pub cluster: ClusterId,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKept {
    /// It is the next of its author's log, and is kept.
    New,
    /// It was here.
    Known,
    /// Its author signed another one of this number, or after another one: the first stays.
    Fork,
    /// The one before it is not here: it is not kept.
    Gap,
}

/// What all logs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterLogUsage {
    /// Entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Something that happened in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// Later ones are larger.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// One word for programs.
    pub kind: String,
    /// A sentence for people.
    pub text: String,
}

/// Rows of a cluster were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterRowsError {
    /// There is none.
    #[error("this node is in no cluster: found one, or join one with a token of a member")]
    NoCluster,
    /// The node is in one, and this is about another.
    #[error(
        "this node is in the cluster {is}, not in {other}: leave the one before joining another"
    )]
    OtherCluster {
        /// The one that it is in.
        is: Box<ClusterId>,
        /// The other one.
        other: Box<ClusterId>,
    },
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<sqlx::Error> for ClusterRowsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Catalog(error.into())
    }
}

/// A row that holds something else than the entry that it should.
#[derive(Debug, thiserror::Error)]
#[error("entry {seq} of {author}: {problem}")]
struct DamagedEntry {
    author: NodeId,
    seq: i64,
    problem: String,
}

struct EntryRow {
    author: Vec<u8>,
    seq: i64,
    cid: Vec<u8>,
    entry: Vec<u8>,
}

impl EntryRow {
    fn into_entry(self) -> Result<Entry, CatalogError> {
        const COLUMN: &str = "cluster_entries.entry";
        let author = NodeId::from_bytes(&self.author)
            .map_err(|error| unreadable("cluster_entries.author", error))?;
        let damaged = |problem: String| {
            let seq = self.seq;
            unreadable(
                COLUMN,
                DamagedEntry {
                    author,
                    seq,
                    problem,
                },
            )
        };
        let entry = Entry::verify(&self.entry).map_err(|error| damaged(error.to_string()))?;
        let is_named = entry.author() == author
            && integer(entry.seq()) == self.seq
            && digest(&entry.cid()) == self.cid;
        if !is_named {
            return Err(damaged("holds another entry".to_owned()));
        }
        Ok(entry)
    }
}

impl Catalog {
    /// The cluster that this node is in, if it is in one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn cluster(&self) -> Result<Option<InCluster>, CatalogError> {
        let row = sqlx::query!("SELECT id, joined_at FROM cluster")
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            Ok(InCluster {
                cluster: cluster_id(&row.id)?,
                joined_at: time("cluster.joined_at", row.joined_at)?,
            })
        })
        .transpose()
    }

    /// Notes that this node is in a cluster from now on, with the entries that it was given. In
    /// the same one again, only entries that are new are kept.
    ///
    /// # Errors
    /// [`ClusterRowsError::OtherCluster`] if it is in another one, or an entry is of another one:
    /// nothing is changed then.
    pub async fn join_cluster(
        &self,
        cluster: ClusterId,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<Vec<EntryKept>, ClusterRowsError> {
        let (id, now) = (digest(&cluster.cid()), millis(now));
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT OR IGNORE INTO cluster (one, id, joined_at) VALUES (1, ?, ?)",
            id,
            now
        )
        .execute(&mut *write)
        .await?;
        expect_cluster(&mut write, cluster).await?;
        let kept = keep_entries(&mut write, entries).await?;
        write.commit().await?;
        Ok(kept)
    }

    /// Forgets the cluster, the logs of its members and what happened.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn leave_cluster(&self) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM cluster")
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM cluster_entries")
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM cluster_events")
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM cluster_addresses")
            .execute(&mut *write)
            .await?;
        sqlx::query!("DELETE FROM cluster_wishes")
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Keeps entries, those of one author in order, and says what became of each.
    ///
    /// # Errors
    /// [`ClusterRowsError::NoCluster`] or [`ClusterRowsError::OtherCluster`] if an entry is not of
    /// the cluster that this node is in: none is kept then.
    pub async fn keep_cluster_entries(
        &self,
        entries: &[Entry],
    ) -> Result<Vec<EntryKept>, ClusterRowsError> {
        let mut write = self.write().await?;
        let kept = keep_entries(&mut write, entries).await?;
        write.commit().await?;
        Ok(kept)
    }

    /// Entries of all members by author and number, those after `after`, at most
    /// [`MAX_CLUSTER_ENTRIES`].
    ///
    /// # Errors
    /// See [`CatalogError`]; a row that does not hold the entry that it should is named.
    pub async fn cluster_entries(
        &self,
        after: Option<(NodeId, u64)>,
        limit: u32,
    ) -> Result<Vec<Entry>, CatalogError> {
        let author = after.map_or_else(Vec::new, |(author, _)| author.as_bytes().to_vec());
        let seq = after.map_or(-1, |(_, seq)| integer(seq));
        let limit = limit.min(MAX_CLUSTER_ENTRIES);
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT author, seq, cid, entry FROM cluster_entries WHERE (author, seq) > (?, ?)
             ORDER BY author, seq LIMIT ?",
            author,
            seq,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(EntryRow::into_entry).collect()
    }

    /// Entries of one author from a number on, at most [`MAX_CLUSTER_ENTRIES`] and, after the first,
    /// as many as fit into `bytes`; whether there are others after them.
    ///
    /// # Errors
    /// See [`CatalogError`]; a row that does not hold the entry that it should is named.
    pub async fn cluster_log(
        &self,
        author: NodeId,
        from: u64,
        bytes: usize,
    ) -> Result<(Vec<Entry>, bool), CatalogError> {
        let after = from.checked_sub(1).map_or(-1, integer);
        let key = author.as_bytes().as_slice();
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT author, seq, cid, entry FROM cluster_entries WHERE author = ? AND seq > ?
             ORDER BY seq LIMIT ?",
            key,
            after,
            MAX_CLUSTER_ENTRIES
        )
        .fetch_all(&self.reader)
        .await?;
        let most = usize::try_from(MAX_CLUSTER_ENTRIES).unwrap_or(usize::MAX);
        let mut more = rows.len() == most;
        let (mut entries, mut size): (Vec<Entry>, usize) = (Vec::new(), 0);
        for row in rows {
            size = size.saturating_add(row.entry.len());
            if size > bytes && !entries.is_empty() {
                more = true;
                break;
            }
            entries.push(row.into_entry()?);
        }
        Ok((entries, more))
    }

    /// The number of this start: larger than that of every earlier one, and not smaller than `now`
    /// in milliseconds, so that it grows even if the catalog was lost.
    ///
    /// # Errors
    /// [`ClusterRowsError::NoCluster`] if this node is in none.
    pub async fn boot_member(&self, now: Timestamp) -> Result<u64, ClusterRowsError> {
        let now = millis(now);
        let mut write = self.write().await?;
        let boot = sqlx::query_scalar!(
            "UPDATE cluster SET boot = max(boot + 1, ?) RETURNING boot",
            now
        )
        .fetch_optional(&mut *write)
        .await?;
        write.commit().await?;
        let boot = boot.ok_or(ClusterRowsError::NoCluster)?;
        Ok(size("cluster.boot", boot)?)
    }

    /// Remembers where members can be reached.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_member_addresses(
        &self,
        members: &[(NodeId, Vec<String>)],
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        for (node, addresses) in members {
            let node = node.to_string();
            let addresses = to_document("cluster_addresses.addresses", addresses)?;
            sqlx::query!(
                "INSERT INTO cluster_addresses (node, addresses, seen_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (node) DO UPDATE SET addresses = ?2, seen_at = ?3",
                node,
                addresses,
                now
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Where members were last found.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn member_addresses(&self) -> Result<Vec<(NodeId, Vec<String>)>, CatalogError> {
        let rows = sqlx::query!("SELECT node, addresses FROM cluster_addresses ORDER BY node")
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter()
            .map(|row| {
                let node = parse("cluster_addresses.node", &row.node)?;
                let addresses = document("cluster_addresses.addresses", &row.addresses)?;
                Ok((node, addresses))
            })
            .collect()
    }

    /// What the logs take.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn cluster_log_usage(&self) -> Result<ClusterLogUsage, CatalogError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "entries!: i64",
                 COALESCE(SUM(length(entry)), 0) AS "bytes!: i64" FROM cluster_entries"#
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(ClusterLogUsage {
            entries: size("cluster_entries.count", row.entries)?,
            bytes: size("cluster_entries.bytes", row.bytes)?,
        })
    }

    /// Notes something that happened. Of older ones [`MAX_CLUSTER_EVENTS`] are kept.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_cluster_event(
        &self,
        kind: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let now = millis(now);
        let text: String = text.chars().take(MAX_CLUSTER_EVENT_TEXT).collect();
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO cluster_events (at, kind, text) VALUES (?, ?, ?)",
            now,
            kind,
            text
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "DELETE FROM cluster_events WHERE id <= (SELECT max(id) FROM cluster_events) - ?",
            MAX_CLUSTER_EVENTS
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Up to `limit` events, the newest first, those before the one with the id `before`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn cluster_events(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ClusterEvent>, CatalogError> {
        let before = before.map_or(i64::MAX, integer);
        let rows = sqlx::query!(
            "SELECT id, at, kind, text FROM cluster_events WHERE id < ? ORDER BY id DESC LIMIT ?",
            before,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ClusterEvent {
                    id: size("cluster_events.id", row.id)?,
                    at: time("cluster_events.at", row.at)?,
                    kind: row.kind,
                    text: row.text,
                })
            })
            .collect()
    }
}

fn cluster_id(digest: &[u8]) -> Result<ClusterId, CatalogError> {
    let cid = announcement_cid("cluster.id", digest)?;
    let text = cid.to_string();
    text.parse()
        .map_err(|error| unreadable("cluster.id", error))
}

async fn expect_cluster(
    write: &mut Transaction<'static, Sqlite>,
    other: ClusterId,
) -> Result<(), ClusterRowsError> {
    let is = sqlx::query_scalar!("SELECT id FROM cluster")
        .fetch_optional(&mut **write)
        .await?;
    let is = cluster_id(&is.ok_or(ClusterRowsError::NoCluster)?)?;
    if is != other {
        let (is, other) = (Box::new(is), Box::new(other));
        return Err(ClusterRowsError::OtherCluster { is, other });
    }
    Ok(())
}

async fn keep_entries(
    write: &mut Transaction<'static, Sqlite>,
    entries: &[Entry],
) -> Result<Vec<EntryKept>, ClusterRowsError> {
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        expect_cluster(write, entry.cluster()).await?;
        kept.push(keep_entry(write, entry).await?);
    }
    Ok(kept)
}

async fn keep_entry(
    write: &mut Transaction<'static, Sqlite>,
    entry: &Entry,
) -> Result<EntryKept, ClusterRowsError> {
    let cid = digest(&entry.cid());
    if let Some(here) = cid_of(write, &entry.author(), entry.seq()).await? {
        let is_known = here == cid;
        return Ok(if is_known {
            EntryKept::Known
        } else {
            EntryKept::Fork
        });
    }
    if let (Some(before), Some(prev)) = (entry.seq().checked_sub(1), entry.prev()) {
        match cid_of(write, &entry.author(), before).await? {
            None => return Ok(EntryKept::Gap),
            Some(here) if here != digest(&prev) => return Ok(EntryKept::Fork),
            Some(_) => {}
        }
    }
    let author = entry.author();
    let (author, seq) = (author.as_bytes().as_slice(), integer(entry.seq()));
    let bytes = entry.bytes().as_ref();
    sqlx::query!(
        "INSERT INTO cluster_entries (author, seq, cid, entry) VALUES (?, ?, ?, ?)",
        author,
        seq,
        cid,
        bytes
    )
    .execute(&mut **write)
    .await?;
    Ok(EntryKept::New)
}

async fn cid_of(
    write: &mut Transaction<'static, Sqlite>,
    author: &NodeId,
    seq: u64,
) -> Result<Option<Vec<u8>>, ClusterRowsError> {
    let (author, seq) = (author.as_bytes().as_slice(), integer(seq));
    let cid = sqlx::query_scalar!(
        "SELECT cid FROM cluster_entries WHERE author = ? AND seq = ?",
        author,
        seq
    )
    .fetch_optional(&mut **write)
    .await?;
    Ok(cid)
}
