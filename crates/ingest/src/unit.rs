//! One unit of encoding work, and the lock that keeps two assets from doing it twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cidcast_media::plan::PlanKey;
use cidcast_types::Cid;
use tokio::sync::OwnedMutexGuard;

type Key = (Cid, PlanKey, String);
type Lock = tokio::sync::Mutex<()>;

/// Locks of units that somebody works on. Two assets with the same source and plan share their
/// units: the second waits for the first, then finds the unit finished.
#[derive(Default)]
pub(crate) struct UnitLocks(Mutex<HashMap<Key, Weak<Lock>>>);

impl UnitLocks {
    /// Waits for the unit. The wait is bounded by the encoder's own stall deadline, and ends when
    /// the caller is dropped.
    pub(crate) async fn lock(
        &self,
        source: &Cid,
        plan: &PlanKey,
        unit: &str,
    ) -> OwnedMutexGuard<()> {
        let lock = self.entry((*source, *plan, unit.to_owned()));
        lock.lock_owned().await
    }

    fn entry(&self, key: Key) -> Arc<Lock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(Lock::default());
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}
