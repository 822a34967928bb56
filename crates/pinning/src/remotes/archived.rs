//! What object storage has, and how it comes back: also onto a node that knows nothing of it.

use cidcast_store::Holder;
use cidcast_types::{Cid, Timestamp};

use super::service::{Archive, Manifest};
use super::{RemoteError, Remotes};

/// A root in object storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The root.
    pub cid: Cid,
    /// What it was called when it was pinned there.
    pub name: String,
    /// Bytes of its CARs.
    pub bytes: u64,
    /// How many they are.
    pub cars: usize,
    /// Peer id of the node that pinned it there.
    pub node: String,
    /// When.
    pub created: Timestamp,
}

impl Remotes {
    /// What a service of object storage has, of this node and of others, the newest first.
    ///
    /// # Errors
    ///
    /// [`RemoteError`].
    pub async fn archived(&self, service: &str) -> Result<Vec<Archived>, RemoteError> {
        let found = self.archive(service)?.list().await?;
        Ok(found.into_iter().map(Archived::from).collect())
    }

    /// Reads a root back from object storage, checks every block, and pins it for `holder`.
    ///
    /// # Errors
    ///
    /// [`RemoteError`]; nothing is pinned.
    pub async fn restore(
        &self,
        service: &str,
        cid: Cid,
        holder: Holder,
    ) -> Result<Archived, RemoteError> {
        let restored = self.archive(service)?.restore(&cid, holder).await?;
        restored
            .map(Archived::from)
            .ok_or_else(|| RemoteError::NotArchived {
                service: service.to_owned(),
                cid,
            })
    }

    fn archive(&self, service: &str) -> Result<&Archive, RemoteError> {
        let archive = self.inner.service(service)?.archive();
        archive.ok_or_else(|| RemoteError::NoArchive(service.to_owned()))
    }
}

impl From<Manifest> for Archived {
    fn from(manifest: Manifest) -> Self {
        Self {
            cid: manifest.root,
            name: manifest.name,
            bytes: manifest.cars.iter().map(|car| car.bytes).sum(),
            cars: manifest.cars.len(),
            node: manifest.node,
            created: manifest.created,
        }
    }
}
