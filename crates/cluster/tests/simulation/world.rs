//! Members, the network between them, and time. Nothing here depends on the machine it runs on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterId, ClusterOp, Copies, Entry, EntryDraft, Heartbeat};
use cidcast_cluster::{
    Action, Event, HoldingsPage, LocalPin, Machine, ProofOutcome, Restored, Settings,
};
use cidcast_types::Cid;

use super::chance::Chance;
use super::member::Member;

/// Where time begins: some clocks are hours behind.
pub(crate) const BEGIN: u64 = 1_800_000_000_000;
/// Entries, and changes, in one answer.
const PAGE: usize = 64;

/// What is on its way to a member.
#[derive(Clone)]
pub(crate) enum Message {
    Beat(Box<Heartbeat>),
    AskEntries { author: NodeId, from: u64 },
    Entries(Vec<Entry>),
    AskHoldings { after: u64 },
    Holdings(HoldingsPage),
    Challenge(Cid),
    Answer { root: Cid, holds: bool },
    Accuse(Cid),
}

#[derive(Clone)]
enum What {
    Arrives {
        from: usize,
        message: Box<Message>,
    },
    Tick,
    /// An attempt to fetch comes to its end.
    Fetched {
        root: Cid,
        attempt: u64,
    },
    /// A copy has been hashed again.
    Verified(Cid),
}

/// How bad the network is, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) slow: u64,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) members: Vec<Member>,
    pub(crate) settings: Settings,
    pub(crate) cluster: ClusterId,
    pub(crate) weather: Weather,
    /// Pairs that do not hear each other.
    pub(crate) cuts: Vec<(usize, usize)>,
    pub(crate) sizes: BTreeMap<Cid, u64>,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    waiting: BTreeMap<u64, What>,
    sent: u64,
}

impl World {
    /// Founded by the first member; everyone else has joined.
    pub(crate) fn new(seed: u64, members: Vec<Member>, settings: Settings) -> Self {
        let mut chance = Chance::new(seed);
        chance.draw();
        let founder = members.first().expect("a founder");
        let draft = Machine::genesis("test".to_owned(), founder.clock(BEGIN));
        let genesis = Entry::sign(&founder.key, draft).expect("a genesis");
        let mut world = Self {
            now: BEGIN,
            chance,
            members,
            settings,
            cluster: genesis.cluster(),
            weather: Weather::default(),
            cuts: Vec::new(),
            sizes: BTreeMap::new(),
            queue: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            sent: 0,
        };
        world.members[0].disk.entries.push(genesis);
        world.members[0].is_member = true;
        world.start(0);
        for index in 1..world.members.len() {
            world.admit(0, index);
        }
        world
    }

    /// Lets time pass, with a look at the world after each event.
    pub(crate) fn run_until(&mut self, until: u64, mut check: impl FnMut(&Self)) {
        while let Some(Reverse((at, id, index))) = self.queue.peek().copied() {
            if at > until {
                break;
            }
            self.queue.pop();
            self.now = self.now.max(at);
            if let Some(what) = self.waiting.remove(&id) {
                self.happen(index, what);
                check(self);
            }
        }
        self.now = until;
    }

