//! Which cluster.

use std::fmt;
use std::str::FromStr;

use cid::Cid;

use crate::field;

/// A cluster: the CID of the first entry of its founder's log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(Cid);

/// Not the name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cluster: `cidcast cluster status` shows its id, a CID that begins bafy")]
pub struct ParseClusterIdError(String);

impl ClusterId {
    /// The cluster that this entry founded: CIDv1, DAG-CBOR, SHA2-256.
    pub fn new(genesis: Cid) -> Option<Self> {
        field::link("cluster", &genesis).ok()?;
        Some(Self(genesis))
    }

    /// The CID of the entry that founded it.
    pub fn cid(&self) -> Cid {
        self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl FromStr for ClusterId {
    type Err = ParseClusterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.parse().ok().and_then(Self::new);
        parsed.ok_or_else(|| ParseClusterIdError(text.chars().take(128).collect()))
    }
}
