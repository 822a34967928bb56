//! gossipsub 1.1 as `cidcast_ipfs::gossip` sets it up: own messages to everybody connected, those of
//! others to the mesh (6, between 5 and 12) once they are judged; each second some others are told
//! what there was within three seconds, and may ask for it for five.
//!
//! Left out: what costs a few bytes now and then (grafting is free and at once), and IDONTWANT of
//! version 1.2, which would save some duplicates.

use super::histories::Said;
use super::line::FRAME;
use super::traffic::Purpose;
use super::world::{Event, SECOND, World};
use crate::feeds::{Heard, Taken, hearing};

/// What one node says to another at once.
pub(super) enum Frame {
    Said(Said),
    Have(Vec<Said>),
    Want(Vec<Said>),
}

const MESH: usize = 6;
const MESH_LOW: usize = 5;
const MESH_HIGH: usize = 12;
const LAZY: usize = 6;
const LAZY_SHARE: usize = 4;
const OFFERED_FOR: u64 = 3 * SECOND;
const KEPT_FOR: u64 = 5 * SECOND;
const REMEMBERED: u64 = 60 * SECOND;
/// Own messages wait so long for their turn, those of others less.
const OWN_PATIENCE: u64 = 5 * SECOND;
const PATIENCE: u64 = SECOND;
/// Topic, fields and lengths around a message; an id with its own.
const ENVELOPE: u64 = 32;
const ID: u64 = 36;
/// Microseconds that verifying an announcement takes: 6,000 a second on one core.
pub(super) const VERIFYING: u64 = 170;

pub(super) fn publish(world: &mut World, node: usize, said: Said) {
    let now = world.now;
    world.nodes[node].seen.insert(said, now);
    world.nodes[node].recent.push_back((now, said));
    let everybody: Vec<usize> = world.nodes[node].links.keys().copied().collect();
    for other in everybody {
        say(world, node, other, Frame::Said(said), OWN_PATIENCE);
    }
}

pub(super) fn receive(world: &mut World, from: usize, node: usize, frame: Frame) {
    let now = world.now;
    let bytes = size(world, &frame);
    let hearer = &mut world.nodes[node];
    if !hearer.links.contains_key(&from) {
        return;
    }
    match frame {
        Frame::Said(said) => {
            hearer.traffic.add(Purpose::Gossip, bytes);
            if hearer.seen.insert(said, now).is_some() {
                hearer.traffic.duplicates += bytes;
                return;
            }
            if world.chance.happens(world.model.dropped) {
                return;
            }
            let life = world.nodes[node].life;
            let at = world.compute(node, VERIFYING);
            let verified = Event::Verified {
                from,
                node,
                life,
                said,
            };
            world.plan(at, verified);
        }
        Frame::Have(offered) => {
            hearer.traffic.add(Purpose::Control, bytes);
            let unseen = offered.into_iter();
            let unseen = unseen.filter(|said| !hearer.seen.contains_key(said));
            let wanted: Vec<Said> = unseen.collect();
            if !wanted.is_empty() {
                say(world, node, from, Frame::Want(wanted), PATIENCE);
            }
        }
        Frame::Want(wanted) => {
            hearer.traffic.add(Purpose::Control, bytes);
            let kept = hearer.recent.iter().map(|(_, said)| *said);
            let given: Vec<Said> = kept.filter(|said| wanted.contains(said)).collect();
            for said in given {
                say(world, node, from, Frame::Said(said), PATIENCE);
            }
        }
    }
}

/// What a node makes of an announcement, as in [`crate::feeds`]'s travel.
pub(super) fn judge(world: &mut World, from: usize, node: usize, said: Said) {
    let now = world.time();
    let publisher = world.histories.publisher(said.0);
    let peer = world.nodes[from].peer;
    let hearing = &mut world.nodes[node].hearing;
    if !hearing.peers.allows(peer, now) || !hearing.publishers.allows(publisher, now) {
        return;
    }
    let outcome = world.take(node, said);
    let heard = Heard {
        peer,
        publisher,
        count: said.1 + 1,
    };
    let hearer = &mut world.nodes[node];
    let taken = Taken {
        outcomes: vec![outcome],
        have: hearer.shelf.have(said.0),
        is_evidence: false,
    };
    let verdict = hearing::note(&mut hearer.sync, heard, &taken);
    if verdict != cidcast_ipfs::gossip::Verdict::Accept {
        return;
    }
    hearer.recent.push_back((world.now, said));
    let others = hearer.mesh.iter().copied().filter(|other| *other != from);
    let others: Vec<usize> = others.collect();
    for other in others {
        say(world, node, other, Frame::Said(said), PATIENCE);
    }
}

/// Once a second: the mesh is kept in its bounds, and the others are told of what was said.
pub(super) fn beat(world: &mut World, node: usize) {
    let now = world.now;
    let beating = &mut world.nodes[node];
    while beating
        .recent
        .front()
        .is_some_and(|(at, _)| at + KEPT_FOR < now)
    {
        beating.recent.pop_front();
    }
    if beating.ticks.is_multiple_of(60) {
        beating.seen.retain(|_, at| *at + REMEMBERED > now);
    }
    let mesh = beating.mesh.len();
    if mesh < MESH_LOW {
        graft(world, node, MESH - mesh);
    } else if mesh > MESH_HIGH {
        let all = beating.mesh.iter().copied().collect();
        for other in world.chance.sample(all, mesh - MESH) {
            world.nodes[node].mesh.remove(&other);
            world.nodes[other].mesh.remove(&node);
        }
    }
    offer(world, node);
}

fn graft(world: &mut World, node: usize, missing: usize) {
    let taken = &world.nodes[node].mesh;
    let links = world.nodes[node].links.keys().copied();
    let free = links.filter(|other| {
        let candidate = &world.nodes[*other];
        !taken.contains(other)
            && candidate.mesh.len() < MESH_HIGH
            && candidate.links.contains_key(&node)
    });
    let free: Vec<usize> = free.collect();
    for other in world.chance.sample(free, missing) {
        world.nodes[node].mesh.insert(other);
        world.nodes[other].mesh.insert(node);
    }
}

fn offer(world: &mut World, node: usize) {
    let now = world.now;
    let offering = &world.nodes[node];
    let recent = offering.recent.iter();
    let recent = recent.filter(|(at, _)| at + OFFERED_FOR >= now);
    let offered: Vec<Said> = recent.map(|(_, said)| *said).collect();
    if offered.is_empty() {
        return;
    }
    let links = offering.links.keys().copied();
    let others: Vec<usize> = links
        .filter(|other| !offering.mesh.contains(other))
        .collect();
    let most = LAZY.max(others.len() / LAZY_SHARE);
    for other in world.chance.sample(others, most) {
        say(world, node, other, Frame::Have(offered.clone()), PATIENCE);
    }
}

fn say(world: &mut World, node: usize, other: usize, frame: Frame, patience: u64) {
    let bytes = size(world, &frame);
    let Some(at) = world.send(node, other, bytes, patience) else {
        return;
    };
    let life = world.nodes[other].life;
    let event = Event::Gossip {
        from: node,
        node: other,
        life,
        frame,
    };
    world.plan(at, event);
}

fn size(world: &World, frame: &Frame) -> u64 {
    let content = match frame {
        Frame::Said(said) => world.histories.bytes(*said),
        Frame::Have(ids) | Frame::Want(ids) => ids.len() as u64 * ID,
    };
    FRAME + ENVELOPE + content
}
