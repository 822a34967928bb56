//! How many requests there may be at a time, with one peer and with all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use tokio::sync::Notify;

/// A bounded number of places. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_peer: usize,
    taken: Mutex<Taken>,
    /// Told when a place becomes free.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<PeerId, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    peer: PeerId,
}

impl Places {
    pub(super) fn new(most: usize, most_per_peer: usize) -> Self {
        Self(Arc::new(Inner {
            most: most.max(1),
            most_per_peer: most_per_peer.max(1),
            taken: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// A place for `peer`, if there is one now.
    pub(super) fn try_take(&self, peer: PeerId) -> Option<Place> {
        let mut taken = self.lock();
        if taken.all >= self.0.most {
            return None;
        }
        let of_peer = taken.by_peer.entry(peer).or_default();
        if *of_peer >= self.0.most_per_peer {
            return None;
        }
        *of_peer += 1;
        taken.all += 1;
        Some(Place {
            places: self.clone(),
            peer,
        })
    }

    /// A place for `peer`, as soon as there is one. May be dropped.
    pub(super) async fn take(&self, peer: PeerId) -> Place {
        loop {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            // Before looking, so that nothing is missed in between.
            freed.as_mut().enable();
            if let Some(place) = self.try_take(peer) {
                return place;
            }
            freed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing that runs under the lock can leave it half done.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_peer) = taken.by_peer.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
            if *of_peer == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
        drop(taken);
        // All: who is first may be waiting for another peer's place.
        self.places.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn places_are_bounded_for_each_peer_and_for_all() {
        let places = Places::new(3, 2);
        let (one, two) = (PeerId::random(), PeerId::random());
        let (first, _second) = (places.try_take(one).unwrap(), places.try_take(one).unwrap());
        assert!(places.try_take(one).is_none(), "has its share");
        let _third = places.try_take(two).unwrap();
        assert!(places.try_take(two).is_none(), "there are no more");

        let mut waiting = Box::pin(places.take(two));
        assert!((&mut waiting).now_or_never().is_none());
        drop(first);
        waiting.await;
        assert_eq!(places.lock().by_peer.len(), 2);
    }
}
