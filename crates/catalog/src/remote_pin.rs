//! Pins of this node at remote pinning services, as values.

use cidcast_types::{AssetId, Cid, PinState, Timestamp};

use crate::spelled::spelled;

spelled! {
    /// Who may have the blocks of a remote pin, as the service is told.
    pub enum RemoteAudience as "anyone or members" {
        /// Anyone.
        Anyone = "anyone",
        /// Members of the cluster that both nodes are in.
        Members = "members",
    }
}

/// A pin that should be at a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRemote {
    /// The service's name in the settings.
    pub service: String,
    /// The root of the DAG.
    pub cid: Cid,
    /// What it is called there.
    pub name: String,
    /// Who may have the blocks.
    pub audience: RemoteAudience,
    /// The asset that it is for; `None`: a person asked for it.
    pub asset: Option<AssetId>,
}

/// A pin at a service, or on its way there or away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePin {
    /// Never used twice.
    pub id: i64,
    /// The service's name in the settings.
    pub service: String,
    /// The root of the DAG.
    pub cid: Cid,
    /// What it is called there.
    pub name: String,
    /// Who may have the blocks.
    pub audience: RemoteAudience,
    /// The asset that it is for.
    pub asset: Option<AssetId>,
    /// Where it stands.
    pub state: PinState,
    /// What the service calls it.
    pub request: Option<String>,
    /// What went wrong the last time.
    pub error: Option<String>,
    /// How often in a row.
    pub failures: u32,
    /// When the service was asked for it.
    pub since: Timestamp,
    /// When the service is asked next; `None`: not by itself.
    pub next_at: Option<Timestamp>,
}

/// What became of a remote pin when its service was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteNote {
    /// Where it stands now.
    pub state: PinState,
    /// What the service calls it.
    pub request: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// How often in a row.
    pub failures: u32,
    /// When the service was asked for it.
    pub since: Timestamp,
    /// When it is asked next.
    pub next_at: Option<Timestamp>,
}

/// A copy at a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteReplica {
    /// The service.
    pub service: String,
    /// The root.
    pub cid: Cid,
    /// [`PinState::Pinned`], or [`PinState::Error`] where the service knew it before.
    pub state: PinState,
}

/// How many remote pins a service has in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCount {
    /// The service.
    pub service: String,
    /// The state.
    pub state: PinState,
    /// How many.
    pub pins: u64,
}
