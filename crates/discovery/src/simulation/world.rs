//! All nodes, the time, and what happens next.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cidcast_ipfs::swarm::PeerId;
use cidcast_types::Timestamp;

use super::asking::{Answer, Question};
use super::chance::{Chance, mixed};
use super::gossip::Frame;
use super::histories::{BEGIN, Histories, Said};
use super::model::Model;
use super::node::Node;
use super::shelf::Shelf;
use super::{asking, gossip, joining, line};
use crate::feeds::Outcome;

pub(super) const SECOND: u64 = 1_000_000;

/// Something that happens to a node.
pub(super) enum Event {
    /// A second is over.
    Tick { node: usize, life: u32 },
    /// A frame of gossip arrives.
    Gossip {
        from: usize,
        node: usize,
        life: u32,
        frame: Frame,
    },
    /// An announcement that came by gossip was verified.
    Verified {
        from: usize,
        node: usize,
        life: u32,
        said: Said,
    },
    /// A request arrives.
    Asked(u64),
    /// Its answer arrives.
    Answered(u64, Answer),
    /// The announcements in it were verified.
    Fetched(Question, Vec<usize>),
    /// It has not arrived in time.
    Late(u64),
    /// A dial gets through.
    Dialled {
        node: usize,
        life: u32,
        other: usize,
    },
    /// A broken connection is noticed.
    Noticed {
        node: usize,
        other: usize,
        since: u64,
    },
    /// Joining looks for peers.
    Round { node: usize, life: u32, tries: u32 },
    /// Somebody goes, somebody comes.
    Churn,
}

/// An announcement whose way is watched.
pub(super) struct Watched {
    pub(super) said: Said,
    pub(super) at: u64,
    /// Who can have it at once, and each one's life.
    pub(super) live: BTreeMap<usize, u32>,
    pub(super) reached: BTreeMap<usize, u64>,
}

pub(super) struct World {
    pub(super) model: Model,
    pub(super) chance: Chance,
    /// Microseconds since the beginning.
    pub(super) now: u64,
    pub(super) histories: Histories,
    pub(super) nodes: Vec<Node>,
    pub(super) by_peer: HashMap<PeerId, usize>,
    pub(super) questions: BTreeMap<u64, Question>,
    pub(super) asked: u64,
    pub(super) away: Vec<usize>,
    /// No way leads from the even nodes to the odd ones.
    pub(super) is_parted: bool,
    pub(super) watched: Vec<Watched>,
    /// Answers given to whom by whom: when the first, how many.
    pub(super) answered: HashMap<(usize, usize, u32), (u64, u64)>,
    queue: BTreeMap<(u64, u64), Event>,
    planned: u64,
    trace: u64,
}

impl World {
    /// Nodes that have everything, joining each other within a minute.
    pub(super) fn new(model: Model) -> Self {
        let mut world = Self {
            chance: Chance::new(model.seed),
            now: 0,
            histories: Histories::new(model.publishers, model.length),
            nodes: Vec::new(),
            by_peer: HashMap::new(),
            questions: BTreeMap::new(),
            asked: 0,
            away: Vec::new(),
            is_parted: false,
            watched: Vec::new(),
            answered: HashMap::new(),
            queue: BTreeMap::new(),
            planned: 0,
            trace: 0,
            model,
        };
        for n in 0..world.model.nodes {
            let node = world.add();
            world.fill(node);
            let is_bootstrap = n < world.model.bootstraps;
            let at = match is_bootstrap {
                true => 0,
                false => world.chance.next() % (60 * SECOND),
            };
            world.now = at;
            joining::switch_on(&mut world, node);
        }
        world.now = 0;
        world
    }

    /// A node that is off and has nothing.
    pub(super) fn add(&mut self) -> usize {
        let index = self.nodes.len();
        let (seed, limits) = (self.model.seed, self.model.limits);
        let upload = line::upload(seed, index, index < self.model.bootstraps);
        let shelf = Shelf::new(self.histories.len(), limits);
        let node = Node::new(index, seed, upload, shelf);
        self.by_peer.insert(node.peer, index);
        self.nodes.push(node);
        index
    }

