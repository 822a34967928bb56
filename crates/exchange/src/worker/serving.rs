//! From wants of peers to answers.
//!
//! The audience rule is here, next to the disk: what is pinned for anyone goes to everyone,
//! what is pinned for members to members, what is pinned for writers, and what is not pinned at
//! all, to writers only.

use std::sync::Arc;

use cid::Cid;
use cidcast_store::Store;
use libp2p::PeerId;

use super::Worker;
use crate::message::Ask;
use crate::server::{Found, Item, Job};
use crate::standing::{Members, Reach};

/// A block of at most so many bytes is sent instead of saying that it is here, as Kubo does: it is
/// hardly more, and saves a round trip.
const TINY: u64 = 1024;

/// A job with what was found for it.
pub(super) struct LookedUp {
    peer: PeerId,
    found: Vec<(Item, Found)>,
}

impl Worker {
    pub(super) fn start_readers(&mut self) {
        while self.readers.len() < self.settings.readers
            && let Some(job) = self.server.next_job()
        {
            let store = self.store.clone();
            let room = self.settings.message_bytes;
            let read = move || look_up(&store, job, room);
            self.readers.push(tokio::task::spawn_blocking(read));
        }
    }

    /// A thread is done.
    pub(super) fn looked_up(&mut self, looked_up: LookedUp) {
        let LookedUp { peer, found } = looked_up;
        if let Some(answer) = self.server.looked_up(peer, found) {
            if let Some(links) = self.peers.get_mut(&peer) {
                links.answers.push_back(answer);
            } else {
                self.server.handed(peer);
            }
        }
    }

    /// Members are others from now on. Who may have less than before loses what waits for it here.
    pub(super) fn set_members(&mut self, members: Arc<Members>) {
        for (peer, allowed) in self.server.set_members(members) {
            let Some(links) = self.peers.get_mut(&peer) else {
                continue;
            };
            links.revoke();
            let before = links.answers.len();
            links.answers.retain(|answer| answer.reach <= allowed);
            for _ in links.answers.len()..before {
                self.server.handed(peer);
            }
        }
    }
}

/// On a thread that may block.
fn look_up(store: &Store, job: Job, room: usize) -> LookedUp {
    let Job {
        peer,
        allowed,
        items,
    } = job;
    let mut bytes = 0;
    let found = items.into_iter().map(|item| {
        if bytes >= room {
            return (item, Found::Later);
        }
        let found = match reach(store, &item.cid) {
            Some(reach) if reach > allowed => Found::Absent,
            Some(reach) => find(store, &item, reach),
            None => Found::Absent,
        };
        if let Found::Block(data, _) = &found {
            bytes += data.len();
        }
        (item, found)
    });
    let found = found.collect();
    LookedUp { peer, found }
}

/// Who may have a block; nobody, if that cannot be found out.
fn reach(store: &Store, cid: &Cid) -> Option<Reach> {
    match store.audience(cid) {
        Ok(audience) => Some(Reach::of(audience)),
        Err(error) => {
            tracing::debug!(%cid, %error, "cannot tell who may have a block");
            None
        }
    }
}

fn find(store: &Store, item: &Item, reach: Reach) -> Found {
    let is_small = |size: u64| size <= TINY;
    match item.ask {
        Ask::Have => match store.size(&item.cid) {
            Ok(size) if is_small(size) => read(store, &item.cid, reach),
            Ok(_) => Found::Here(reach),
            Err(_) => Found::Absent,
        },
        Ask::Block | Ask::Cancel => read(store, &item.cid, reach),
    }
}

fn read(store: &Store, cid: &Cid, reach: Reach) -> Found {
    match store.get(cid) {
        Ok(data) => Found::Block(data, reach),
        Err(_) => Found::Absent,
    }
}
