//! What a node fetches from others, and what it tells others that it has.
//!
//! Reconcile: the catalog's rows say what is open to anyone; one loop tells the provider, after
//! every event and now and then without one. It ends with the `Shutdown` that it was started
//! under; nothing is lost when it is dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use cidcast_catalog::{Catalog, CatalogError};
use cidcast_exchange::Exchange;
use cidcast_ingest::{Event, Ingest};
use cidcast_ipfs::names::Names;
use cidcast_ipfs::pinner::Pinner;
use cidcast_ipfs::provide::{Provider, ProviderSettings};
use cidcast_ipfs::swarm::Swarm;
use cidcast_ipfs::unixfs::read;
use cidcast_ipfs::{Blocks, Network};
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use cidcast_types::{Cid, RootCid, Visibility};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::settings;
use crate::config::{Config, DataDir, Provide};

/// Events come in bursts, one for every step of a job.
const SETTLE: Duration = Duration::from_secs(2);
/// Without an event: for what was missed.
const TURN: Duration = Duration::from_secs(300);
/// How often new copies of other publishers' packages are looked for: a query of one index.
const COPIES: Duration = Duration::from_secs(15);
/// Directories below one root that are looked into for entities.
const MAX_FOLDERS: usize = 10_000;

/// The parts of a node that others fetch from and are fetched from.
pub(super) struct Reachable {
    pub(super) network: Network,
    pub(super) names: Names,
    pub(super) provider: Provider,
    pub(super) pinner: Pinner,
}

/// Starts them over a running swarm. `tasks` has to be told to end before the swarm is stopped.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    (swarm, exchange, store): (&Swarm, &Exchange, &Store),
    tasks: &Shutdown,
) -> anyhow::Result<Reachable> {
    let settings = settings::network(config);
    let (exchange, store) = (exchange.clone(), store.clone());
    let network = Network::start(swarm, exchange, store.clone(), settings, tasks).await?;
    let names = Names::start(network.clone(), settings::names(config, data_dir), tasks)?;
    let provider = ProviderSettings {
        every: config.network.reprovide_every.duration(),
    };
    let pinner = Pinner::start(network.clone(), store, Clock::System, tasks).await?;
    pinner.limit(settings::pin_flow(config));
    Ok(Reachable {
        network,
        names,
        provider: Provider::start(swarm, provider, tasks),
        pinner,
    })
}

/// Keeps the provider at what the catalog says, and tells peers that wait for what has become open.
pub(super) fn keep_providing(
    provide: Provide,
    (catalog, blocks, ingest): (&Catalog, &Blocks, &Ingest),
    (exchange, provider): (Exchange, Provider),
    tasks: &Shutdown,
) {
    let view = Open {
        catalog: catalog.clone(),
        blocks: blocks.local(),
        provide,
    };
    let mut events = ingest.events();
    let token = tasks.token().clone();
    let work = async move {
        let mut known = BTreeSet::new();
        loop {
            let copies = view.catalog.replica_roots().await.unwrap_or_default();
            match view.cids().await {
                Ok(cids) => {
                    let fresh: Vec<Cid> = cids.difference(&known).copied().collect();
                    exchange.announce_local(&fresh).await;
                    if provide != Provide::None {
                        provider.set(cids.clone());
                    }
                    known = cids;
                }
                Err(error) => tracing::warn!(%error, "what to provide could not be read"),
            }
            let change = async {
                tokio::select! {
                    () = news(&mut events) => tokio::time::sleep(SETTLE).await,
                    () = view.copies_other_than(&copies) => {}
                }
            };
            let _ = tokio::time::timeout(TURN, change).await;
        }
    };
    tasks.spawn("providing", async move {
        token.run_until_cancelled_owned(work).await
    });
}

/// Waits for an event. Missed ones are as good as any.
async fn news(events: &mut Receiver<Event>) {
    if let Err(RecvError::Closed) = events.recv().await {
        std::future::pending::<()>().await;
    }
}

/// What is open to anyone: own assets that are not private, and copies of what others publish.
struct Open {
    catalog: Catalog,
    blocks: Blocks,
    provide: Provide,
}

impl Open {
    async fn cids(&self) -> Result<BTreeSet<Cid>, CatalogError> {
        let mut cids = BTreeSet::new();
        let mut assets = self.catalog.ready_assets();
        while let Some(page) = assets.next_page().await? {
            let open = page.into_iter();
            let open = open.filter(|asset| asset.visibility != Visibility::Private);
            for root in open.filter_map(|asset| asset.root) {
                let root = root.cid();
                cids.insert(root);
                if self.provide == Provide::Entities {
                    self.add_entities(&root, &mut cids).await;
                }
            }
        }
        for root in self.catalog.replica_roots().await? {
            cids.insert(root.cid());
            if self.provide == Provide::Entities {
                self.add_entities(&root.cid(), &mut cids).await;
            }
        }
        Ok(cids)
    }

    /// Waits until other copies are here than these. A catalog that fails is asked again.
    async fn copies_other_than(&self, known: &[RootCid]) {
        loop {
            tokio::time::sleep(COPIES).await;
            if self
                .catalog
                .replica_roots()
                .await
                .is_ok_and(|now| now != known)
            {
                return;
            }
        }
    }

    /// Every file and directory below `root`; what cannot be read is left out.
    async fn add_entities(&self, root: &Cid, cids: &mut BTreeSet<Cid>) {
        /// Codec of directories and of files of several blocks.
        const DAG_PB: u64 = 0x70;
        let mut folders = vec![*root];
        let mut looked_into = 0;
        while let Some(folder) = folders.pop() {
            looked_into += 1;
            if looked_into > MAX_FOLDERS {
                return;
            }
            // A file of several blocks is no directory either, and has been added already.
            let Ok(entries) = read::list(&self.blocks, &folder).await else {
                continue;
            };
            for entry in entries {
                // Of a copy in part the directories are here, and not all that they list.
                if self.blocks.size(&entry.cid).await.is_err() {
                    continue;
                }
                if cids.insert(entry.cid) && entry.cid.codec() == DAG_PB {
                    folders.push(entry.cid);
                }
            }
        }
    }
}
