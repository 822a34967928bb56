//! One remote service: what is said to it and what it answers, in its language.
//!
//! Every call is one request with a deadline and a bound on the answer; no redirect is followed.

mod archive;
mod ipfs_cluster;
mod psa;

use std::time::Duration;

use cidcast_catalog::RemotePin;
use cidcast_ipfs::http::{Answer, Call, HttpClient, HttpError, Method, StatusCode};
use cidcast_store::{ExportError, ImportError};
use cidcast_types::{Cid, PinState};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

pub(super) use archive::{Archive, Manifest};
pub use archive::{ArchiveSettingsError, check_archive};

/// A service has a second or two of work at most: pinning itself goes on behind its answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// A page of pins with names, origins and metadata.
const LIMIT: usize = 1 << 20;

/// Which language a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The IPFS Pinning Service API.
    Psa,
    /// The REST API of IPFS Cluster.
    IpfsCluster,
    /// Object storage with the API of S3.
    S3,
}

/// Which assets are pinned at a service without anybody asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assets {
    /// None.
    None,
    /// Those that are public.
    Public,
    /// Those that are public or unlisted.
    Shared,
    /// Every asset.
    All,
}

/// A service, as the settings name it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// How people call it.
    pub name: String,
    /// Where it is, without a slash at the end.
    pub endpoint: String,
    /// What it speaks.
    pub language: Language,
    /// The header `Authorization`, if it wants one; of object storage the key's id and the key,
    /// with a colon in between.
    pub authorization: Option<String>,
    /// Of object storage that has regions.
    pub region: Option<String>,
    /// Of an IPFS Cluster: how many copies it is to keep, at least and at most; what it keeps
    /// otherwise unless given.
    pub copies: Option<(u16, u16)>,
    /// What is pinned there without anybody asking.
    pub assets: Assets,
}

/// What a service says of a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) state: There,
    /// What the service calls it.
    pub(super) request: Option<String>,
    /// Peers of the service, which may be connected to.
    pub(super) delegates: Vec<String>,
}

/// Where a pin stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum There {
    /// Accepted, not complete.
    OnItsWay,
    /// Complete.
    Pinned,
    /// The service gave up, and why.
    Failed(String),
    /// The service does not know it.
    Unknown,
}

