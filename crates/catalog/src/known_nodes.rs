//! Nodes of the network that this one has heard of, for the next start.

use cidcast_announce::NodeId;
use cidcast_types::Timestamp;

use crate::row::{document, millis, parse, time, to_document};
use crate::spelled::spelled;
use crate::{Catalog, CatalogError};

/// Nodes that are remembered.
pub const MAX_KNOWN_NODES: u32 = 1_000;

spelled! {
    /// How a node became known.
    pub enum NodeSource as "joined or asked" {
        /// More than half of the bootstrap peers named it.
        Joined = "joined",
        /// It is a bootstrap peer or neighbour that was asked for others.
        Asked = "asked",
    }
}

/// A node that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNode {
    /// Who.
    pub node: NodeId,
    /// Multiaddresses, with `/p2p/…`.
    pub addresses: Vec<String>,
    /// How it became known.
    pub source: NodeSource,
    /// When it was last named or connected.
    pub seen_at: Timestamp,
}

impl Catalog {
    /// Remembers nodes, or that they are still there. Those that were seen longest ago are
    /// forgotten beyond [`MAX_KNOWN_NODES`].
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn know_nodes(&self, nodes: &[KnownNode]) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for known in nodes {
            let (node, seen_at) = (known.node.to_string(), millis(known.seen_at));
            let addresses = to_document("known_nodes.addresses", &known.addresses)?;
            let source = known.source.as_str();
            sqlx::query!(
                "INSERT INTO known_nodes (node, addresses, source, seen_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (node) DO UPDATE SET addresses = ?2, seen_at = ?4",
                node,
                addresses,
                source,
                seen_at
            )
            .execute(&mut *write)
            .await?;
        }
        sqlx::query!(
            "DELETE FROM known_nodes WHERE node IN (SELECT node FROM known_nodes
                 ORDER BY seen_at DESC LIMIT -1 OFFSET ?)",
            MAX_KNOWN_NODES
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Up to `limit` nodes, those that were seen last first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn known_nodes(&self, limit: u32) -> Result<Vec<KnownNode>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT node, addresses, source, seen_at FROM known_nodes
             ORDER BY seen_at DESC, node LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(KnownNode {
                    node: parse("known_nodes.node", &row.node)?,
                    addresses: document("known_nodes.addresses", &row.addresses)?,
                    source: parse("known_nodes.source", &row.source)?,
                    seen_at: time("known_nodes.seen_at", row.seen_at)?,
                })
            })
            .collect()
    }
}
