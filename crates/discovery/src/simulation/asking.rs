//! Requests between nodes: what is asked is decided by [`Sync`](crate::feeds), what is answered by
//! the parts of [`crate::feeds`] and [`crate::serve`] that need no disk.

use cidcast_announce::Publisher;

use super::gossip::VERIFYING;
use super::line::{FRAME, STREAM};
use super::traffic::Purpose;
use super::world::{Event, SECOND, World};
use crate::feeds::{Action, Failure, MAX_BYTES, Outcome, portion};
use crate::wire::{Heads, MAX_ANNOUNCEMENTS, MAX_FEEDS, MAX_HEADS, Mark, Request, Response, Since};

/// The deadline of a request.
const DEADLINE: u64 = 30 * SECOND;
/// Microseconds in which an answer is read from the disk.
const READING: u64 = 2000;

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) asker: usize,
    pub(super) life: u32,
    pub(super) peer: usize,
    asks: Asks,
}

#[derive(Debug, Clone)]
enum Asks {
    Heads {
        after: Option<Publisher>,
        since: Option<Mark>,
    },
    /// Whose, and from which number on.
    Feeds(Vec<(usize, u64)>),
}

/// What comes of it.
pub(super) enum Answer {
    /// No answer.
    Nothing,
    /// There is no such peer.
    Nobody,
    Heads(Heads),
    /// So many announcements of each, in so many bytes.
    Feeds(Vec<usize>, u64),
}

/// Starts what a node has to ask now.
pub(super) fn go_on(world: &mut World, node: usize) {
    let now = world.time();
    for action in world.nodes[node].sync.plan(now) {
        let (peer, asks) = match action {
            Action::AskHeads { peer, after, since } => (peer, Asks::Heads { after, since }),
            Action::AskFeeds { peer, feeds } => {
                let whose = |publisher| world.histories.whose(publisher).expect("a publisher");
                let feeds = feeds.iter().map(|(key, from)| (whose(key), *from));
                (peer, Asks::Feeds(feeds.collect()))
            }
            Action::Waiting { .. } => continue,
        };
        let question = Question {
            asker: node,
            life: world.nodes[node].life,
            peer: world.by_peer[&peer],
            asks,
        };
        ask(world, question);
    }
}

fn ask(world: &mut World, question: Question) {
    let (asker, peer) = (question.asker, question.peer);
    world.asked += 1;
    let (id, now) = (world.asked, world.now);
    let request = match &question.asks {
        Asks::Heads { after, since } => Request::Heads {
            after: *after,
            since: since.clone(),
        },
        Asks::Feeds(feeds) => Request::Feeds {
            feeds: feeds
                .iter()
                .map(|(whose, from)| (world.histories.publisher(*whose), *from))
                .collect(),
            max_bytes: MAX_BYTES,
        },
    };
    let bytes = request.encode().expect("memory").len() as u64 + FRAME + STREAM;
    let purpose = question.asks.purpose();
    world.questions.insert(id, question);
    if !world.nodes[asker].links.contains_key(&peer) {
        world.plan(now + 1, Event::Answered(id, Answer::Nobody));
        return;
    }
    world.plan(now + DEADLINE, Event::Late(id));
    if let Some(at) = world.send(asker, peer, bytes, DEADLINE) {
        world.nodes[peer].traffic.add(purpose, bytes);
        // Opening the stream takes one way more, agreeing on the protocol none.
        world.plan(at, Event::Asked(id));
    }
}

/// A node answers, if it is not asked too fast.
pub(super) fn answer(world: &mut World, id: u64) {
    let Some(question) = world.questions.get(&id).cloned() else {
        return;
    };
    let now = world.time();
    let (asker, peer) = (question.asker, question.peer);
    let whom = world.nodes[asker].peer;
    if !world.nodes[peer].is_up {
        return;
    }
    let answer = match world.nodes[peer].answers.allows(whom, now) {
        true => {
            check_pace(world, asker, peer);
            reply(world, peer, &question.asks)
        }
        false => {
            world.nodes[peer].refused += 1;
            Answer::Nothing
        }
    };
    let bytes = FRAME + STREAM + size(&answer);
    world.compute(peer, READING);
    if let Some(at) = world.send(peer, asker, bytes, DEADLINE) {
        let traffic = &mut world.nodes[asker].traffic;
        traffic.add(question.asks.purpose(), bytes);
        world.plan(at + READING, Event::Answered(id, answer));
    }
}

fn reply(world: &World, peer: usize, asks: &Asks) -> Answer {
    let asked = &world.nodes[peer];
    match asks {
        Asks::Heads { after, since } => {
            let mark = world.model.marks.then(|| asked.changes.mark());
            let moved = since.as_ref().and_then(|mark| asked.changes.since(mark));
            let together = MAX_FEEDS as u64;
            if let Some(heads) = moved {
                return Answer::Heads(Heads {
                    heads,
                    more: false,
                    mark,
                    together,
                });
            }
            let heads = asked.shelf.heads();
            let heads = heads.map(|(whose, have)| world.histories.head(whose, have));
            let heads = heads.filter(|head| after.is_none_or(|after| head.publisher > after));
            let mut heads: Vec<_> = heads.take(MAX_HEADS + 1).collect();
            let more = heads.len() > MAX_HEADS;
            heads.truncate(MAX_HEADS);
            Answer::Heads(Heads {
                heads,
                more,
                mark,
                together,
            })
        }
        Asks::Feeds(feeds) => give(world, peer, feeds),
    }
}

