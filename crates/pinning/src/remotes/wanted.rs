//! What assets want at services.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cidcast_catalog::{Asset, CatalogError, RemoteAudience, WantedRemote};
use cidcast_types::{Cid, Visibility};

use super::Inner;
use super::service::Assets;

/// Without news: for what was missed.
const LOOK: Duration = Duration::from_secs(300);
/// News come in bursts, one for every step of a job.
const SETTLE: Duration = Duration::from_secs(1);

impl Inner {
    pub(super) async fn keep_looking(&self) {
        loop {
            if let Err(error) = self.look_at_assets().await {
                tracing::warn!(%error, "what assets want at remote services is not known");
            }
            tokio::select! {
                () = self.assets.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Compares what ready assets want with the rows.
    async fn look_at_assets(&self) -> Result<(), CatalogError> {
        let (wanted, audiences) = self.wanted_of_all().await?;
        let now = self.clock.now();
        let kept: Vec<_> = wanted
            .iter()
            .map(|one| (one.service.clone(), one.cid))
            .collect();
        let given_up = self.catalog.keep_remote_pins_of_assets(&kept, now).await?;
        let mut missing = self.missing(wanted).await?;
        missing.extend(self.for_others(&audiences).await?);
        if !missing.is_empty() {
            self.catalog.want_remote_pins(&missing, now).await?;
        }
        if given_up > 0 || !missing.is_empty() {
            for service in &self.services {
                service.news.notify_one();
            }
        }
        Ok(())
    }

    /// What ready assets want, each root once for each service, and for whom each root is.
    async fn wanted_of_all(
        &self,
    ) -> Result<(Vec<WantedRemote>, HashMap<Cid, RemoteAudience>), CatalogError> {
        let mut wanted = BTreeMap::new();
        let mut audiences = HashMap::new();
        let mut assets = self.catalog.ready_assets();
        while let Some(page) = assets.next_page().await? {
            let packaged = page.iter();
            for (asset, root) in packaged.filter_map(|asset| Some((asset, asset.root?))) {
                // Two assets may have one package: it is for all that any of them is for.
                let audience = audience_of(asset.visibility);
                let known = audiences.entry(root.cid()).or_insert(audience);
                *known = audience.min(*known);
                for one in self.wanted_of(asset, root.cid()) {
                    wanted.insert((one.service.clone(), root.cid().to_string()), one);
                }
            }
        }
        let mut wanted: Vec<WantedRemote> = wanted.into_values().collect();
        for one in &mut wanted {
            one.audience = audiences.get(&one.cid).copied().unwrap_or(one.audience);
        }
        Ok((wanted, audiences))
    }

    fn wanted_of(&self, asset: &Asset, cid: Cid) -> Vec<WantedRemote> {
        let least = match asset.visibility {
            Visibility::Public => Assets::Public,
            Visibility::Unlisted => Assets::Shared,
            Visibility::Private => Assets::All,
        };
        let services = self.services.iter();
        let services = services.filter(|service| service.settings.assets >= least);
        services
            .map(|service| WantedRemote {
                service: service.settings.name.clone(),
                cid,
                name: asset.title.clone(),
                audience: audience_of(asset.visibility),
                asset: Some(asset.id),
            })
            .collect()
    }

    /// What a person pinned for others than its asset is for now.
    async fn for_others(
        &self,
        audiences: &HashMap<Cid, RemoteAudience>,
    ) -> Result<Vec<WantedRemote>, CatalogError> {
        let mut by_hand = self.catalog.remote_pins_by_hand().await?;
        by_hand.retain_mut(|one| {
            let audience = audiences.get(&one.cid).copied().unwrap_or(one.audience);
            std::mem::replace(&mut one.audience, audience) != audience
        });
        Ok(by_hand)
    }

    /// Those of `wanted` that have no row yet, or one for others: one that has failed keeps its
    /// waits.
    async fn missing(
        &self,
        mut wanted: Vec<WantedRemote>,
    ) -> Result<Vec<WantedRemote>, CatalogError> {
        let present = self.catalog.remote_pins_of_assets().await?;
        wanted.retain(|one| !present.contains(&(one.service.clone(), one.cid, one.audience)));
        Ok(wanted)
    }
}

/// Who may have the blocks of an asset at a service.
pub(super) fn audience_of(visibility: Visibility) -> RemoteAudience {
    match visibility {
        Visibility::Private => RemoteAudience::Members,
        Visibility::Unlisted | Visibility::Public => RemoteAudience::Anyone,
    }
}