    fn later(&mut self, delay: u64, index: usize, what: What) {
        self.sent += 1;
        self.queue
            .push(Reverse((self.now + delay, self.sent, index)));
        self.waiting.insert(self.sent, what);
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is on its way")]
    fn send(&mut self, from: usize, to: usize, message: Message) {
        if self.chance.permille(self.weather.lost) {
            return;
        }
        let copies = 1 + u64::from(self.chance.permille(self.weather.doubled));
        for _ in 0..copies {
            let slow = self.chance.permille(self.weather.slow);
            let delay = self.chance.between(5, if slow { 8000 } else { 200 });
            let message = Box::new(message.clone());
            self.later(delay, to, What::Arrives { from, message });
        }
    }

    pub(crate) fn hears(&self, a: usize, b: usize) -> bool {
        !self.cuts.contains(&(a.min(b), a.max(b)))
    }

    pub(crate) fn index_of(&self, node: &NodeId) -> Option<usize> {
        self.members.iter().position(|member| member.node == *node)
    }

    fn happen(&mut self, index: usize, what: What) {
        match what {
            What::Tick => {
                if self.members[index].tick_at == Some(self.now) {
                    self.members[index].tick_at = None;
                    self.handle(index, Event::Tick);
                }
            }
            What::Arrives { from, message } => {
                if self.members[index].machine.is_some() && self.hears(from, index) {
                    self.arrive(index, from, *message);
                }
            }
            What::Fetched { root, attempt } => self.fetched(index, root, attempt),
            What::Verified(root) => self.verified(index, root),
        }
    }

    fn arrive(&mut self, index: usize, from: usize, message: Message) {
        let sender = self.members[from].node;
        // What the service does: only members are answered.
        let machine = self.members[index].machine.as_ref().expect("it runs");
        let clock = self.members[index].clock(self.now);
        let members = machine.members(clock);
        if !members.iter().any(|member| member.node == sender) {
            return;
        }
        match message {
            Message::Beat(beat) => self.handle(index, Event::Beat(*beat)),
            Message::AskEntries { author, from: seq } => {
                let entries = &self.members[index].disk.entries;
                let log = entries.iter().filter(|entry| entry.author() == author);
                let log = log.filter(|entry| entry.seq() >= seq).take(PAGE).cloned();
                let log = log.collect();
                self.send(index, from, Message::Entries(log));
            }
            Message::Entries(entries) => {
                let from = sender;
                self.handle(index, Event::Entries { from, entries });
            }
            Message::AskHoldings { after } => {
                let page = machine.holdings_after(after, PAGE);
                self.send(index, from, Message::Holdings(page));
            }
            Message::Holdings(page) => {
                let member = sender;
                self.handle(index, Event::Holdings { member, page });
            }
            Message::Challenge(root) => {
                let holds = self.members[index].disk.has_copy(&root);
                self.send(index, from, Message::Answer { root, holds });
            }
            Message::Answer { root, holds } => {
                let outcome = if holds {
                    ProofOutcome::Proved { bytes: 1000 }
                } else {
                    ProofOutcome::Failed
                };
                let member = sender;
                self.handle(
                    index,
                    Event::Proof {
                        member,
                        root,
                        outcome,
                    },
                );
            }
            Message::Accuse(root) => self.handle(index, Event::Suspected { root }),
        }
    }

    pub(crate) fn handle(&mut self, index: usize, event: Event) {
        let member = &mut self.members[index];
        let clock = member.clock(self.now);
        let Some(machine) = &mut member.machine else {
            return;
        };
        let actions = machine.handle(clock, event);
        for action in actions {
            self.act(index, action);
        }
        self.wake(index);
    }

    /// Has a tick come when the machine wants it.
    fn wake(&mut self, index: usize) {
        let member = &mut self.members[index];
        let Some(machine) = member.machine.as_ref().filter(|one| !one.is_removed()) else {
            return;
        };
        let wake = machine.next_wake().as_millis();
        let at = wake.saturating_add_signed(-member.skew).max(self.now);
        if member.tick_at != Some(at) {
            member.tick_at = Some(at);
            self.later(at - self.now, index, What::Tick);
        }
    }

    fn act(&mut self, index: usize, action: Action) {
        match action {
            Action::Persist(entry) => self.members[index].disk.entries.push(entry),
            Action::Beat { to, draft } => {
                let beat = Heartbeat::sign(&self.members[index].key, draft).expect("a heartbeat");
                for node in to {
                    self.send_to(index, &node, Message::Beat(Box::new(beat.clone())));
                }
            }
            Action::AskEntries { of, author, from } => {
                self.send_to(index, &of, Message::AskEntries { author, from });
            }
            Action::AskHoldings { of, after } => {
                self.send_to(index, &of, Message::AskHoldings { after });
            }
            Action::Challenge { of, root } => self.send_to(index, &of, Message::Challenge(root)),
            Action::Accuse { of, root } => self.send_to(index, &of, Message::Accuse(root)),
            Action::Pin { root, .. } => {
                self.members[index].disk.attempts += 1;
                let attempt = self.members[index].disk.attempts;
                self.members[index].disk.fetching.insert(root, attempt);
                self.fetch_again(index, root, attempt);
            }
            Action::Unpin { root } => self.unpin(index, &root),
            Action::Verify { root } => {
                let delay = self.chance.between(100, 3000);
                self.later(delay, index, What::Verified(root));
            }
            Action::Open { .. } | Action::Members(_) | Action::Note(_) => {}
        }
    }

    fn send_to(&mut self, from: usize, to: &NodeId, message: Message) {
        if let Some(to) = self.index_of(to) {
            self.send(from, to, message);
        }
    }

    fn fetch_again(&mut self, index: usize, root: Cid, attempt: u64) {
        let delay = self.chance.between(200, 4000);
        self.later(delay, index, What::Fetched { root, attempt });
    }

    /// Who could give a root to a member.
    fn source(&self, index: usize, root: &Cid) -> Option<usize> {
        (0..self.members.len()).find(|other| {
            let member = &self.members[*other];
            member.disk.has(root) && member.machine.is_some() && self.hears(*other, index)
        })
    }

    fn fetched(&mut self, index: usize, root: Cid, attempt: u64) {
        let is_current = self.members[index].disk.fetching.get(&root) == Some(&attempt);
        if !is_current || self.members[index].machine.is_none() {
            return;
        }
        let size = self.sizes.get(&root).copied().unwrap_or(0);
        let error = if size > self.members[index].disk.free() {
            Some("the disk is full".to_owned())
        } else if self.source(index, &root).is_none() {
            Some("nobody gives it".to_owned())
        } else {
            None
        };
        if let Some(error) = error {
            self.fetch_again(index, root, attempt);
            self.local(index, root, LocalPin::Failed { error });
            return;
        }
        let disk = &mut self.members[index].disk;
        disk.fetching.remove(&root);
        disk.rotten.remove(&root);
        disk.held.insert(root, size);
        self.local(index, root, LocalPin::Pinned { bytes: size });
        self.space(index);
    }

    /// A copy was hashed again; a damaged block is fetched anew, if somebody has it.
    fn verified(&mut self, index: usize, root: Cid) {
        let disk = &self.members[index].disk;
        if !disk.held.contains_key(&root) || self.members[index].machine.is_none() {
            return;
        }
        if disk.rotten.contains(&root) && self.source(index, &root).is_none() {
            let error = "a block is damaged, and nobody gives it".to_owned();
            self.later(2000, index, What::Verified(root));
            self.local(index, root, LocalPin::Failed { error });
            return;
        }
        let bytes = disk.held.get(&root).copied().unwrap_or(0);
        self.members[index].disk.rotten.remove(&root);
        self.local(index, root, LocalPin::Pinned { bytes });
    }

    fn local(&mut self, index: usize, root: Cid, state: LocalPin) {
        self.handle(index, Event::Local { root, state });
    }

    pub(crate) fn space(&mut self, index: usize) {
        let disk = &self.members[index].disk;
        let (capacity, free) = (disk.capacity, disk.free());
        self.handle(index, Event::Space { capacity, free });
    }

    fn unpin(&mut self, index: usize, root: &Cid) {
        self.check_trim(index, root);
        let disk = &mut self.members[index].disk;
        disk.fetching.remove(root);
        disk.rotten.remove(root);
        if disk.held.remove(root).is_some() {
            self.space(index);
        }
    }

    /// What is still wanted is let go only where enough others have it.
    fn check_trim(&self, index: usize, root: &Cid) {
        let member = &self.members[index];
        let Some(machine) = &member.machine else {
            return;
        };
        let Some(view) = machine.pin(root) else {
            return; // the pinset does not have it
        };
        let members = machine.members(member.clock(self.now)).into_iter();
        let staying = members.filter(|one| !one.settings.draining).count();
        let fewest = match view.spec.copies {
            Copies::Everywhere => 1,
            Copies::Between { min, .. } => usize::from(min).min(staying),
        };
        if !member.disk.has_copy(root) {
            return;
        }
        let tolerance = u64::try_from(self.settings.deadline.as_millis()).unwrap_or(0) + 8000;
        let counted = |other: &&Member| {
            let just_fell = other.fell + tolerance > self.now;
            // A damaged block is nobody's fault before an audit has found it.
            let lives = other.machine.is_some() && other.disk.held.contains_key(root);
            other.node != member.node && other.is_member && (lives || just_fell)
        };
        let others = self.members.iter().filter(counted).count();
        assert!(
            others >= fewest || !self.is_wanted(root),
            "member {index} lets go of {root} at {} while {others} others have it, not {fewest}: {:#?}",
            self.now - BEGIN,
            view.members,
        );
    }

    /// Whether a root is in the pinset that all entries add up to. Somebody may have let go of it
    /// rightly while this has not reached everyone yet.
    fn is_wanted(&self, root: &Cid) -> bool {
        let entries = self.members.iter().flat_map(|one| &one.disk.entries);
        let restored = Restored {
            entries: entries.cloned().collect(),
            held: Vec::new(),
        };
        let (me, clock) = (&self.members[0], self.members[0].clock(self.now));
        let settings = self.settings.clone();
        let all = Machine::new(me.node, self.cluster, settings, 0, restored, clock);
        all.pin(root).is_some()
    }

    pub(crate) fn start(&mut self, index: usize) {
        let settings = self.settings.clone();
        self.members[index].start(self.cluster, &settings, self.now);
        self.space(index);
        self.handle(index, Event::Tick);
    }

    pub(crate) fn crash(&mut self, index: usize) {
        let member = &mut self.members[index];
        (member.machine, member.fell) = (None, self.now);
        member.disk.fetching.clear();
    }

    /// Signs what a machine has drafted, keeps it, and tells the machine.
    pub(crate) fn sign(&mut self, index: usize, draft: EntryDraft) {
        let member = &mut self.members[index];
        let entry = Entry::sign(&member.key, draft).expect("an entry");
        member.disk.entries.push(entry.clone());
        self.handle(index, Event::Signed(entry));
    }

    /// Whether the member could do it.
    pub(crate) fn command(&mut self, index: usize, ops: Vec<ClusterOp>) -> bool {
        let member = &self.members[index];
        let clock = member.clock(self.now);
        let draft = member
            .machine
            .as_ref()
            .and_then(|one| one.draft(clock, ops).ok());
        let is_drafted = draft.is_some();
        if let Some(draft) = draft {
            self.sign(index, draft);
        }
        is_drafted
    }

    /// A node joins, or joins again: it is admitted if it is no member, and given all entries.
    pub(crate) fn admit(&mut self, inviter: usize, index: usize) -> bool {
        use cidcast_announce::cluster::{MemberSettings, Nonce, Role};
        let node = self.members[index].node;
        let member = &self.members[inviter];
        let Some(machine) = member.machine.as_ref().filter(|one| !one.is_removed()) else {
            return false;
        };
        let clock = member.clock(self.now);
        let mut members = machine.members(clock).into_iter();
        if !members.any(|one| one.node == node) {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&self.chance.draw().to_be_bytes());
            let admit = ClusterOp::Admit {
                member: node,
                settings: MemberSettings::new(Role::Writer),
                invitation: Nonce::from_bytes(nonce),
            };
            if !self.command(inviter, vec![admit]) {
                return false;
            }
        }
        let entries = self.members[inviter].disk.entries.clone();
        let mine = &mut self.members[index].disk.entries;
        for entry in entries {
            if !mine.contains(&entry) {
                mine.push(entry);
            }
        }
        self.members[index].is_member = true;
        self.start(index);
        true
    }
}
