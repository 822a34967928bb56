//! Remote services that keep pins for this node.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

/// Pins kept by others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pinning {
    /// The services; none: nothing is pinned elsewhere.
    pub(crate) services: Vec<RemoteService>,
}

/// A service that keeps pins for this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteService {
    /// How it is called on the command line and in metrics.
    pub(crate) name: String,
    /// Base URL of its API.
    pub(crate) endpoint: String,
    /// What it speaks.
    #[serde(default)]
    pub(crate) kind: ServiceKind,
    /// Bearer token, `user:password` of an IPFS Cluster, or id and key of object storage.
    #[serde(default)]
    pub(crate) token: Option<Secret>,
    /// A file with it, instead.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// Of object storage that has regions.
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// Assets that are pinned there without anybody asking.
    #[serde(default)]
    pub(crate) assets: ServiceAssets,
}

/// What a service speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServiceKind {
    /// The IPFS Pinning Service API.
    #[default]
    Psa,
    /// The REST API of IPFS Cluster.
    IpfsCluster,
    /// Object storage with the API of S3.
    S3,
}

/// Assets that are pinned at a service without anybody asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServiceAssets {
    /// None.
    #[default]
    None,
    /// Public ones.
    Public,
    /// Public and unlisted ones.
    Shared,
    /// Every one.
    All,
}

/// A text that is not shown again: neither by `cidcast config show` nor in a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

/// What is shown in its place.
const HIDDEN: &str = "(hidden)";

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl RemoteService {
    /// The token, from wherever it is.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn secret(&self) -> std::io::Result<Option<String>> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => Ok(Some(token.0.clone())),
            (None, Some(file)) => Ok(Some(std::fs::read_to_string(file)?.trim().to_owned())),
            (None, None) => Ok(None),
        }
    }
}
