//! Taking provider records out of the DHT's own store.
//!
//! rust-ipfs can begin to provide a key and offers no way to stop. Its callback for swarm events
//! gets the swarm itself, so keys wait here until the next event and are withdrawn then; a look-up
//! is begun so that there is one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rust_ipfs::{Ipfs, RecordKey};
use tokio::time::timeout;

/// How long the look-up may take whose end is the event.
const LOOKUP: Duration = Duration::from_secs(30);

/// Keys that are to be withdrawn. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Withdrawals {
    keys: Arc<Mutex<Vec<RecordKey>>>,
    /// How many there are, so that looking costs nothing when there are none.
    count: Arc<AtomicUsize>,
}

impl Withdrawals {
    /// Withdraws `keys` (multihashes); they are gone when this returns, unless the swarm is.
    pub(crate) async fn apply(&self, ipfs: &Ipfs, keys: Vec<Vec<u8>>) {
        self.put(keys);
        let own = ipfs.keypair().public().to_peer_id();
        // What it finds does not matter: even in an empty DHT it ends, with an event.
        let _ = timeout(LOOKUP, ipfs.get_closest_peers(own)).await;
    }

    /// What waits. Called at every event.
    pub(super) fn take(&self) -> Vec<RecordKey> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut waiting = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.store(0, Ordering::Release);
        std::mem::take(&mut *waiting)
    }

    fn put(&self, keys: Vec<Vec<u8>>) {
        let mut waiting = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(keys.into_iter().map(RecordKey::from));
        self.count.store(waiting.len(), Ordering::Release);
    }
}
