//! Makes the swarm and the index what the rows say.

use std::time::Duration;

use cidcast_catalog::{CatalogError, Fate};
use tokio::time::timeout;

use super::{Trust, peer_of};

/// Without an event: what a fault has left undone is done then.
const EVERY: Duration = Duration::from_secs(600);

/// The loop.
pub(super) struct Worker {
    trust: Trust,
}

impl Worker {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust }
    }

    pub(super) async fn run(self) {
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

    async fn let_go_of_peers(&self) {
        let refused = self.trust.refused_peers();
        let peers = refused.iter().filter_map(peer_of).collect();
        self.trust.inner.swarm.set_blocked(peers).await;
    }

    async fn hide_publishers(&self) -> Result<(), CatalogError> {
        let fates = self.trust.fates().await?;
        let hidden = fates.into_iter().filter(|(_, fate)| *fate != Fate::Keep);
        let hidden = hidden.map(|(publisher, _)| publisher).collect();
        self.trust.inner.catalog.hide_exactly(&hidden).await
    }
}
