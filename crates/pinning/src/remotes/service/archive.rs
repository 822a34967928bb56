//! Object storage as a cold replica: for each root a folder with CARs of at most [`CAR`] bytes of
//! blocks, and a manifest that names them. The manifest is written last and removed first: a root
//! without one is not there.
//!
//! The same DAG gives the same CARs, so one that was begun is gone on with, and one of which a CAR
//! is missing is made whole by pinning it again. A folder belongs to the node that wrote its manifest
//! last; others let go of it without removing anything.

mod connector;
mod manifest;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use cidcast_catalog::{RemoteAudience, RemotePin};
use cidcast_ipfs::http::HttpClient;
use cidcast_runtime::Clock;
use cidcast_store::{Audience, ExportError, Holder, ImportError, Store};
use cidcast_types::Cid;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Error as ObjectError, ObjectStore, ObjectStoreExt as _, RetryConfig};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::{CallError, Said, ServiceSettings, There};
use connector::Connector;
pub(crate) use manifest::Manifest;
use manifest::{CarFile, NAME as MANIFEST};

/// Bytes of blocks in a CAR: one request each, which a slow line manages within its deadline.
const CAR: usize = 16 << 20;
/// Requests at a time, where they are small.
const AT_ONCE: usize = 8;
/// Where nothing else is said; storage that has no regions takes any.
const REGION: &str = "us-east-1";
/// A request that fails is made again at once so often; after that the pin waits for its turn.
const RETRY: RetryConfig = RetryConfig {
    backoff: object_store::BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        base: 3.0,
    },
    max_retries: 2,
    retry_timeout: Duration::from_secs(60),
};

/// Settings of a service that name no object storage.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArchiveSettingsError(String);

/// A folder in a bucket.
pub(in crate::remotes) struct Archive {
    objects: Box<dyn ObjectStore>,
    /// Above all roots.
    folder: Path,
    store: Store,
    clock: Clock,
    /// This node's peer id.
    node: String,
    /// One root at a time: each fills the line, and takes the memory of three CARs.
    turn: Semaphore,
}

impl Archive {
    /// The folder that the endpoint names: a host, a bucket, and any folders in it.
    ///
    /// # Errors
    ///
    /// [`ArchiveSettingsError`], which says what is missing.
    pub(in crate::remotes) fn open(
        settings: &ServiceSettings,
        http: HttpClient,
        store: Store,
        (node, clock): (String, Clock),
    ) -> Result<Self, ArchiveSettingsError> {
        let place = Place::of(&settings.endpoint)?;
        let (key, secret) = keys(settings.authorization.as_deref())?;
        let objects = AmazonS3Builder::new()
            .with_endpoint(place.host)
            .with_bucket_name(place.bucket)
            .with_region(settings.region.as_deref().unwrap_or(REGION))
            .with_access_key_id(key)
            .with_secret_access_key(secret)
            .with_virtual_hosted_style_request(false)
            .with_allow_http(true)
            // Not all storage has it.
            .with_disable_bulk_delete(true)
            .with_retry(RETRY)
            .with_http_connector(Connector(http))
            .build();
        let objects = objects.map_err(|error| ArchiveSettingsError(error.to_string()))?;
        Ok(Self::over(
            Box::new(objects),
            place.folder,
            store,
            (node, clock),
        ))
    }

    fn over(
        objects: Box<dyn ObjectStore>,
        folder: Path,
        store: Store,
        (node, clock): (String, Clock),
    ) -> Self {
        Self {
            objects,
            folder,
            store,
            clock,
            node,
            turn: Semaphore::new(1),
        }
    }

