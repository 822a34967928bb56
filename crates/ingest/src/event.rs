//! What changed, told to whoever listens.

use cidcast_types::AssetId;
use tokio::sync::broadcast;

/// Events a slow listener may fall behind before it misses some; it is told that it did.
const BACKLOG: usize = 1024;

/// Something about an asset changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Which asset.
    pub asset: AssetId,
    /// What kind of change.
    pub kind: EventKind,
}

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The asset's row has news: state, progress, metadata.
    Changed,
    /// The asset is gone.
    Deleted,
}

/// The sending side.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    pub(crate) fn changed(&self, asset: AssetId) {
        // No listener is not an error.
        let _ = self.0.send(Event {
            asset,
            kind: EventKind::Changed,
        });
    }

    pub(crate) fn deleted(&self, asset: AssetId) {
        let _ = self.0.send(Event {
            asset,
            kind: EventKind::Deleted,
        });
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
