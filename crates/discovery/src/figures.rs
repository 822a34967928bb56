//! What discovery counts besides feeds: follows, deliveries, copies, scores, views.
//!
//! Most of it is how many rows stand how, counted now and then: that is what is true, also after a
//! restart. What happens is counted where it happens.
//!
//! Owns: one loop. Ends: with the `Shutdown` it was started under. Cancel safety: it changes
//! nothing.

use std::time::Duration;

use cidcast_catalog::{Catalog, CatalogError, Census};
use cidcast_runtime::Shutdown;
use cidcast_types::PinState;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::sleep;

use crate::replication::Status;

/// How often rows are counted: as often as numbers are usually collected.
const EVERY: Duration = Duration::from_secs(15);

type Label = [(&'static str, String); 1];
type Pair = [(&'static str, String); 2];

/// The figures of one node. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// `cidcast_follows`: by state: `followed`, `failing`, `looking-up`, `moved`.
    follows: Family<Label, Gauge>,
    /// `cidcast_followers`: nodes that follow this one's publisher.
    followers: Gauge,
    /// `cidcast_deliveries`: notices that have not arrived: `queued`, `failed`, `given-up`.
    deliveries: Family<Label, Gauge>,
    /// `cidcast_replicas`: copies here, by state.
    replicas: Family<Label, Gauge>,
    /// `cidcast_replicas_held_bytes`: what they take.
    held: Gauge,
    /// `cidcast_replication_budget_bytes`: what they may take.
    budget: Gauge,
    /// `cidcast_replication_planned_bytes`: what they will take by the last plan.
    planned: Gauge,
    /// `cidcast_replication_transfers`: copies that are being fetched.
    transfers: Gauge,
    /// `cidcast_replication_checkpoints_total`: parts of copies that were made safe from a kill.
    pub(crate) checkpoints: Counter,
    /// `cidcast_replication_fetched_bytes_total`: what came over the network for copies.
    pub(crate) fetched: Counter,
    /// `cidcast_copies`: copies on other nodes, and this one's, as nodes said.
    copies: Gauge,
    /// `cidcast_scores`: who has a score, by `kind` (`peer`, `publisher`) and `standing`
    /// (`good`, `poor`: below 100, `revoked`).
    scores: Family<Pair, Gauge>,
    /// `cidcast_views_total`: playlists that the gateway gave to viewers.
    pub(crate) views: Counter,
}

impl Figures {
    /// Makes the figures and names them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let root = registry.sub_registry_with_prefix("cidcast");
        root.register("follows", "Follows by state", all.follows.clone());
        root.register(
            "followers",
            "Nodes that follow this one",
            all.followers.clone(),
        );
        let help = "Notices that have not arrived, by state";
        root.register("deliveries", help, all.deliveries.clone());
        root.register("replicas", "Copies here, by state", all.replicas.clone());
        let help = "What copies here take";
        root.register_with_unit("replicas_held", help, Unit::Bytes, all.held.clone());
        let help = "Copies that nodes say they hold";
        root.register("copies", help, all.copies.clone());
        let help = "Who has a score, by kind and standing";
        root.register("scores", help, all.scores.clone());
        let help = "Playlists that were given to viewers";
        root.register("views", help, all.views.clone());
        all.register_replication(registry);
        all
    }

    fn register_replication(&self, registry: &mut Registry) {
        let under = registry.sub_registry_with_prefix("cidcast_replication");
        let help = "What copies may take";
        under.register_with_unit("budget", help, Unit::Bytes, self.budget.clone());
        let help = "What copies will take by the last plan";
        under.register_with_unit("planned", help, Unit::Bytes, self.planned.clone());
        let help = "Copies that are being fetched";
        under.register("transfers", help, self.transfers.clone());
        let help = "Checkpoints of copies on their way";
        under.register("checkpoints", help, self.checkpoints.clone());
        let help = "What came over the network for copies";
        under.register_with_unit("fetched", help, Unit::Bytes, self.fetched.clone());
    }

    /// Starts to count rows.
    pub(crate) fn keep(&self, catalog: Catalog, shutdown: &Shutdown) {
        let figures = self.clone();
        let token = shutdown.token().clone();
        let counting = async move {
            loop {
                if let Err(error) = figures.count(&catalog).await {
                    tracing::debug!(%error, "rows could not be counted");
                }
                sleep(EVERY).await;
            }
        };
        shutdown.spawn("figures", async move {
            token.run_until_cancelled_owned(counting).await
        });
    }

    async fn count(&self, catalog: &Catalog) -> Result<(), CatalogError> {
        let census = catalog.census().await?;
        let follows = census.follows;
        for (state, count) in [
            ("followed", follows.followed),
            ("failing", follows.failing),
            ("looking-up", follows.looking_up),
            ("moved", follows.moved),
        ] {
            set(&self.follows, state, count);
        }
        set_to(&self.followers, census.followers);
        let deliveries = census.deliveries;
        for (state, count) in [
            ("queued", deliveries.queued),
            ("failed", deliveries.failed),
            ("given-up", deliveries.given_up),
        ] {
            set(&self.deliveries, state, count);
        }
        self.count_copies(&census);
        // A standing that nobody has any more must not stay.
        self.scores.clear();
        for score in census.scores {
            let labels = [("kind", score.kind), ("standing", score.standing)];
            set_to(&self.scores.get_or_create(&labels), score.count);
        }
        Ok(())
    }

    fn count_copies(&self, census: &Census) {
        let mut held: u64 = 0;
        for state in PinState::ALL {
            let word = state.as_str();
            let row = census.replicas.iter().find(|(state, ..)| state == word);
            let (count, bytes) = row.map_or((0, 0), |(_, count, bytes)| (*count, *bytes));
            set(&self.replicas, word, count);
            held = held.saturating_add(bytes);
        }
        set_to(&self.held, held);
        set_to(&self.copies, census.copies);
    }

    /// What the last plan came to.
    pub(crate) fn planned(&self, status: &Status) {
        set_to(&self.budget, status.budget);
        set_to(&self.planned, status.planned_bytes);
        set_to(&self.transfers, status.running as u64);
    }
}

fn set(family: &Family<Label, Gauge>, state: &str, count: u64) {
    set_to(&family.get_or_create(&[("state", state.to_owned())]), count);
}

fn set_to(gauge: &Gauge, count: u64) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[tokio::test]
    async fn every_figure_is_there_from_the_start() {
        let mut registry = Registry::default();
        let figures = Figures::register(&mut registry);
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite"))
            .await
            .unwrap();
        figures.count(&catalog).await.unwrap();
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "cidcast_follows{state=\"moved\"} 0",
            "cidcast_followers 0",
            "cidcast_deliveries{state=\"given-up\"} 0",
            "cidcast_replicas{state=\"pinned\"} 0",
            "cidcast_replicas_held_bytes 0",
            "cidcast_replication_budget_bytes 0",
            "cidcast_replication_fetched_bytes_total 0",
            "cidcast_copies 0",
            "cidcast_views_total 0",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
