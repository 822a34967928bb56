//! Which services have copies that count.

use std::collections::BTreeSet;

use cidcast_catalog::CatalogError;
use cidcast_types::{Cid, PinState};
use tokio::sync::watch;

use super::Remotes;

/// Failures in a row, over about twenty minutes, after which a copy is not counted on any more.
const PATIENCE: u32 = 6;

/// Roots, each with the address of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Where the service has everything.
    pub kept: BTreeSet<(Cid, String)>,
    /// Where it had, and has not answered since, or says otherwise for now.
    pub in_doubt: BTreeSet<(Cid, String)>,
}

impl Remotes {
    /// What services of the settings keep, but for object storage.
    ///
    /// # Errors
    ///
    /// See [`CatalogError`].
    pub async fn replicas(&self) -> Result<Replicas, CatalogError> {
        let mut replicas = Replicas::default();
        for row in self.inner.catalog.remote_replicas(PATIENCE).await? {
            let Ok(service) = self.inner.service(&row.service) else {
                continue;
            };
            // A cold replica comes in addition: nobody plays from it.
            if service.archive().is_some() {
                continue;
            }
            let replica = (row.cid, service.settings.endpoint.clone());
            if row.state == PinState::Pinned {
                replicas.kept.insert(replica);
            } else {
                replicas.in_doubt.insert(replica);
            }
        }
        Ok(replicas)
    }

    /// Changes whenever the state of a pin has.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }
}
