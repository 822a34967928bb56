//! A seat in a cluster: a machine, what surrounds it, and the tasks that keep it going.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterId, Entry, EntryDraft, PinAudience, Role};
use cidcast_catalog::MAX_CLUSTER_ENTRIES;
use cidcast_ipfs::Standing;
use cidcast_runtime::{DrainTimeout, Shutdown, locked};
use cidcast_store::{Audience, Holder, PinScope};
use cidcast_types::Timestamp;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::ask::{self, AskError};
use super::{ClusterError, ClusterParts, ClusterSettings, HOLDER};
use crate::event::{Action, Event};
use crate::machine::{CommandError, Copy, Machine, Restored};
use crate::wire::{Request, Response};

/// Challenges that this member works on at a time.
const CHALLENGES: usize = 2;
/// Repairs at a time.
const REPAIRS: usize = 1;

/// A seat in a cluster.
pub(super) struct Seat {
    pub(super) parts: Arc<ClusterParts>,
    pub(super) settings: ClusterSettings,
    pub(super) me: NodeId,
    pub(super) holder: Holder,
    machine: Mutex<Machine>,
    cluster: ClusterId,
    /// Time is the clock's at the start and runs evenly from there: a clock that is set back makes
    /// nobody look alive.
    started: (Timestamp, Instant),
    /// What the machine wants done, in order. Bounded by what there is: one action for each root,
    /// member and entry at most.
    actions: mpsc::UnboundedSender<Action>,
    /// The machine has heard something: it may want to wake earlier.
    pub(super) news: Notify,
    pub(super) wishes: Notify,
    pub(super) checks: Notify,
    pub(super) space: Notify,
    /// Held by whoever adds to the own log.
    signing: tokio::sync::Mutex<()>,
    pub(super) addresses: Mutex<BTreeMap<NodeId, Vec<String>>>,
    members: Mutex<Vec<(NodeId, Role)>>,
    pub(super) last_beat: Mutex<Option<Bytes>>,
    /// To whom a heartbeat is on its way.
    pub(super) beating: Mutex<BTreeSet<NodeId>>,
    /// When somebody was last asked where the others are.
    pub(super) searched: Mutex<Option<Instant>>,
    /// What the pinner works on for the cluster.
    pub(super) under_way: Mutex<BTreeSet<Cid>>,
    /// What is being repaired.
    pub(super) repairing: Mutex<BTreeSet<Cid>>,
    pub(super) challenges: Semaphore,
    pub(super) repairs: Semaphore,
    pub(super) tasks: Shutdown,
}

impl Seat {
    /// Takes up the seat that the catalog knows of.
    pub(super) async fn start(
        parts: Arc<ClusterParts>,
        settings: ClusterSettings,
        shutdown: &Shutdown,
    ) -> Result<Arc<Self>, ClusterError> {
        let holder: Holder = HOLDER.parse()?;
        let catalog = &parts.catalog;
        let row = catalog.cluster().await?;
        let cluster = row.ok_or(ClusterError::NotInCluster)?.cluster;
        let now = parts.clock.now();
        let boot = catalog.boot_member(now).await?;
        let entries = all_entries(&parts).await?;
        let held = held(&parts, holder.clone()).await?;
        let addresses = catalog.member_addresses().await?.into_iter().collect();
        let me = parts.key.node();
        let restored = Restored { entries, held };
        let machine = settings.machine.clone();
        let machine = Machine::new(me, cluster, machine, boot, restored, now);
        let (actions, wanted) = mpsc::unbounded_channel();
        let seat = Arc::new(Self {
            me,
            holder,
            machine: Mutex::new(machine),
            cluster,
            started: (now, Instant::now()),
            actions,
            news: Notify::new(),
            wishes: Notify::new(),
            checks: Notify::new(),
            space: Notify::new(),
            signing: tokio::sync::Mutex::new(()),
            addresses: Mutex::new(addresses),
            members: Mutex::default(),
            last_beat: Mutex::new(None),
            beating: Mutex::default(),
            searched: Mutex::new(None),
            under_way: Mutex::default(),
            repairing: Mutex::default(),
            challenges: Semaphore::new(CHALLENGES),
            repairs: Semaphore::new(REPAIRS),
            tasks: shutdown.child(),
            settings,
            parts,
        });
        seat.spawn_all(wanted)?;
        Ok(seat)
    }

