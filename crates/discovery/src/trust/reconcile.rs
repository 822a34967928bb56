//! Makes the swarm and the index what the rows say.

use std::collections::HashSet;
use std::time::Duration;

use cidcast_announce::NodeId;
use cidcast_catalog::{CatalogError, Fate};
use tokio::time::timeout;

use super::{Trust, peer_of};

/// Without an event: what a fault has left undone is done then.
const EVERY: Duration = Duration::from_secs(600);

/// The loop.
pub(super) struct Worker {
    trust: Trust,
    /// Whom the swarm lets in no more.
    banned: HashSet<NodeId>,
}

impl Worker {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            trust,
            banned: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut changes = self.trust.changes();
        loop {
            changes.borrow_and_update();
            self.let_go_of_peers().await;
            if let Err(error) = self.hide_publishers().await {
                tracing::warn!(%error, "the index was not brought in line with who is refused");
            }
            // Its sender is in `trust`: it cannot be gone.
            let _ = timeout(EVERY, changes.changed()).await;
        }
    }

    async fn let_go_of_peers(&mut self) {
        let refused = self.trust.refused_peers();
        let swarm = &self.trust.inner.swarm;
        for node in refused.difference(&self.banned) {
            let Some(peer) = peer_of(node) else { continue };
            match swarm.ban(peer).await {
                Ok(()) => tracing::info!(%peer, "let go of: it is blocked or revoked"),
                Err(error) => tracing::warn!(%peer, %error, "a peer could not be banned"),
            }
        }
        for node in self.banned.difference(&refused) {
            let Some(peer) = peer_of(node) else { continue };
            if let Err(error) = swarm.unban(peer).await {
                tracing::warn!(%peer, %error, "a peer could not be let in again");
            }
        }
        self.banned = refused;
    }

    async fn hide_publishers(&self) -> Result<(), CatalogError> {
        let fates = self.trust.fates().await?;
        let hidden = fates.into_iter().filter(|(_, fate)| *fate != Fate::Keep);
        let hidden = hidden.map(|(publisher, _)| publisher).collect();
        self.trust.inner.catalog.hide_exactly(&hidden).await
    }
}
