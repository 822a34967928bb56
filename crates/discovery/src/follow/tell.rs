//! Telling the nodes of a publisher that it is followed, or is so no longer.

use std::collections::BTreeMap;
use std::time::Duration;

use cidcast_announce::{NodeId, Notice, Publisher, Says};
use cidcast_catalog::{CatalogError, Follow, Interest};

use super::{Follows, node_at};

/// How often a follow is told of: whoever has lost its followers gets them back.
const TELL_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
/// Nodes of one publisher that are told: they are one publisher's.
const MAX_TOLD: usize = 3;

impl Follows {
    /// Tells of every follow that its publisher's nodes do not know of, as far as such nodes are
    /// known.
    pub(super) async fn tell_of_follows(&self) -> Result<(), CatalogError> {
        let now = self.now();
        for follow in self.catalog().follows().await? {
            let Some(publisher) = follow.publisher else {
                continue;
            };
            let is_told = follow
                .told_at
                .is_some_and(|told| told.after(TELL_EVERY) > now);
            if is_told || self.catalog().interest(&publisher).await? != Interest::Followed {
                continue;
            }
            let by = self.catalog().own_publisher().await?;
            let says = Says::Follow { publisher, by };
            if self.tell(&follow, publisher, says).await? {
                self.catalog().follow_told(follow.id, now).await?;
            }
        }
        Ok(())
    }

    /// Tells that a follow has ended. Nobody waits for it, so an error is only logged.
    pub(super) async fn tell_of_the_end(&self, follow: &Follow, publisher: Publisher) {
        if follow.told_at.is_none() {
            return;
        }
        let says = Says::Unfollow { publisher };
        if let Err(error) = self.tell(follow, publisher, says).await {
            tracing::warn!(%publisher, %error, "the end of a follow was not told");
        }
    }

    /// Whether there was a node to tell.
    async fn tell(
        &self,
        follow: &Follow,
        publisher: Publisher,
        says: Says,
    ) -> Result<bool, CatalogError> {
        let nodes = self.nodes_of(publisher, follow).await?;
        if nodes.is_empty() {
            return Ok(false);
        }
        let args = &self.inner.args;
        let notice = match Notice::sign(&args.key, self.now(), says) {
            Ok(notice) => notice,
            Err(error) => {
                tracing::error!(%publisher, %error, "a notice cannot be signed");
                return Ok(false);
            }
        };
        // The newest word about following replaces one that has not arrived.
        let about = format!("follow {publisher}");
        let mut is_queued = false;
        for (node, addresses) in nodes.into_iter().take(MAX_TOLD) {
            let bytes = notice.bytes().clone();
            match args.deliveries.send(node, addresses, &about, bytes).await {
                Ok(()) => is_queued = true,
                Err(error) => tracing::warn!(%node, %error, "a notice was not queued"),
            }
        }
        Ok(is_queued)
    }

    /// Where the publisher's nodes are: as the follow's target said, and as the publisher's
    /// signed profile says.
    pub(super) async fn nodes_of(
        &self,
        publisher: Publisher,
        follow: &Follow,
    ) -> Result<BTreeMap<NodeId, Vec<String>>, CatalogError> {
        let feed = self.catalog().feed(&publisher).await?;
        let announced = feed.map(|feed| feed.profile.nodes).unwrap_or_default();
        let own = self.inner.args.swarm.peer_id();
        let mut nodes: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for address in announced.into_iter().chain(follow.nodes.iter().cloned()) {
            if let Some(node) = node_at(&address).filter(|node| node.to_string() != own) {
                nodes.entry(node).or_default().push(address);
            }
        }
        Ok(nodes)
    }
}
