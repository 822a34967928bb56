//! The loop behind follows.

use std::time::Duration;

use cidcast_catalog::{CatalogError, Follow, FollowError};
use cidcast_ipfs::swarm::PeerId;
use cidcast_runtime::Backoff;
use futures::StreamExt;
use futures::stream;
use tokio::time::timeout;

use super::resolve::Resolver;
use super::target::Target;
use super::{Follows, ResolveError};
use crate::trust::peer_of;

/// When a target that leads nowhere is looked up again. It never ends: the operator wants it.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(5),
    factor: 3,
    ceiling: Duration::from_secs(6 * 3600),
    attempts: u32::MAX,
};
/// When a target that leads somewhere is looked up again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);
/// Targets that are looked up at a time, and in one turn.
const AT_ONCE: usize = 4;
const IN_TURN: u32 = 16;
/// Without an event. Also how often lost connections are made again.
const EVERY: Duration = Duration::from_secs(60);
/// Nodes of followed publishers that this node stays connected with, and of one publisher.
const MAX_KEPT: usize = 128;
const MAX_KEPT_EACH: usize = 2;
/// How long a node may take to answer a dial, and how many are dialled at a time.
const DIAL: Duration = Duration::from_secs(10);
const DIALS_AT_ONCE: usize = 8;
/// Longest description of an error that is kept.
const MAX_ERROR: usize = 500;

pub(super) struct Worker {
    follows: Follows,
    resolver: Resolver,
}

impl Worker {
    pub(super) fn new(follows: Follows) -> Self {
        let args = &follows.inner.args;
        let resolver = Resolver {
            network: args.network.clone(),
            names: args.names.clone(),
            blocks: args.blocks.clone(),
            asker: args.asker.clone(),
        };
        Self { follows, resolver }
    }

    pub(super) async fn run(self) {
        loop {
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "follows were not looked after");
                    EVERY
                }
            };
            let _ = timeout(wait, self.follows.inner.wake.notified()).await;
        }
    }

    /// Does what is due, and says how long there is nothing to do.
    async fn turn(&self) -> Result<Duration, CatalogError> {
        let now = self.follows.now();
        let due = self.follows.catalog().due_follows(now, IN_TURN).await?;
        let more = due.len() >= IN_TURN as usize;
        let mut looked_up = stream::iter(due)
            .map(|follow| self.look_up(follow))
            .buffer_unordered(AT_ONCE);
        while let Some(outcome) = looked_up.next().await {
            outcome?;
        }
        drop(looked_up);
        self.follows.tell_of_follows().await?;
        self.stay_connected().await?;
        if more {
            return Ok(Duration::ZERO);
        }
        let Some(next) = self.follows.catalog().next_follow_at().await? else {
            return Ok(EVERY);
        };
        let now = self.follows.now().as_millis();
        Ok(Duration::from_millis(next.as_millis().saturating_sub(now)).min(EVERY))
    }

    async fn look_up(&self, follow: Follow) -> Result<(), CatalogError> {
        let found = match follow.target.parse::<Target>() {
            Ok(target) => self
                .resolver
                .resolve(&target)
                .await
                .map_err(|error| described(&error)),
            Err(error) => Err(error.to_string()),
        };
        let catalog = self.follows.catalog();
        let now = self.follows.now();
        match found {
            Ok(found) => {
                let next = now.after(AGAIN);
                match catalog.follow_resolved(follow.id, &found, next, now).await {
                    Ok(now) if now.offered.is_some() => {
                        tracing::warn!(target = now.target, "leads to another publisher now");
                    }
                    Ok(_) => {}
                    // It has ended meanwhile.
                    Err(FollowError::Catalog(error)) => return Err(error),
                    Err(_) => return Ok(()),
                }
                if follow.publisher != Some(found.publisher) {
                    self.follows.changed();
                }
                Ok(())
            }
            Err(error) => {
                tracing::debug!(target = follow.target, error, "leads nowhere");
                let wait = RETRY.delay(follow.failures.saturating_add(1));
                let next = now.after(wait.unwrap_or(RETRY.ceiling));
                catalog.follow_failed(follow.id, &error, next).await
            }
        }
    }

    /// Connects to nodes of followed publishers that are not connected.
    async fn stay_connected(&self) -> Result<(), CatalogError> {
        let swarm = &self.follows.inner.args.swarm;
        let mut missing: Vec<(PeerId, Vec<String>)> = Vec::new();
        let mut kept = 0;
        let refused = self.follows.inner.args.trust.fates().await?;
        for follow in self.follows.catalog().follows().await? {
            let Some(publisher) = follow.publisher else {
                continue;
            };
            if kept >= MAX_KEPT || refused.contains_key(&publisher) {
                continue;
            }
            let nodes = self.follows.nodes_of(publisher, &follow).await?;
            for (node, addresses) in nodes.into_iter().take(MAX_KEPT_EACH) {
                kept += 1;
                let peer = peer_of(&node).filter(|peer| swarm.peer(peer).is_none());
                if let Some(peer) = peer
                    && !self.follows.inner.args.trust.refuses_node(&node)
                {
                    missing.push((peer, addresses));
                }
            }
        }
        let dialled = stream::iter(missing).map(|(peer, addresses)| async move {
            for address in addresses.iter().take(2) {
                match swarm.connect(address, DIAL).await {
                    Ok(_) => return,
                    Err(error) => tracing::debug!(%peer, %error, "a followed node is away"),
                }
            }
        });
        dialled
            .buffer_unordered(DIALS_AT_ONCE)
            .collect::<()>()
            .await;
        Ok(())
    }
}

/// With what lies behind it: "does not answer" alone helps nobody.
fn described(error: &ResolveError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text.chars().take(MAX_ERROR).collect()
}