    /// Gives a node all that was said.
    fn fill(&mut self, node: usize) {
        for whose in 0..self.histories.len() {
            for seq in 0..self.histories.feed(whose).len() as u64 {
                self.nodes[node].shelf.take(&self.histories, (whose, seq));
            }
        }
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.now / 1000)
    }

    pub(super) fn up(&self) -> Vec<usize> {
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, node)| node.is_up).map(|(n, _)| n).collect()
    }

    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.is_parted && one % 2 != other % 2
    }

    pub(super) fn distance(&self, one: usize, other: usize) -> u64 {
        line::distance(self.model.seed, one, other)
    }

    /// Sends bytes; when they arrive, if they do. None also if they would wait longer than
    /// `patience` for their turn.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: usize,
        bytes: u64,
        patience: u64,
    ) -> Option<u64> {
        let sender = &mut self.nodes[from];
        let begin = sender.line_free.max(self.now);
        if begin - self.now > patience {
            return None;
        }
        sender.line_free = begin + line::sending(bytes, sender.upload);
        sender.traffic.sent += bytes;
        self.trace = mixed(self.trace ^ bytes);
        let left = sender.line_free;
        if !self.nodes[to].is_up || self.is_cut(from, to) {
            return None;
        }
        let distance = self.distance(from, to);
        Some(left + line::way(&mut self.chance, distance, self.model.lost))
    }

    /// When the processor of a node has done `work` microseconds more.
    pub(super) fn compute(&mut self, node: usize, work: u64) -> u64 {
        let now = self.now;
        let node = &mut self.nodes[node];
        node.cpu_free = node.cpu_free.max(now) + work;
        node.cpu_free
    }

    pub(super) fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.queue.insert((at, self.planned), event);
    }

    /// A node takes an announcement.
    pub(super) fn take(&mut self, node: usize, said: Said) -> Outcome {
        let taker = &mut self.nodes[node];
        let outcome = taker.shelf.take(&self.histories, said);
        if outcome == Outcome::Applied {
            let have = taker.shelf.have(said.0);
            taker.changes.note(self.histories.head(said.0, have));
            for watched in &mut self.watched {
                if watched.said == said {
                    watched.reached.insert(node, self.now);
                }
            }
        }
        outcome
    }

    /// A node says something new; its way is watched.
    pub(super) fn publish(&mut self, node: usize, whose: usize) {
        let at = self.time().as_millis();
        let said = self.histories.say(whose, at);
        let live = self.nodes.iter().enumerate();
        let live = live.filter(|(_, node)| node.is_up && node.shelf.have(whose) == said.1);
        self.watched.push(Watched {
            said,
            at: self.now,
            live: live.map(|(n, node)| (n, node.life)).collect(),
            reached: BTreeMap::new(),
        });
        assert_eq!(self.take(node, said), Outcome::Applied, "it is its own");
        gossip::publish(self, node, said);
    }

    /// Lets happen what happens until then.
    pub(super) fn run(&mut self, until: u64) {
        self.run_until(until, |_| false);
        self.now = until;
    }

    /// The same, or until something is so; answers whether it is.
    pub(super) fn run_until(&mut self, until: u64, is_so: impl Fn(&Self) -> bool) -> bool {
        while let Some(next) = self.queue.first_entry() {
            if next.key().0 > until {
                return is_so(self);
            }
            let ((at, number), event) = next.remove_entry();
            self.now = at;
            self.trace = mixed(self.trace ^ mixed(at) ^ number);
            let changes_much = matches!(event, Event::Fetched(..) | Event::Verified { .. });
            self.happen(event);
            if changes_much && is_so(self) {
                return true;
            }
        }
        is_so(self)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { node, life } => self.tick(node, life),
            Event::Gossip {
                from,
                node,
                life,
                frame,
            } => {
                if self.lives(node, life) {
                    gossip::receive(self, from, node, frame);
                }
            }
            Event::Verified {
                from,
                node,
                life,
                said,
            } => {
                if self.lives(node, life) {
                    gossip::judge(self, from, node, said);
                    asking::go_on(self, node);
                }
            }
            Event::Asked(question) => asking::answer(self, question),
            Event::Answered(question, answer) => asking::answered(self, question, answer),
            Event::Fetched(question, counts) => asking::fetched(self, &question, &counts),
            Event::Late(question) => asking::answered(self, question, Answer::Nothing),
            Event::Dialled { node, life, other } => {
                if self.lives(node, life) {
                    joining::link(self, node, other);
                }
            }
            Event::Noticed { node, other, since } => {
                if self.nodes[node].links.get(&other) == Some(&since) {
                    joining::unlink(self, node, other);
                }
            }
            Event::Round { node, life, tries } => {
                if self.lives(node, life) {
                    joining::round(self, node, tries);
                }
            }
            Event::Churn => joining::churn(self),
        }
    }

    pub(super) fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].is_up && self.nodes[node].life == life
    }

    fn tick(&mut self, index: usize, life: u32) {
        if !self.lives(index, life) {
            return;
        }
        let again = Event::Tick { node: index, life };
        self.plan(self.now + SECOND, again);
        self.nodes[index].ticks += 1;
        let links = self.nodes[index].links.keys();
        let speaking: BTreeSet<PeerId> = links.map(|other| self.nodes[*other].peer).collect();
        self.nodes[index].sync.connected(&speaking);
        gossip::beat(self, index);
        joining::redial(self, index);
        asking::go_on(self, index);
    }

    /// Stands for everything that has happened.
    pub(super) fn trace(&self) -> u64 {
        self.trace
    }
}
