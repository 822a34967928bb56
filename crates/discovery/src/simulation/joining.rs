//! Who is connected with whom: by the joining rule, and by what people do.
//!
//! Everybody has three bootstrap nodes in the configuration and dials them every 15 s while not
//! connected. A newcomer asks those it reached for their peers (at most 64) and connects with up to
//! 32 that more than half name. A node takes 768 connections of others.

use std::collections::BTreeSet;

use super::asking;
use super::chance::mixed;
use super::line::{FRAME, STREAM};
use super::traffic::Purpose;
use super::world::{Event, SECOND, World};
use crate::join::{self, Named, by_turns, named_by_most};
use crate::wire::{MAX_PEERS, Response};

/// Bootstrap nodes in one node's configuration.
const CONFIGURED: usize = 3;
/// Three quarters of the connections that a node has at the most.
const MOST_LINKS: usize = 768;
const REDIAL: u64 = 15;
/// TCP, noise, yamux and identify: ways from one to the other.
const DIALLING: u64 = 8;
/// How often joining looks whether its bootstrap peers are there, and how often it does.
const LOOK: u64 = SECOND / 2;
const LOOKS: u32 = 40;
/// A peer that vanished is missed after so long.
const MISSED: u64 = 30 * SECOND;

/// A node is switched on.
pub(super) fn switch_on(world: &mut World, node: usize) {
    let now = world.now;
    world.nodes[node].is_up = true;
    let life = world.nodes[node].life;
    let first = now + world.chance.next() % SECOND;
    world.plan(first, Event::Tick { node, life });
    let tries = 0;
    world.plan(now + LOOK, Event::Round { node, life, tries });
    let remembered = world.nodes[node].remembered.clone();
    for other in bootstraps(world, node).into_iter().chain(remembered) {
        dial(world, node, other);
    }
}

/// And off; `is_polite`: its connections are closed.
fn switch_off(world: &mut World, node: usize, is_polite: bool) {
    let links = world.nodes[node].links.clone();
    world.nodes[node].end();
    for (other, since) in links {
        let notice = match is_polite {
            true => world.distance(node, other),
            false => MISSED,
        };
        let noticed = Event::Noticed {
            node: other,
            other: node,
            since,
        };
        world.plan(world.now + notice, noticed);
    }
}

/// One goes, one comes.
pub(super) fn churn(world: &mut World) {
    plan_churn(world);
    let first = world.model.bootstraps;
    let up = world.up().into_iter().filter(|node| *node >= first);
    let Some(goes) = world.chance.pick(&up.collect::<Vec<_>>()) else {
        return;
    };
    let is_polite = world.chance.happens(0.5);
    switch_off(world, goes, is_polite);
    let comes_again = world.chance.happens(0.5);
    let comes = match world.chance.pick(&world.away) {
        Some(node) if comes_again => {
            world.away.retain(|away| *away != node);
            node
        }
        _ => world.add(),
    };
    world.away.push(goes);
    switch_on(world, comes);
}

/// The next time that somebody goes.
pub(super) fn plan_churn(world: &mut World) {
    let an_hour = world.model.churn * world.model.nodes as f64;
    if an_hour > 0.0 {
        let wait = world.chance.wait(3600.0 * SECOND as f64 / an_hour);
        world.plan(world.now + wait, Event::Churn);
    }
}

/// The even nodes cannot reach the odd ones any more; it is noticed after a while.
pub(super) fn part(world: &mut World) {
    world.is_parted = true;
    for node in 0..world.nodes.len() {
        for (other, since) in world.nodes[node].links.clone() {
            if world.is_cut(node, other) {
                let noticed = Event::Noticed { node, other, since };
                world.plan(world.now + MISSED, noticed);
            }
        }
    }
}

/// Those in the configuration of a node.
fn bootstraps(world: &World, node: usize) -> Vec<usize> {
    let all = 0..world.model.bootstraps;
    let mut others: Vec<usize> = all.filter(|other| *other != node).collect();
    others.sort_by_key(|other| mixed(mixed(node as u64) ^ *other as u64));
    others.truncate(CONFIGURED);
    others
}

