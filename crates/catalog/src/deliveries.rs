//! Notices to other nodes, until they have arrived or are given up.

use cidcast_announce::NodeId;
use cidcast_types::Timestamp;

use crate::row::{count, document, millis, parse, time, to_document};
use crate::{Catalog, CatalogError};

/// Notices that wait, with those that were given up: about 50 MB at the very most.
pub const MAX_DELIVERIES: u32 = 20_000;
/// Addresses that are kept of a node.
const MAX_ADDRESSES: usize = 16;

/// A notice that is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// To whom.
    pub node: NodeId,
    /// Multiaddresses of that node, with `/p2p/…`; the first 16 are kept. May be empty: it is
    /// then reached while it is connected, or where the network says that it is.
    pub addresses: Vec<String>,
    /// What it is about. A newer notice about the same thing to the same node replaces this one.
    pub about: String,
    /// As it was signed.
    pub notice: Vec<u8>,
}

/// A notice that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Never used twice.
    pub id: i64,
    /// To whom.
    pub node: NodeId,
    /// Where that node may be.
    pub addresses: Vec<String>,
    /// What it is about.
    pub about: String,
    /// As it was signed.
    pub notice: Vec<u8>,
    /// How often it was tried in vain.
    pub failures: u32,
    /// Why the last time.
    pub error: Option<String>,
    /// When it is tried next; `None`: it was given up.
    pub next_at: Option<Timestamp>,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// What becomes of a notice that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Which.
    pub id: i64,
    /// Why.
    pub error: String,
    /// When it is tried again; `None`: never.
    pub next_at: Option<Timestamp>,
}

/// How many notices wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Those that are tried again.
    pub waiting: u64,
    /// Those that were given up.
    pub given_up: u64,
}

struct DeliveryRow {
    id: i64,
    node: String,
    addresses: String,
    about: String,
    notice: Vec<u8>,
    failures: i64,
    error: Option<String>,
    next_at: Option<i64>,
    created_at: i64,
}

impl DeliveryRow {
    fn into_delivery(self) -> Result<Delivery, CatalogError> {
        Ok(Delivery {
            id: self.id,
            node: parse("deliveries.node", &self.node)?,
            addresses: document("deliveries.addresses", &self.addresses)?,
            failures: count("deliveries.failures", self.failures)?,
            next_at: self
                .next_at
                .map(|at| time("deliveries.next_at", at))
                .transpose()?,
            created_at: time("deliveries.created_at", self.created_at)?,
            about: self.about,
            notice: self.notice,
            error: self.error,
        })
    }
}

impl Catalog {
    /// Queues a notice, due at `now`. When the queue is full, those that were given up go first,
    /// then nothing more is taken.
    ///
    /// Answers whether it was taken.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn add_delivery(
        &self,
        new: &NewDelivery,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let addresses: Vec<_> = new.addresses.iter().take(MAX_ADDRESSES).collect();
        let addresses = to_document("deliveries.addresses", &addresses)?;
        let (node, now) = (new.node.to_string(), millis(now));
        let mut write = self.write().await?;
        // A new id for a notice that replaces another: whoever delivers that one right now must
        // not take this one for delivered.
        sqlx::query!(
            "DELETE FROM deliveries WHERE node = ? AND about = ?",
            node,
            new.about
        )
        .execute(&mut *write)
        .await?;
        let all = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!: i64" FROM deliveries"#)
            .fetch_one(&mut *write)
            .await?;
        if all >= i64::from(MAX_DELIVERIES) {
            let made_room = sqlx::query!(
                "DELETE FROM deliveries WHERE id = (SELECT id FROM deliveries
                     WHERE next_at IS NULL ORDER BY id LIMIT 1)"
            )
            .execute(&mut *write)
            .await?;
            if made_room.rows_affected() == 0 {
                return Ok(false);
            }
        }
        sqlx::query!(
            "INSERT INTO deliveries (node, addresses, about, notice, next_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            node,
            addresses,
            new.about,
            new.notice,
            now
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// The nodes that have notices due at `now`, longest overdue first; at most `limit`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn nodes_to_deliver_to(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<NodeId>, CatalogError> {
        let now = millis(now);
        let nodes = sqlx::query_scalar!(
            r#"SELECT node AS "node!: String" FROM deliveries WHERE next_at <= ? GROUP BY node
             ORDER BY MIN(next_at) LIMIT ?"#,
            now,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        nodes
            .iter()
            .map(|node| parse("deliveries.node", node))
            .collect()
    }

    /// The notices for one node that are due at `now`, in the order in which they were queued; at
    /// most `limit`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn due_deliveries(
        &self,
        node: &NodeId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Delivery>, CatalogError> {
        let (node, now) = (node.to_string(), millis(now));
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT * FROM deliveries WHERE node = ? AND next_at <= ? ORDER BY id LIMIT ?",
            node,
            now,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }

    /// When the next notice is due, if one waits.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_delivery_at(&self) -> Result<Option<Timestamp>, CatalogError> {
        let next = sqlx::query_scalar!(
            r#"SELECT MIN(next_at) AS "next: i64" FROM deliveries WHERE next_at IS NOT NULL"#
        )
        .fetch_one(&self.reader)
        .await?;
        next.map(|at| time("deliveries.next_at", at)).transpose()
    }

    /// Saves which notices arrived and which did not, all or none.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn settle_deliveries(
        &self,
        arrived: &[i64],
        undelivered: &[Undelivered],
    ) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for id in arrived {
            sqlx::query!("DELETE FROM deliveries WHERE id = ?", id)
                .execute(&mut *write)
                .await?;
        }
        for failed in undelivered {
            let next_at = failed.next_at.map(millis);
            sqlx::query!(
                "UPDATE deliveries SET failures = failures + 1, error = ?, next_at = ?
                 WHERE id = ?",
                failed.error,
                next_at,
                failed.id
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Makes notices due at `now` with all their tries before them: one, or all that wait or were
    /// given up.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retry_deliveries(
        &self,
        only: Option<i64>,
        now: Timestamp,
    ) -> Result<u64, CatalogError> {
        let now = millis(now);
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE deliveries SET failures = 0, next_at = ?1 WHERE ?2 IS NULL OR id = ?2",
            now,
            only
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    /// Drops a notice; answers whether it was there.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn drop_delivery(&self, id: i64) -> Result<bool, CatalogError> {
        let mut write = self.write().await?;
        let done = sqlx::query!("DELETE FROM deliveries WHERE id = ?", id)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` notices after the first `skip`, those that are due next first; who was given
    /// up comes at the end.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn deliveries(&self, skip: u32, limit: u32) -> Result<Vec<Delivery>, CatalogError> {
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT * FROM deliveries ORDER BY next_at IS NULL, next_at, id LIMIT ? OFFSET ?",
            limit,
            skip
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }

    /// How many notices wait.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn delivery_counts(&self) -> Result<DeliveryCounts, CatalogError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(next_at) AS "waiting!: i64", COUNT(*) AS "all!: i64" FROM deliveries"#
        )
        .fetch_one(&self.reader)
        .await?;
        let waiting = crate::row::size("count", row.waiting)?;
        let all = crate::row::size("count", row.all)?;
        Ok(DeliveryCounts {
            waiting,
            given_up: all.saturating_sub(waiting),
        })
    }
}