    fn spawn_all(
        self: &Arc<Self>,
        wanted: mpsc::UnboundedReceiver<Action>,
    ) -> Result<(), ClusterError> {
        let requests = self.parts.swarm.cluster_requests();
        let inbound = requests.serve().ok_or(ClusterError::InCluster)?;
        self.keep(
            "cluster clock",
            |seat| async move { seat.keep_time().await },
        );
        self.keep("cluster actions", |seat| async move {
            seat.keep_performing(wanted).await;
        });
        self.keep("cluster requests", |seat| async move {
            seat.keep_answering(inbound).await;
        });
        self.keep("cluster pins", |seat| async move {
            seat.keep_watching().await;
        });
        self.keep("cluster wishes", |seat| async move {
            seat.keep_wishing().await;
        });
        self.keep("cluster checks", |seat| async move {
            seat.keep_checking().await;
        });
        Ok(())
    }

    /// Runs something until the seat ends.
    pub(super) fn keep<F>(self: &Arc<Self>, name: &'static str, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work = work(Arc::clone(self));
        let token = self.tasks.token().clone();
        self.tasks.spawn(name, async move {
            token.run_until_cancelled_owned(work).await;
        });
    }

    /// Ends everything.
    pub(super) async fn end(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.tasks.drain(deadline).await
    }

    pub(super) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The machine's time.
    pub(super) fn now(&self) -> Timestamp {
        let (wall, began) = self.started;
        wall.after(began.elapsed())
    }

    /// How long this seat has been there.
    pub(super) fn age(&self) -> Duration {
        self.started.1.elapsed()
    }