/// Why a service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was not reached, or its answer was no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It refuses.
    #[error("the service answers {status}: {detail}")]
    Refused {
        /// With what.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
    /// It says something else than its API has.
    #[error("the answer of the service is not that of its API; check the endpoint: {0}")]
    Language(#[from] serde_json::Error),
    /// Object storage fails or refuses.
    #[error("the object storage does not do it; check endpoint, bucket, region and token: {0}")]
    Objects(#[from] object_store::Error),
    /// A root cannot be written to object storage.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A root cannot be read back.
    #[error("{0}; pin it there anew from a node that has it")]
    Import(#[from] ImportError),
    /// An object is not what was written.
    #[error("{name} is not what was written there")]
    Damaged {
        /// Which.
        name: String,
    },
    /// A manifest is none.
    #[error("the manifest of {root} in the object storage cannot be read: {why}")]
    Manifest {
        /// Whose.
        root: Cid,
        /// Why not.
        why: String,
    },
    /// CARs are those of something else.
    #[error("what the object storage has as {root} is something else")]
    OtherRoots {
        /// As what.
        root: Cid,
    },
    /// The node is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
}

/// A service that can be asked.
pub(super) struct Service {
    pub(super) settings: ServiceSettings,
    pub(super) http: HttpClient,
    /// This node's peer id: by it, pins that this node made are found again.
    pub(super) node: String,
    /// Rows of this service have changed.
    pub(super) news: Notify,
    pub(super) voice: Voice,
}

/// How a service is spoken to: [`Language`], with what it takes.
pub(super) enum Voice {
    Psa,
    IpfsCluster,
    S3(Box<Archive>),
}

impl Service {
    /// Asks for a pin, unless the service has it already.
    pub(super) async fn pin(&self, pin: &RemotePin, origins: &[String]) -> Result<Said, CallError> {
        match &self.voice {
            Voice::Psa => psa::pin(self, pin, origins).await,
            Voice::IpfsCluster => ipfs_cluster::pin(self, pin, origins).await,
            Voice::S3(archive) => archive.pin(pin).await,
        }
    }

    /// Asks where a pin stands.
    pub(super) async fn look(&self, pin: &RemotePin) -> Result<Said, CallError> {
        match &self.voice {
            Voice::Psa => psa::look(self, pin).await,
            Voice::IpfsCluster => ipfs_cluster::look(self, pin).await,
            Voice::S3(archive) => archive.look(pin).await,
        }
    }

    /// Gives a pin up. One that the service does not know is no error.
    pub(super) async fn unpin(&self, pin: &RemotePin) -> Result<(), CallError> {
        match &self.voice {
            Voice::Psa => psa::unpin(self, pin).await,
            Voice::IpfsCluster => ipfs_cluster::unpin(self, pin).await,
            Voice::S3(archive) => archive.unpin(pin).await,
        }
    }

    /// The object storage, if it is one.
    pub(super) fn archive(&self) -> Option<&Archive> {
        match &self.voice {
            Voice::S3(archive) => Some(archive),
            Voice::Psa | Voice::IpfsCluster => None,
        }
    }

    /// One request to a path below the endpoint.
    async fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let call = Call {
            method,
            url: &format!("{}{path}", self.settings.endpoint),
            authorization: self.settings.authorization.as_deref(),
            json,
            limit: LIMIT,
            deadline: DEADLINE,
        };
        Ok(self.http.call(call).await?)
    }
}

/// A peer of an IPFS Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPeer {
    /// Its peer id in the cluster.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it runs.
    pub version: String,
    /// Why it does not answer.
    pub error: Option<String>,
}

/// A root at a peer of an IPFS Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterCopy {
    /// Its peer id in the cluster.
    pub peer: String,
    /// Where the root stands there.
    pub state: PinState,
    /// What went wrong.
    pub error: Option<String>,
}

impl Service {
    /// The peers of an IPFS Cluster; `None`: it is none.
    pub(super) async fn peers(&self) -> Result<Option<Vec<ClusterPeer>>, CallError> {
        match &self.voice {
            Voice::IpfsCluster => ipfs_cluster::peers(self).await.map(Some),
            Voice::Psa | Voice::S3(_) => Ok(None),
        }
    }

    /// Where a root stands at the peers of an IPFS Cluster that keep it; nowhere else.
    pub(super) async fn copies(&self, cid: &Cid) -> Result<Vec<ClusterCopy>, CallError> {
        match &self.voice {
            Voice::IpfsCluster => ipfs_cluster::copies(self, cid).await,
            Voice::Psa | Voice::S3(_) => Ok(Vec::new()),
        }
    }
}

/// The document of an answer that is none of refusal; `None`: there is no such thing there.
fn document<T: DeserializeOwned>(answer: &Answer) -> Result<Option<T>, CallError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => Ok(Some(serde_json::from_slice(&answer.body)?)),
        _ => Err(refused(answer)),
    }
}

/// Whether something was done; a service that does not know it has nothing to do.
fn done(answer: &Answer) -> Result<(), CallError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(()),
        status if status.is_success() => Ok(()),
        _ => Err(refused(answer)),
    }
}

/// The most of a refusal that is kept.
const REFUSAL: usize = 500;

fn refused(answer: &Answer) -> CallError {
    let text = String::from_utf8_lossy(&answer.body);
    CallError::Refused {
        status: answer.status,
        detail: text.chars().take(REFUSAL).collect(),
    }
}

/// A value in a query.
fn quoted(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl std::fmt::Debug for ServiceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSettings")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("language", &self.language)
            .field("assets", &self.assets)
            .finish_non_exhaustive()
    }
}