fn dial(world: &mut World, node: usize, other: usize) {
    let at = world.now + DIALLING * world.distance(node, other);
    let life = world.nodes[node].life;
    world.plan(at, Event::Dialled { node, life, other });
}

pub(super) fn link(world: &mut World, node: usize, other: usize) {
    let is_full = world.nodes[other].links.len() >= MOST_LINKS;
    let is_there = world.nodes[other].is_up && !world.is_cut(node, other);
    if is_there && !is_full && other != node && !world.nodes[node].links.contains_key(&other) {
        let now = world.now;
        world.nodes[node].links.insert(other, now);
        world.nodes[other].links.insert(node, now);
    }
}

pub(super) fn unlink(world: &mut World, node: usize, other: usize) {
    world.nodes[node].links.remove(&other);
    world.nodes[node].mesh.remove(&other);
    asking::broken(world, node, other);
}

/// Bootstrap peers that are not connected are dialled now and then.
pub(super) fn redial(world: &mut World, node: usize) {
    if !world.nodes[node].ticks.is_multiple_of(REDIAL) {
        return;
    }
    for other in bootstraps(world, node) {
        if !world.nodes[node].links.contains_key(&other) {
            dial(world, node, other);
        }
    }
}

/// One round of joining.
pub(super) fn round(world: &mut World, node: usize, tries: u32) {
    let now = world.now;
    let life = world.nodes[node].life;
    let configured = bootstraps(world, node);
    let mut voters = configured.clone();
    voters.retain(|other| world.nodes[node].links.contains_key(other));
    voters.truncate(join::MAX_ASKED);
    if voters.len() < configured.len() && tries < LOOKS {
        let tries = tries + 1;
        world.plan(now + LOOK, Event::Round { node, life, tries });
        return;
    }
    let answers: Vec<Vec<Named>> = voters.iter().map(|peer| told(world, node, *peer)).collect();
    let left_out = configured.iter().map(|one| world.nodes[*one].id);
    let mut leave_out: BTreeSet<_> = left_out.collect();
    leave_out.insert(world.nodes[node].id);
    let chosen = named_by_most(&answers, &leave_out, join::MAX_CHOSEN);
    let chosen: Vec<usize> = chosen
        .iter()
        .map(|one| world.by_peer[&one.node.peer_id().parse().expect("a peer id")])
        .collect();
    for other in &chosen {
        dial(world, node, *other);
    }
    world.nodes[node].remembered = chosen;
    let wait = match world.nodes[node].links.len() {
        0..join::FEW => join::EVERY_WHEN_FEW,
        _ => join::EVERY,
    };
    let tries = LOOKS;
    let at = now + wait.as_micros() as u64;
    world.plan(at, Event::Round { node, life, tries });
}

/// What a peer answers about its peers.
fn told(world: &mut World, node: usize, peer: usize) -> Vec<Named> {
    let mut links: Vec<(u64, usize)> = world.nodes[peer]
        .links
        .iter()
        .filter(|(other, _)| **other != node)
        .map(|(other, since)| (*since, *other))
        .collect();
    links.sort_unstable();
    let by_age = links.into_iter();
    let by_age = by_age.map(|(_, other)| (world.nodes[other].id, other));
    let told = by_turns(&world.nodes[node].id, by_age.collect());
    let named = told.into_iter().take(MAX_PEERS).map(|other| {
        let node = world.nodes[other].id;
        let address = format!("/ip4/192.0.2.1/udp/4747/quic-v1/p2p/{node}");
        Named { node, address }
    });
    let named: Vec<Named> = named.collect();
    let addresses = named.iter().map(|one| one.address.clone()).collect();
    let answer = Response::Peers(addresses).encode().expect("memory");
    let bytes = answer.len() as u64 + FRAME + STREAM;
    let _ = world.send(peer, node, bytes, u64::MAX);
    world.nodes[node].traffic.add(Purpose::Joining, bytes);
    named
}
