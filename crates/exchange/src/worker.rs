//! The task between handles, state machines and links.
//!
//! Owns: both state machines, the links, and the threads that hash, write and read. Ends: when its
//! `Shutdown` is triggered; then whoever waits is told that the node is stopping, and threads that
//! are busy are waited for. It never waits for one peer or one caller: everything it does between
//! two looks at its queues is bounded and does not block.

mod claims;
mod links;
mod serving;
mod wanted;
mod writing;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cidcast_runtime::{Shutdown, locked};
use cidcast_store::Store;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, SelectAll};
use futures::{FutureExt, StreamExt};
use libp2p::PeerId;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::client::{self, Client};
use crate::command::{ClaimId, Command, Notice};
use crate::link::{Incoming, Link, Outgoing};
use crate::metrics::Metrics;
use crate::report::PeerReport;
use crate::server::{self, Server};
use crate::settings::ExchangeSettings;
use crate::standing::Members;
use claims::Waiter;
use links::{Events, LinkId, PeerLinks};
use serving::LookedUp;
use wanted::Wanted;
use writing::{Parcel, Written};

/// How often overdue answers are looked for: well below the shortest deadline.
const ROUND: Duration = Duration::from_millis(100);
/// Reports are made anew once in so many rounds.
const REPORT_ROUNDS: u32 = 5;
/// Events of one kind that are taken together before the state machines are asked what follows.
const BATCH: usize = 64;

/// Where the worker hears from handles and links.
pub(crate) struct Ears {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) links: mpsc::Receiver<Link>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
}

/// See the module.
pub(crate) struct Worker {
    store: Store,
    settings: ExchangeSettings,
    metrics: Metrics,
    client: Client,
    server: Server,
    wanted: Arc<Wanted>,
    waiters: HashMap<ClaimId, Waiter>,
    peers: HashMap<PeerId, PeerLinks>,
    links: HashMap<LinkId, PeerId>,
    next_link: u64,
    /// What links bring.
    events: SelectAll<Events>,
    /// Links that have room for a message again.
    room: FuturesUnordered<BoxFuture<'static, (LinkId, Option<OwnedPermit<Outgoing>>)>>,
    unwritten: VecDeque<Parcel>,
    unwritten_bytes: usize,
    writers: FuturesUnordered<JoinHandle<Vec<Written>>>,
    readers: FuturesUnordered<JoinHandle<LookedUp>>,
    rounds: u32,
    reports: Arc<Mutex<Vec<PeerReport>>>,
}

/// What woke the worker.
enum Wake {
    Stop,
    Written(Vec<Written>),
    LookedUp(LookedUp),
    Linked(Link),
    Event(LinkId, Option<Vec<Incoming>>),
    Room(LinkId, Option<OwnedPermit<Outgoing>>),
    Command(Command),
    Notice(Notice),
    Members,
    Round,
    /// A thread panicked, or a queue was found empty.
    Nothing,
}

impl Worker {
    pub(crate) fn new(
        store: Store,
        settings: ExchangeSettings,
        metrics: Metrics,
        reports: Arc<Mutex<Vec<PeerReport>>>,
    ) -> Self {
        let client = Client::new(client::Limits {
            max_wants: settings.max_wants,
            window_bytes: settings.window_bytes,
            window_blocks: settings.window_blocks,
        });
        let server = Server::new(server::Limits {
            wants: settings.ledger_wants,
            message_bytes: settings.message_bytes,
        });
        Self {
            store,
            settings,
            metrics,
            client,
            server,
            wanted: Arc::default(),
            waiters: HashMap::new(),
            peers: HashMap::new(),
            links: HashMap::new(),
            next_link: 0,
            events: SelectAll::new(),
            room: FuturesUnordered::new(),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            writers: FuturesUnordered::new(),
            readers: FuturesUnordered::new(),
            rounds: 0,
            reports,
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, mut ears: Ears, shutdown: Shutdown) {
        let mut clock = tokio::time::interval(ROUND);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.wait(&mut ears, &mut clock, &shutdown).await;
            if matches!(wake, Wake::Stop) {
                break;
            }
            let now = Instant::now();
            self.take(wake, &mut ears, now);
            self.take_more(&mut ears, now);
            self.settle(now);
        }
        locked(&self.reports).clear();
        drop((ears, self.waiters, self.events));
        while self.writers.next().await.is_some() {}
        while self.readers.next().await.is_some() {}
    }

    async fn wait(&mut self, ears: &mut Ears, clock: &mut Interval, shutdown: &Shutdown) -> Wake {
        let may_read = self.may_read();
        tokio::select! {
            () = shutdown.triggered() => Wake::Stop,
            Some(done) = self.writers.next() => done.map_or(Wake::Nothing, Wake::Written),
            Some(done) = self.readers.next() => done.map_or(Wake::Nothing, Wake::LookedUp),
            Some(link) = ears.links.recv() => Wake::Linked(link),
            Some((link, event)) = self.events.next(), if may_read => Wake::Event(link, event),
            Some((link, permit)) = self.room.next() => Wake::Room(link, permit),
            Some(command) = ears.commands.recv() => Wake::Command(command),
            Some(notice) = ears.notices.recv() => Wake::Notice(notice),
            Ok(()) = ears.members.changed() => Wake::Members,
            _ = clock.tick(), if !self.peers.is_empty() || self.client.len() > 0 => Wake::Round,
        }
    }

    /// Whether what peers send can be taken: not while too much of it is not written yet.
    fn may_read(&self) -> bool {
        self.unwritten_bytes < self.settings.unwritten_bytes
    }

    fn take(&mut self, wake: Wake, ears: &mut Ears, now: Instant) {
        match wake {
            Wake::Written(done) => self.written(done, now),
            Wake::LookedUp(found) => self.looked_up(found),
            Wake::Linked(link) => self.linked(link, now),
            Wake::Event(link, event) => self.heard(link, event, now),
            Wake::Room(link, permit) => self.has_room(link, permit),
            Wake::Command(command) => self.command(command, now),
            Wake::Notice(notice) => self.notice(notice, now),
            Wake::Members => {
                let members = Arc::clone(&ears.members.borrow_and_update());
                self.set_members(members);
            }
            Wake::Round => self.round(now),
            Wake::Stop | Wake::Nothing => {}
        }
    }

    /// Takes what else is there already, so that what follows from it is worked out once.
    fn take_more(&mut self, ears: &mut Ears, now: Instant) {
        for _ in 0..BATCH {
            match ears.notices.try_recv() {
                Ok(notice) => self.notice(notice, now),
                Err(_) => break,
            }
        }
        for _ in 0..BATCH {
            match ears.commands.try_recv() {
                Ok(command) => self.command(command, now),
                Err(_) => break,
            }
        }
        for _ in 0..BATCH {
            if !self.may_read() {
                break;
            }
            match self.events.next().now_or_never() {
                Some(Some((link, event))) => self.heard(link, event, now),
                _ => break,
            }
        }
    }

    /// Does what follows from what has happened.
    fn settle(&mut self, now: Instant) {
        self.client.place(now);
        self.act();
        self.start_writers();
        self.start_readers();
        self.flush();
        let wants = i64::try_from(self.client.len()).unwrap_or(i64::MAX);
        self.metrics.wants.set(wants);
        self.metrics.refused.inc_by(self.server.take_refused());
    }

    fn round(&mut self, now: Instant) {
        self.listen(now);
        self.client.tick(now);
        self.metrics.silences.inc_by(self.client.take_silences());
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds.is_multiple_of(REPORT_ROUNDS) {
            self.report();
        }
    }
}
