//! What an entry of a member's log does.

use cid::Cid;

use super::member::MemberSettings;
use super::nonce::Nonce;
use super::pin::PinSpec;
use crate::field::{self, Checked};
use crate::public_key::NodeId;

/// Longest name of a cluster, in characters.
const MAX_NAME: usize = 64;
/// Longest root that is pinned, in bytes of its CID.
const MAX_ROOT: usize = 96;
/// Longest address of a service, in characters.
const MAX_SERVICE: usize = 255;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterOp {
    /// Makes a cluster, whose first writer is the author. Stands first in the first entry of its
    /// founder's log, and nowhere else.
    Found {
        /// For people: up to 64 characters.
        name: String,
    },
    /// Takes a node in.
    Admit {
        /// Who.
        member: NodeId,
        /// As what.
        settings: MemberSettings,
        /// The invitation that this uses up.
        invitation: Nonce,
    },
    /// Sets a member anew.
    Settle {
        /// Which.
        member: NodeId,
        /// How.
        settings: MemberSettings,
    },
    /// Puts a member out.
    Remove {
        /// Whom.
        member: NodeId,
        /// Number of the last entry of its log that counts; `None`: not one. What it says after
        /// that is void for everyone, whatever time it claims.
        last: Option<u64>,
    },
    /// Keeps a root.
    Pin {
        /// Which.
        root: Cid,
        /// How.
        spec: Box<PinSpec>,
    },
    /// Lets go of a root.
    Unpin {
        /// Which.
        root: Cid,
    },
    /// Says that a service outside the cluster keeps a root, or no longer does.
    Elsewhere {
        /// Which root.
        root: Cid,
        /// Which service: its address.
        service: String,
        /// Whether it does.
        kept: bool,
    },
    /// Of a kind that a later version has: it is kept and passed on, and does nothing here.
    Unknown {
        /// Its name.
        kind: String,
    },
}

impl ClusterOp {
    pub(super) fn check(&self) -> Checked {
        match self {
            Self::Found { name } => field::text("name", name, MAX_NAME),
            Self::Admit { settings, .. } | Self::Settle { settings, .. } => settings.check(),
            Self::Remove { last, .. } => field::integer("last", last.unwrap_or(0)),
            Self::Pin { root, spec } => {
                check_root(root)?;
                spec.check()
            }
            Self::Unpin { root } => check_root(root),
            Self::Elsewhere { root, service, .. } => {
                check_root(root)?;
                field::not_empty("service", service)?;
                field::text("service", service, MAX_SERVICE)
            }
            Self::Unknown { kind } => field::kind_name(kind),
        }
    }
}

fn check_root(root: &Cid) -> Checked {
    let holds = root.to_bytes().len() <= MAX_ROOT;
    field::expect("root", "a CID of at most 96 bytes", holds)
}