    /// Looks at the machine.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&locked(&self.machine))
    }

    /// Tells the machine what has happened.
    pub(super) fn feed(&self, event: Event) {
        let now = self.now();
        let mut machine = locked(&self.machine);
        let actions = machine.handle(now, event);
        // Under the lock, so that they stand in the order in which they were decided.
        self.want(actions);
        drop(machine);
        self.news.notify_one();
    }

    /// Has something done. The one that does it ends with the seat.
    pub(super) fn want(&self, actions: Vec<Action>) {
        for action in actions {
            let _ = self.actions.send(action);
        }
    }

    async fn keep_time(&self) {
        loop {
            let wake = self.with(Machine::next_wake).as_millis();
            let wait = Duration::from_millis(wake.saturating_sub(self.now().as_millis()));
            if wait.is_zero() {
                self.feed(Event::Tick);
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(wait.min(Duration::from_secs(3600))) => {}
                () = self.news.notified() => {}
            }
        }
    }

    /// Signs the next entry of the own log: it is on disk before anybody hears of it.
    pub(super) async fn sign(
        &self,
        draft: impl FnOnce(&Machine, Timestamp) -> Result<EntryDraft, CommandError> + Send,
    ) -> Result<(), ClusterError> {
        let _turn = self.signing.lock().await;
        let now = self.now();
        let draft = self.with(|machine| draft(machine, now))?;
        let entry = Entry::sign(&self.parts.key, draft)?;
        let kept = self
            .parts
            .catalog
            .keep_cluster_entries(std::slice::from_ref(&entry));
        kept.await?;
        self.feed(Event::Signed(entry));
        Ok(())
    }

    /// Asks a member.
    pub(super) async fn ask(&self, node: NodeId, request: Request) -> Result<Response, AskError> {
        let addresses = locked(&self.addresses).get(&node).cloned();
        let addresses = addresses.unwrap_or_default();
        ask::ask_at(&self.parts.swarm, node, &addresses, request).await
    }

    /// Has another writer sign that this member is out. What nobody hears is said in the error.
    pub(super) async fn say_farewell(&self) -> Result<(), String> {
        let now = self.now();
        let others = self.with(|machine| machine.members(now));
        let others = others.into_iter().filter(|member| member.node != self.me);
        let mut why = None;
        let mut asked = 0;
        for member in others {
            asked += 1;
            if member.settings.role != Role::Writer {
                continue;
            }
            match self.ask(member.node, Request::Leave).await {
                Ok(Response::Done) => return Ok(()),
                Ok(Response::Refused { reason }) => why = Some(reason),
                Ok(_) => {}
                Err(error) => why = Some(error.to_string()),
            }
        }
        match why {
            _ if asked == 0 => Ok(()),
            Some(why) => Err(why),
            None => Err("there is no other writer: make another member one first".to_owned()),
        }
    }

    /// These are the members now.
    pub(super) fn set_members(&self, members: Vec<(NodeId, Role)>) {
        *locked(&self.members) = members;
        self.show_members();
    }

    /// Somebody says where members can be reached; whether it is news.
    pub(super) fn learn_addresses(&self, node: NodeId, addresses: &[String]) -> bool {
        let Some(peer) = ask::peer_of(&node) else {
            return false;
        };
        let suffix = format!("/p2p/{peer}");
        let own = addresses
            .iter()
            .filter(|address| address.ends_with(&suffix));
        let own: Vec<String> = own.cloned().collect();
        if own.is_empty() || node == self.me {
            return false;
        }
        let before = locked(&self.addresses).insert(node, own.clone());
        let is_new = before.as_ref() != Some(&own);
        if is_new {
            self.show_members();
        }
        is_new
    }

    /// Tells the network who the members are, and where.
    fn show_members(&self) {
        let members = locked(&self.members).clone();
        let addresses = locked(&self.addresses).clone();
        let mut told = Vec::new();
        for (node, role) in members.into_iter().filter(|(node, _)| *node != self.me) {
            let standing = match role {
                Role::Writer => Standing::Writer,
                Role::Follower => Standing::Follower,
            };
            let known = addresses.get(&node).cloned().unwrap_or_default();
            if known.is_empty() {
                // It is given what is a member's once it is here.
                told.push((format!("/p2p/{}", node.peer_id()), standing));
            }
            told.extend(known.into_iter().map(|address| (address, standing)));
        }
        if let Err(error) = self.parts.network.set_members(told) {
            tracing::warn!(%error, "an address of a member is of no use");
        }
    }

    pub(super) fn look_at_wishes(&self) {
        self.wishes.notify_one();
    }

    pub(super) fn check_soon(&self) {
        self.checks.notify_one();
    }
}

/// Who may have the blocks, as the store names them.
pub(super) fn audience_of(audience: PinAudience) -> Audience {
    match audience {
        PinAudience::Members => Audience::Members,
        PinAudience::Anyone => Audience::Anyone,
    }
}

async fn all_entries(parts: &ClusterParts) -> Result<Vec<Entry>, ClusterError> {
    let mut all = Vec::new();
    loop {
        let last: Option<&Entry> = all.last();
        let after = last.map(|entry| (entry.author(), entry.seq()));
        let page = parts.catalog.cluster_entries(after, MAX_CLUSTER_ENTRIES);
        let page = page.await?;
        let is_last = page.is_empty();
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn held(parts: &ClusterParts, holder: Holder) -> Result<Vec<Copy>, ClusterError> {
    let store = parts.store.clone();
    let pins = tokio::task::spawn_blocking(move || {
        let pins = store.pins_with(HOLDER)?.into_iter();
        let own = pins.filter(|pin| pin.holder == holder && pin.scope == PinScope::Whole);
        Ok::<_, ClusterError>(own.collect::<Vec<_>>())
    });
    let pins = pins.await.map_err(|_| ClusterError::Stopping)??;
    let copies = pins.into_iter().map(|pin| Copy {
        root: pin.root,
        bytes: pin.bytes,
        audience: match pin.audience {
            Audience::Anyone => PinAudience::Anyone,
            Audience::Members | Audience::Writers => PinAudience::Members,
        },
    });
    Ok(copies.collect())
}
