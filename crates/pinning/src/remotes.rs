//! Pins of this node at remote services: replicas that count, kept by others.
//!
//! Reconcile: the rows of the catalog say what should be where; what assets want is compared with
//! them after every change and by a timer. A row's `next_at` says when its service is asked next:
//! for a pin that is wanted, on its way, to be looked at again, or to be given up.
//!
//! Owns: one loop that looks at assets, and one for each service, so that one that is slow or down
//! holds up no other. Ends: with the `Shutdown` that it was started under; every row stays. Cancel
//! safety: a call that is cut off is made again.

mod archived;
mod metrics;
mod note;
mod replicas;
mod service;
mod wanted;
mod work;

use std::fmt;
use std::sync::Arc;

use cidcast_catalog::{
    Catalog, CatalogError, RemoteAudience, RemoteCount, RemotePin, WantedRemote,
};
use cidcast_ipfs::http::HttpClient;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_runtime::{Clock, Shutdown};
use cidcast_store::Store;
use cidcast_types::{Cid, RootCid};
use tokio::sync::{Notify, watch};

pub use archived::Archived;
pub use metrics::RemoteMetrics;
pub use replicas::Replicas;
use service::{Archive, Service, Voice};
pub use service::{
    ArchiveSettingsError, Assets, CallError, ClusterCopy, ClusterPeer, Language, ServiceSettings,
    check_archive,
};
use wanted::audience_of;

/// Pins in one list at most.
pub const MAX_LIST: u32 = 10_000;

/// The remote services of a node. Clones are the same.
#[derive(Clone)]
pub struct Remotes {
    inner: Arc<Inner>,
}

/// What they work with.
#[derive(Debug)]
pub struct RemoteParts {
    /// Keeps what is wanted, and knows the assets.
    pub catalog: Catalog,
    /// Has the blocks that go to object storage.
    pub store: Store,
    /// Talks to services.
    pub http: HttpClient,
    /// Says where blocks can be had, and connects with services' peers.
    pub swarm: SwarmHandle,
    /// When services are asked.
    pub clock: Clock,
    /// Counts.
    pub metrics: RemoteMetrics,
}

struct Inner {
    catalog: Catalog,
    swarm: SwarmHandle,
    clock: Clock,
    metrics: RemoteMetrics,
    services: Vec<Arc<Service>>,
    /// Something about the assets has changed.
    assets: Notify,
    /// How often the state of a pin has changed.
    changes: watch::Sender<u64>,
}