/// As many of each as there is room for, as [`crate::feeds`] answers.
fn give(world: &World, peer: usize, feeds: &[(usize, u64)]) -> Answer {
    let asked = &world.nodes[peer];
    let (mut room, mut counts, mut sent) = (MAX_BYTES, Vec::new(), 0);
    for (whose, from) in feeds {
        if room == 0 && !counts.is_empty() {
            break;
        }
        let kept = (*from..asked.shelf.have(*whose)).take(MAX_ANNOUNCEMENTS);
        let sizes: Vec<(u64, u64)> = kept
            .map(|seq| (seq, world.histories.bytes((*whose, seq))))
            .collect();
        let count = portion(sizes.iter().copied(), *from, room);
        for (_, bytes) in sizes.iter().take(count) {
            room = room.saturating_sub(*bytes);
            // Each with the three bytes of its length.
            sent += bytes + 3;
        }
        counts.push(count);
    }
    Answer::Feeds(counts, sent)
}

fn size(answer: &Answer) -> u64 {
    let response = match answer {
        Answer::Nothing | Answer::Nobody => return 0,
        Answer::Heads(heads) => Response::Heads(heads.clone()),
        Answer::Feeds(counts, bytes) => {
            let empty = Response::Feeds(vec![Since::default(); counts.len()]);
            return empty.encode().expect("memory").len() as u64 + bytes;
        }
    };
    response.encode().expect("memory").len() as u64
}

/// An answer is here, or will not come.
pub(super) fn answered(world: &mut World, id: u64, answer: Answer) {
    let Some(question) = world.questions.remove(&id) else {
        return;
    };
    let Question {
        asker, life, peer, ..
    } = question;
    if !world.lives(asker, life) {
        return;
    }
    match (&question.asks, answer) {
        (Asks::Feeds(_), Answer::Feeds(counts, _)) if !counts.is_empty() => {
            let all: usize = counts.iter().sum();
            let at = world.compute(asker, VERIFYING * all as u64);
            world.plan(at, Event::Fetched(question, counts));
            return;
        }
        (Asks::Heads { .. }, Answer::Heads(heads)) => heard_heads(world, asker, peer, &heads),
        (_, Answer::Nobody) => failed(world, &question, Failure::Peer),
        _ => failed(world, &question, Failure::Request),
    }
    go_on(world, asker);
}

fn heard_heads(world: &mut World, asker: usize, peer: usize, answer: &Heads) {
    let peer = world.nodes[peer].peer;
    let node = &mut world.nodes[asker];
    node.sync.gives_together(peer, answer.together);
    for head in &answer.heads {
        let whose = world.histories.whose(&head.publisher).expect("a publisher");
        let have = node.shelf.have(whose);
        node.sync.claimed(peer, head.publisher, head.count, have);
    }
    let last = answer.heads.last().map(|head| head.publisher);
    let after = last.filter(|_| answer.more);
    node.sync.heads_answered(peer, after, answer.mark.clone());
}

/// Verified announcements are taken.
pub(super) fn fetched(world: &mut World, question: &Question, counts: &[usize]) {
    let &Question {
        asker, life, peer, ..
    } = question;
    let Asks::Feeds(feeds) = &question.asks else {
        return;
    };
    if !world.lives(asker, life) {
        return;
    }
    let (now, peer) = (world.time(), world.nodes[peer].peer);
    let mut counts = counts.iter();
    for (whose, from) in feeds.iter().copied() {
        let publisher = world.histories.publisher(whose);
        let Some(count) = counts.next() else {
            world.nodes[asker].sync.not_answered(publisher);
            continue;
        };
        for seq in from..from + *count as u64 {
            if world.take(asker, (whose, seq)) == Outcome::OverQuota {
                break;
            }
        }
        let node = &mut world.nodes[asker];
        let have = node.shelf.have(whose);
        match have > from {
            true => node.sync.delivered(publisher, have),
            false => node.sync.failed(peer, publisher, Failure::Request, now),
        }
    }
    go_on(world, asker);
}

/// The connection of a node with a peer is gone, and with it what was asked.
pub(super) fn broken(world: &mut World, node: usize, other: usize) {
    let asked = world.questions.iter();
    let asked = asked.filter(|(_, question)| question.asker == node && question.peer == other);
    let ids: Vec<u64> = asked.map(|(id, _)| *id).collect();
    for id in ids {
        if let Some(question) = world.questions.remove(&id)
            && world.lives(node, question.life)
        {
            failed(world, &question, Failure::Request);
        }
    }
}

fn failed(world: &mut World, question: &Question, failure: Failure) {
    let (now, peer) = (world.time(), world.nodes[question.peer].peer);
    let sync = &mut world.nodes[question.asker].sync;
    match &question.asks {
        Asks::Heads { .. } => sync.heads_failed(peer, failure, now),
        Asks::Feeds(feeds) => {
            for (whose, _) in feeds {
                let publisher = world.histories.publisher(*whose);
                sync.failed(peer, publisher, failure, now);
            }
        }
    }
}

/// Nobody is answered faster than its pace, counted another way than [`crate::feeds`] does.
fn check_pace(world: &mut World, asker: usize, peer: usize) {
    let pair = (asker, peer, world.nodes[peer].life);
    let (first, count) = world.answered.entry(pair).or_insert((world.now, 0));
    *count += 1;
    let rate = crate::serve::RATE;
    let since = (world.now - *first) / rate.every.as_micros() as u64;
    assert!(*count <= u64::from(rate.burst) + since + 1, "too fast");
}

impl Asks {
    fn purpose(&self) -> Purpose {
        match self {
            Self::Heads { .. } => Purpose::Heads,
            Self::Feeds(_) => Purpose::Feeds,
        }
    }
}