    /// Writes what is not there yet, and the manifest. Done when this returns.
    pub(super) async fn pin(&self, pin: &RemotePin) -> Result<Said, CallError> {
        let _turn = self.turn.acquire().await.map_err(|_| CallError::Stopping)?;
        let folder = self.of(&pin.cid);
        let mut present = self.sizes(&folder).await?;
        let (sender, mut receiver) = mpsc::channel(1);
        let exporting = self.export(pin.cid, sender);
        let mut cars = Vec::new();
        while let Some((bytes, car)) = receiver.recv().await {
            let is_there = present.remove(&car.name) == Some(car.bytes);
            if !is_there {
                let path = folder.clone().join(car.name.as_str());
                self.objects.put(&path, bytes.into()).await?;
            }
            cars.push(car);
        }
        exporting.await.map_err(|_| CallError::Stopping)??;
        let manifest = Manifest::new(pin, cars, &self.node, self.clock.now());
        let path = folder.clone().join(MANIFEST);
        self.objects.put(&path, manifest.to_json()?.into()).await?;
        present.remove(MANIFEST);
        self.delete(&folder, present.into_keys()).await?;
        Ok(said(There::Pinned, &folder))
    }

    /// Exports a DAG on a thread of its own, for as long as somebody takes the CARs.
    fn export(
        &self,
        root: Cid,
        sender: mpsc::Sender<(Bytes, CarFile)>,
    ) -> JoinHandle<Result<(), ExportError>> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let mut number = 0;
            store.export_cars(&root, CAR, |car| {
                let file = CarFile::new(number, &car);
                number += 1;
                let sent = sender.blocking_send((car.bytes.into(), file));
                sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
            })
        })
    }

    /// Whether every CAR of the manifest is there, with its size.
    pub(super) async fn look(&self, pin: &RemotePin) -> Result<Said, CallError> {
        let folder = self.of(&pin.cid);
        let Some(manifest) = self.manifest(&pin.cid).await? else {
            return Ok(said(There::Unknown, &folder));
        };
        let present = self.sizes(&folder).await?;
        let is_missing = |car: &&CarFile| present.get(&car.name) != Some(&car.bytes);
        let mut missing = manifest.cars.iter().filter(is_missing);
        let state = match missing.next() {
            None => There::Pinned,
            Some(first) => There::Failed(format!(
                "{} of {} CARs are not there as they were written, the first is {}",
                missing.count() + 1,
                manifest.cars.len(),
                first.name
            )),
        };
        Ok(said(state, &folder))
    }

    /// Removes a root, unless another node has written it meanwhile.
    pub(super) async fn unpin(&self, pin: &RemotePin) -> Result<(), CallError> {
        let folder = self.of(&pin.cid);
        match self.manifest(&pin.cid).await? {
            Some(manifest) if manifest.node != self.node => return Ok(()),
            Some(_) => self.delete(&folder, [MANIFEST.to_owned()]).await?,
            None => {}
        }
        let present = self.sizes(&folder).await?;
        self.delete(&folder, present.into_keys()).await
    }

    /// What is here, of this node and of others, the newest first.
    pub(in crate::remotes) async fn list(&self) -> Result<Vec<Manifest>, CallError> {
        let folders = self.objects.list_with_delimiter(Some(&self.folder)).await?;
        let roots = folders.common_prefixes.into_iter();
        // Something else may be in the bucket too.
        let roots = roots.filter_map(|folder| folder.filename()?.parse::<Cid>().ok());
        let roots = futures::stream::iter(roots);
        let found = roots.map(async |root| self.manifest(&root).await);
        let found: Vec<_> = found.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut found: Vec<Manifest> = found.into_iter().flatten().collect();
        found.sort_by_key(|manifest| std::cmp::Reverse(manifest.created));
        Ok(found)
    }

    /// Reads a root back into the store and pins it for `holder`, for those for whom it was.
    /// `None`: it is not here.
    pub(in crate::remotes) async fn restore(
        &self,
        root: &Cid,
        holder: Holder,
    ) -> Result<Option<Manifest>, CallError> {
        let Some(manifest) = self.manifest(root).await? else {
            return Ok(None);
        };
        let (sender, receiver) = mpsc::channel(1);
        let audience = match manifest.audience {
            RemoteAudience::Anyone => Audience::Anyone,
            RemoteAudience::Members => Audience::Members,
        };
        let importing = self.import(receiver, holder, audience);
        let folder = self.of(root);
        for car in &manifest.cars {
            let bytes = self.car(&folder, car).await;
            let is_broken = bytes.is_err();
            // An error ends the import; it says why.
            let given = bytes.map(io::Cursor::new).map_err(io::Error::other);
            if sender.send(given).await.is_err() || is_broken {
                break;
            }
        }
        drop(sender);
        let roots = importing.await.map_err(|_| CallError::Stopping)??;
        if roots == [*root] {
            Ok(Some(manifest))
        } else {
            Err(CallError::OtherRoots { root: *root })
        }
    }

    fn import(
        &self,
        mut receiver: mpsc::Receiver<io::Result<io::Cursor<Bytes>>>,
        holder: Holder,
        audience: Audience,
    ) -> JoinHandle<Result<Vec<Cid>, ImportError>> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let files = std::iter::from_fn(|| receiver.blocking_recv());
            store.import_cars(files, &holder, audience)
        })
    }

    async fn car(&self, folder: &Path, car: &CarFile) -> Result<Bytes, CallError> {
        let path = folder.clone().join(car.name.as_str());
        let bytes = self.objects.get(&path).await?.bytes().await?;
        if car.is(&bytes) {
            Ok(bytes)
        } else {
            Err(CallError::Damaged {
                name: path.to_string(),
            })
        }
    }

    async fn manifest(&self, root: &Cid) -> Result<Option<Manifest>, CallError> {
        let path = self.of(root).join(MANIFEST);
        let found = match self.objects.get(&path).await {
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            found => found?.bytes().await?,
        };
        Manifest::read(&found, root).map(Some)
    }

    /// Names and sizes in a folder.
    async fn sizes(&self, folder: &Path) -> Result<BTreeMap<String, u64>, CallError> {
        let objects = self.objects.list(Some(folder));
        let named = objects.map_ok(|object| {
            let name = object.location.filename().unwrap_or_default();
            (name.to_owned(), object.size)
        });
        Ok(named.try_collect().await?)
    }

    async fn delete(
        &self,
        folder: &Path,
        names: impl IntoIterator<Item = String>,
    ) -> Result<(), CallError> {
        for name in names {
            match self.objects.delete(&folder.clone().join(name)).await {
                Ok(()) | Err(ObjectError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn of(&self, root: &Cid) -> Path {
        self.folder.clone().join(root.to_string())
    }
}

fn said(state: There, folder: &Path) -> Said {
    Said {
        state,
        request: Some(folder.to_string()),
        delegates: Vec::new(),
    }
}

/// What an endpoint names.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    bucket: String,
    folder: Path,
}

impl Place {
    /// `https://host/bucket/folder/…`.
    fn of(endpoint: &str) -> Result<Self, ArchiveSettingsError> {
        let wrong = || {
            ArchiveSettingsError(format!(
                "its endpoint has no bucket: write it like https://s3.example.org/BUCKET, \
                 not {endpoint}"
            ))
        };
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (bucket, folder) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(wrong());
        }
        let folder = Path::parse(folder.trim_matches('/'));
        Ok(Self {
            host: format!("{scheme}://{host}"),
            bucket: bucket.to_owned(),
            folder: folder.map_err(|error| ArchiveSettingsError(error.to_string()))?,
        })
    }
}

fn keys(token: Option<&str>) -> Result<(&str, &str), ArchiveSettingsError> {
    let keys = token.and_then(|token| token.split_once(':'));
    keys.ok_or_else(|| {
        ArchiveSettingsError("its token is written ACCESS_KEY_ID:SECRET_ACCESS_KEY".to_owned())
    })
}

/// Whether an endpoint and a token name object storage.
///
/// # Errors
///
/// [`ArchiveSettingsError`], which says what is missing.
pub fn check_archive(endpoint: &str, token: Option<&str>) -> Result<(), ArchiveSettingsError> {
    Place::of(endpoint)?;
    keys(token).map(drop)
}