/// A remote pin could not be taken on or given up.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The settings name no such service.
    #[error("there is no service `{0}`: name one of pinning.services in the configuration")]
    NoSuchService(String),
    /// There is no such pin.
    #[error("{cid} is not pinned at {service}: `cidcast pin ls --remote` lists what is")]
    NoSuchPin {
        /// Where.
        service: String,
        /// What.
        cid: Cid,
    },
    /// Only from object storage something is restored.
    #[error("{0} is no object storage: its pins come with `cidcast pin add`, from its peers")]
    NoArchive(String),
    /// Object storage does not have it.
    #[error("{cid} is not at {service}: `cidcast pin restore {service} --list` shows what is")]
    NotArchived {
        /// Where.
        service: String,
        /// What.
        cid: Cid,
    },
    /// It could not be asked.
    #[error(transparent)]
    Call(Box<CallError>),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<CallError> for RemoteError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Remotes {
    /// Goes on with what an earlier process left, under `shutdown`.
    ///
    /// # Errors
    ///
    /// [`ArchiveSettingsError`] if the settings of object storage name none.
    pub fn start(
        parts: RemoteParts,
        services: Vec<ServiceSettings>,
        shutdown: &Shutdown,
    ) -> Result<Self, ArchiveSettingsError> {
        let services = services.into_iter();
        let services: Result<Vec<_>, _> = services
            .map(|settings| Ok(Arc::new(parts.service(settings)?)))
            .collect();
        let inner = Arc::new(Inner {
            services: services?,
            catalog: parts.catalog,
            swarm: parts.swarm,
            clock: parts.clock,
            metrics: parts.metrics,
            assets: Notify::new(),
            changes: watch::Sender::new(0),
        });
        if !inner.services.is_empty() {
            let (worker, token) = (Arc::clone(&inner), shutdown.token().clone());
            shutdown.spawn("remote assets", async move {
                token.run_until_cancelled_owned(worker.keep_looking()).await
            });
        }
        for service in &inner.services {
            let (worker, service) = (Arc::clone(&inner), Arc::clone(service));
            let token = shutdown.token().clone();
            shutdown.spawn("remote pins", async move {
                let asking = worker.keep_asking(&service);
                token.run_until_cancelled_owned(asking).await
            });
        }
        Ok(Self { inner })
    }

    /// The services that the settings name.
    pub fn services(&self) -> impl Iterator<Item = &ServiceSettings> {
        let services = self.inner.services.iter();
        services.map(|service| &service.settings)
    }

    /// Pins a root at a service, for a person. Once this returns it is remembered. The package of a
    /// private asset stays one for members.
    ///
    /// # Errors
    ///
    /// [`RemoteError`]; nothing has changed.
    pub async fn add(&self, service: &str, cid: Cid, name: &str) -> Result<RemotePin, RemoteError> {
        let inner = &self.inner;
        let found = inner.service(service)?;
        let wanted = WantedRemote {
            service: service.to_owned(),
            cid,
            name: name.to_owned(),
            audience: self.audience(cid).await?,
            asset: None,
        };
        let now = inner.clock.now();
        inner.catalog.want_remote_pins(&[wanted], now).await?;
        found.news.notify_one();
        inner.pin(service, cid).await
    }

    /// Has a service asked again now about a pin that has failed, or that it should let go of,
    /// whoever wants it; any other stays as it is.
    ///
    /// # Errors
    ///
    /// [`RemoteError`]; nothing has changed.
    pub async fn retry(&self, service: &str, cid: Cid) -> Result<RemotePin, RemoteError> {
        let inner = &self.inner;
        let found = inner.service(service)?;
        let now = inner.clock.now();
        inner.catalog.retry_remote_pin(service, &cid, now).await?;
        found.news.notify_one();
        inner.pin(service, cid).await
    }

    async fn audience(&self, cid: Cid) -> Result<RemoteAudience, CatalogError> {
        let assets = self.inner.catalog.by_root(&RootCid::new(cid)).await?;
        let audiences = assets.iter().map(|asset| audience_of(asset.visibility));
        Ok(audiences.min().unwrap_or(RemoteAudience::Anyone))
    }

    /// Gives up a pin at a service. One that an asset wants comes back with the next look: change
    /// the asset, or `assets` of the service.
    ///
    /// # Errors
    ///
    /// [`RemoteError`]; nothing has changed.
    pub async fn remove(&self, service: &str, cid: Cid) -> Result<(), RemoteError> {
        let inner = &self.inner;
        let found = inner.service(service)?;
        let now = inner.clock.now();
        if !inner.catalog.give_up_remote_pin(service, &cid, now).await? {
            let service = service.to_owned();
            return Err(RemoteError::NoSuchPin { service, cid });
        }
        found.news.notify_one();
        Ok(())
    }

    /// Pins at one service, or at all: at most [`MAX_LIST`], the newest first.
    ///
    /// # Errors
    ///
    /// See [`CatalogError`].
    pub async fn list(&self, service: Option<&str>) -> Result<Vec<RemotePin>, CatalogError> {
        self.inner
            .catalog
            .remote_pins(service, None, MAX_LIST)
            .await
    }

    /// Where a root is pinned, or on its way: each service that has it `pinned` is a replica.
    ///
    /// # Errors
    ///
    /// See [`CatalogError`].
    pub async fn of(&self, root: &Cid) -> Result<Vec<RemotePin>, CatalogError> {
        self.inner
            .catalog
            .remote_pins(None, Some(root), MAX_LIST)
            .await
    }

    /// The peers of a service that is an IPFS Cluster; `None`: it is none.
    ///
    /// # Errors
    ///
    /// [`RemoteError`].
    pub async fn peers(&self, service: &str) -> Result<Option<Vec<ClusterPeer>>, RemoteError> {
        Ok(self.inner.service(service)?.peers().await?)
    }

    /// Where a root stands at the peers of a service that is an IPFS Cluster.
    ///
    /// # Errors
    ///
    /// [`RemoteError`].
    pub async fn copies(&self, service: &str, cid: &Cid) -> Result<Vec<ClusterCopy>, RemoteError> {
        Ok(self.inner.service(service)?.copies(cid).await?)
    }

    /// How many pins each service has in each state.
    ///
    /// # Errors
    ///
    /// See [`CatalogError`].
    pub async fn counts(&self) -> Result<Vec<RemoteCount>, CatalogError> {
        self.inner.catalog.remote_pin_counts().await
    }

    /// Something about the assets has changed.
    pub fn changed(&self) {
        self.inner.assets.notify_one();
    }
}

impl RemoteParts {
    fn service(&self, settings: ServiceSettings) -> Result<Service, ArchiveSettingsError> {
        let node = self.swarm.peer_id();
        let voice = match settings.language {
            Language::Psa => Voice::Psa,
            Language::IpfsCluster => Voice::IpfsCluster,
            Language::S3 => Voice::S3(Box::new(Archive::open(
                &settings,
                self.http.clone(),
                self.store.clone(),
                (node.clone(), self.clock.clone()),
            )?)),
        };
        Ok(Service {
            settings,
            http: self.http.clone(),
            node,
            news: Notify::new(),
            voice,
        })
    }
}

impl Inner {
    fn service(&self, name: &str) -> Result<&Service, RemoteError> {
        let mut services = self.services.iter();
        let found = services.find(|service| service.settings.name == name);
        found.map_or_else(
            || Err(RemoteError::NoSuchService(name.to_owned())),
            |found| Ok(&**found),
        )
    }

    async fn pin(&self, service: &str, cid: Cid) -> Result<RemotePin, RemoteError> {
        let found = self.catalog.remote_pins(Some(service), Some(&cid), 1);
        found.await?.pop().ok_or_else(|| RemoteError::NoSuchPin {
            service: service.to_owned(),
            cid,
        })
    }
}

impl fmt::Debug for Remotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services().collect();
        f.debug_struct("Remotes")
            .field("services", &services)
            .finish_non_exhaustive()
    }
}
