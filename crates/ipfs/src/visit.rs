//! What viewers read of other people's content.
//!
//! A *visit* is a session for one root, kept for a while after its last read, because a player
//! asks for a directory again with every segment. What it brought is held in the store, not
//! pinned, and deleted after the visit.
//!
//! What came over the network from strangers is open to anyone: they gave it to this node, which
//! is nothing special to them. What a cluster member gave may be private. So a visit that a member
//! contributed to is for trusted callers only.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cid::Cid;
use cid::multihash::Multihash;
use cidcast_exchange::PeerId;
use cidcast_runtime::locked;
use tokio::time::Instant;

use crate::sources::Fed;

/// A visit ends this long after its last read: longer than a viewer's pause between segments, as a
/// rule, and short enough that disk space comes back.
const IDLE: Duration = Duration::from_secs(600);
/// Visits at a time. One costs a task and a few KiB.
const MAX_VISITS: usize = 512;
/// How often visits that are over are looked for.
const TIDY: Duration = Duration::from_secs(30);

type Key = Multihash<64>;

/// All visits of a node. Clones are the same.
#[derive(Clone)]
pub(crate) struct Visits {
    table: Arc<Mutex<Table>>,
    max_bytes: u64,
}

#[derive(Default)]
struct Table {
    visits: HashMap<Cid, Arc<Visit>>,
    members: HashSet<PeerId>,
}

/// One root that is being read.
pub(crate) struct Visit {
    fed: Fed,
    /// Blocks that came over the network, not from this node's own store.
    brought: Mutex<HashSet<Key>>,
    last: Mutex<Instant>,
    order: AtomicU64,
}

impl Visits {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            table: Arc::default(),
            max_bytes,
        }
    }

    /// The visit to `root`; `begin` makes its session if it is the first read in a while.
    pub(crate) fn of(&self, root: Cid, begin: impl FnOnce() -> Fed) -> Arc<Visit> {
        let now = Instant::now();
        let mut table = locked(&self.table);
        if let Some(visit) = table.visits.get(&root) {
            *locked(&visit.last) = now;
            return Arc::clone(visit);
        }
        table.make_room(MAX_VISITS - 1, u64::MAX);
        let visit = Arc::new(Visit {
            fed: begin(),
            brought: Mutex::default(),
            last: Mutex::new(now),
            order: AtomicU64::new(0),
        });
        table.visits.insert(root, Arc::clone(&visit));
        visit
    }

    /// Whose contributions are not for strangers.
    pub(crate) fn set_members(&self, members: HashSet<PeerId>) {
        locked(&self.table).members = members;
    }

    /// Whether a visit brought this block, and only strangers gave to that visit. `own` is looked
    /// at also when it is not kept any more.
    pub(crate) fn is_strangers(&self, cid: &Cid, own: Option<&Visit>) -> bool {
        let table = locked(&self.table);
        let visits = table.visits.values().map(|visit| &**visit).chain(own);
        let mut brought = visits.filter(|visit| visit.brought(cid));
        brought.any(|visit| {
            let from = visit.fed.session().progress().from;
            !from.iter().any(|(peer, _)| table.members.contains(peer))
        })
    }

    /// Ends visits that are over, for as long as it is polled.
    pub(crate) async fn keep_tidy(&self) {
        loop {
            tokio::time::sleep(TIDY).await;
            self.tidy(Instant::now());
        }
    }

    pub(crate) fn end_all(&self) {
        locked(&self.table).visits.clear();
    }

    fn tidy(&self, now: Instant) {
        let mut table = locked(&self.table);
        table
            .visits
            .retain(|_, visit| now.duration_since(*locked(&visit.last)) < IDLE);
        table.make_room(MAX_VISITS, self.max_bytes);
    }
}

impl Table {
    /// Ends the visits that were not read for longest until few enough are left.
    fn make_room(&mut self, max_visits: usize, max_bytes: u64) {
        let bytes = |visit: &Visit| visit.fed.session().progress().bytes;
        let mut held: u64 = match max_bytes {
            u64::MAX => 0,
            _ => self.visits.values().map(|visit| bytes(visit)).sum(),
        };
        while self.visits.len() > max_visits || held > max_bytes {
            let oldest = (self.visits.iter()).min_by_key(|(_, visit)| *locked(&visit.last));
            let Some((root, visit)) = oldest else {
                return;
            };
            held = held.saturating_sub(bytes(visit));
            let root = *root;
            self.visits.remove(&root);
        }
    }
}

impl Visit {
    pub(crate) fn fed(&self) -> &Fed {
        &self.fed
    }

    /// Places in order of need are given out in the order in which blocks are asked for.
    pub(crate) fn next_order(&self) -> u64 {
        *locked(&self.last) = Instant::now();
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a block came over the network.
    pub(crate) fn note_brought(&self, cid: &Cid) {
        locked(&self.brought).insert(*cid.hash());
    }

    fn brought(&self, cid: &Cid) -> bool {
        locked(&self.brought).contains(cid.hash())
    }
}
