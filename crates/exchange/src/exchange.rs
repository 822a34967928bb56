//! The handle.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cid::Cid;
use cidcast_runtime::{Shutdown, locked};
use cidcast_store::Store;
use libp2p::PeerId;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};

use crate::behaviour::Behaviour;
use crate::command::{ClaimId, Command, Notice};
use crate::link::NEW_LINKS;
use crate::metrics::Metrics;
use crate::report::PeerReport;
use crate::session::{Class, Session, SessionId, Shared};
use crate::settings::ExchangeSettings;
use crate::standing::{Members, Standing};
use crate::worker::{Ears, Worker};

/// Commands that wait for the worker. Callers wait beyond that; the worker takes them in batches,
/// so a few hundred keep it busy.
const COMMANDS: usize = 512;

/// A running exchange. Cheap to clone; it ends with the `Shutdown` it was started under.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    commands: mpsc::Sender<Command>,
    notices: mpsc::UnboundedSender<Notice>,
    members: watch::Sender<Arc<Members>>,
    reports: Arc<Mutex<Vec<PeerReport>>>,
    next: AtomicU64,
}

impl Exchange {
    /// Starts the worker on the current runtime; `shutdown` ends it. The behaviour has to be
    /// mounted into a swarm, or nobody is ever asked.
    pub fn start(
        store: Store,
        settings: ExchangeSettings,
        registry: &mut Registry,
        shutdown: &Shutdown,
    ) -> (Self, Behaviour) {
        let metrics = Metrics::register(registry);
        let (commands, commands_in) = mpsc::channel(COMMANDS);
        let (notices, notices_in) = mpsc::unbounded_channel();
        let (links, links_in) = mpsc::channel(NEW_LINKS);
        let (members, members_in) = watch::channel(Arc::default());
        let reports = Arc::default();
        let ears = Ears {
            commands: commands_in,
            notices: notices_in,
            links: links_in,
            members: members_in,
        };
        let worker = Worker::new(store.clone(), settings, metrics, Arc::clone(&reports));
        shutdown.spawn("exchange", worker.run(ears, shutdown.clone()));
        let inner = Inner {
            store,
            commands,
            notices,
            members,
            reports,
            next: AtomicU64::new(1),
        };
        let exchange = Self {
            inner: Arc::new(inner),
        };
        (exchange, Behaviour::new(links))
    }

    /// Something to fetch. Its blocks stay in the store until the last clone is dropped.
    pub fn session(&self, class: Class) -> Session {
        let id = SessionId(self.number());
        let shared = Shared::new(id, class, self.inner.store.in_flight());
        Session::new(self.clone(), shared)
    }

    /// Who may be given blocks whose audience is members, or writers, only. Replaces the whole set;
    /// who is not in it any more does not get what was already on its way to them in this process.
    pub fn set_members(&self, members: HashMap<PeerId, Standing>) {
        self.inner.members.send_replace(Arc::new(members));
    }

    /// Says that blocks came into the store by another way, or may be given to more peers than
    /// before: whoever waits for them, here or elsewhere, gets them.
    pub async fn announce_local(&self, cids: &[Cid]) {
        // In pieces, so that one command stays small.
        for cids in cids.chunks(1024) {
            self.tell(Command::Announce(cids.to_vec())).await;
        }
    }

    /// The connected peers; at most half a second old.
    pub fn peers(&self) -> Vec<PeerReport> {
        locked(&self.inner.reports).clone()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn next_claim(&self) -> ClaimId {
        ClaimId(self.number())
    }

    /// Whether the worker will see the command.
    pub(crate) async fn tell(&self, command: Command) -> bool {
        self.inner.commands.send(command).await.is_ok()
    }

    /// A worker that has ended has nothing to be told.
    pub(crate) fn notice(&self, notice: Notice) {
        let _ = self.inner.notices.send(notice);
    }

    fn number(&self) -> u64 {
        self.inner.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
