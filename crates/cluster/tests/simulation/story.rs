//! Trouble, then peace.

use std::time::Duration;

use cidcast_announce::cluster::{ClusterOp, Copies, PinSpec};
use cidcast_cluster::Settings;
use cidcast_types::Cid;
use sha2::{Digest, Sha256};

use super::chance::Chance;
use super::member::Member;
use super::outcome;
use super::world::{BEGIN, Weather, World};

/// How long there is trouble, and how long everything may take to heal, in milliseconds.
const TROUBLE: u64 = 600_000;
const PEACE: u64 = 1_800_000;
const STEP: u64 = 4000;

pub(crate) fn settings() -> Settings {
    Settings {
        heartbeat: Duration::from_secs(5),
        deadline: Duration::from_secs(15),
        grace: Duration::from_secs(30),
        trim_delay: Duration::from_secs(60),
        audit_interval: Duration::from_secs(10),
        parallel_pins: 3,
        reserve: 10,
    }
}

/// Seconds until everything had healed.
pub(crate) fn run(seed: u64) -> u64 {
    let mut chance = Chance::new(!seed);
    let count = chance.between(3, 6);
    let members = (1..=count).map(|number| {
        let number = u8::try_from(number).expect("few members");
        let mut member = Member::new(number, chance.between(1500, 4000));
        let hours = i64::try_from(chance.below(13)).expect("hours") - 6;
        member.skew = hours * 3_600_000 * i64::from(chance.permille(300));
        member
    });
    let mut world = World::new(seed, members.collect(), settings());
    let mut roots = 0;
    while world.now < BEGIN + TROUBLE {
        trouble(&mut world, &mut chance, &mut roots);
        let until = world.now + STEP;
        world.run_until(until, outcome::at_every_step);
    }
    calm(&mut world);
    let began = world.now;
    loop {
        let until = world.now + 2 * STEP;
        world.run_until(until, outcome::at_every_step);
        match outcome::unhealed(&world) {
            None => return (world.now - began) / 1000,
            Some(why) => assert!(world.now < began + PEACE, "not healed: {why}"),
        }
    }
}

fn trouble(world: &mut World, chance: &mut Chance, roots: &mut u64) {
    let index = chance.index(world.members.len());
    match chance.below(100) {
        0..25 => pin(world, chance, index, roots),
        25..32 => {
            let known: Vec<Cid> = world.sizes.keys().copied().collect();
            if !known.is_empty() {
                let root = known[chance.index(known.len())];
                world.command(index, vec![ClusterOp::Unpin { root }]);
            }
        }
        32..40 => settle(world, chance, index),
        40..50 => world.crash(index),
        50..65 => restart_all(world, chance),
        65..68 => {
            wipe(world, index, chance.permille(500));
        }
        68..74 => {
            world.members[index].disk.is_full = !world.members[index].disk.is_full;
            world.space(index);
        }
        74..82 => {
            let other = chance.index(world.members.len());
            if other != index {
                world.cuts.push((index.min(other), index.max(other)));
            }
        }
        82..88 => world.cuts.clear(),
        88..92 => {
            // One side of the members does not hear the other.
            let side = chance.draw();
            let is_left = |one: usize| (side >> one) & 1 == 0;
            for a in 0..world.members.len() {
                let others = a + 1..world.members.len();
                let cut = others.filter(|b| is_left(a) != is_left(*b));
                world.cuts.extend(cut.map(|b| (a, b)));
            }
        }
        92..95 => rot(world, chance, index),
        _ => {
            world.weather = Weather {
                lost: chance.below(300),
                doubled: chance.below(100),
                slow: chance.below(200),
            };
        }
    }
}

fn pin(world: &mut World, chance: &mut Chance, index: usize, roots: &mut u64) {
    *roots += 1;
    let root = root(*roots);
    let min = u16::try_from(chance.between(1, 3)).expect("few copies");
    let max = min + u16::from(chance.permille(400));
    let mut spec = PinSpec::new(if chance.permille(50) {
        Copies::Everywhere
    } else {
        Copies::Between { min, max }
    });
    spec.priority = u8::try_from(chance.below(256)).expect("a byte");
    spec.spread = chance.permille(200).then(|| "place".to_owned());
    let spec = Box::new(spec);
    if world.command(index, vec![ClusterOp::Pin { root, spec }]) {
        world.sizes.insert(root, chance.between(20, 200));
        world.members[index].disk.own.insert(root);
    }
}

fn settle(world: &mut World, chance: &mut Chance, index: usize) {
    let other = world.members[chance.index(world.members.len())].node;
    let clock = world.members[index].clock(world.now);
    let Some(machine) = &world.members[index].machine else {
        return;
    };
    let draft = machine.settle_member(clock, other, |settings| match chance.below(3) {
        0 => settings.weight = 50 + u32::try_from(chance.below(100)).unwrap_or(0),
        1 => settings.draining = !settings.draining,
        _ => {
            let place = chance.below(3).to_string();
            settings.tags.insert("place".to_owned(), place);
        }
    });
    if let Ok(draft) = draft {
        world.sign(index, draft);
    }
}

/// Everyone who is down may come back.
fn restart_all(world: &mut World, chance: &mut Chance) {
    for index in 0..world.members.len() {
        if world.members[index].machine.is_none() && chance.permille(600) {
            revive(world, index);
        }
    }
}

/// A member whose log is gone has to join again; that needs somebody who is up.
fn revive(world: &mut World, index: usize) -> bool {
    if !world.members[index].disk.entries.is_empty() {
        world.start(index);
        return true;
    }
    let up = |one: &usize| world.members[*one].machine.is_some() && world.hears(*one, index);
    let inviter = (0..world.members.len()).find(up);
    inviter.is_some_and(|inviter| world.admit(inviter, index))
}

/// A disk is lost, with the log or without.
fn wipe(world: &mut World, index: usize, with_log: bool) {
    let has_log = |one: &Member| one.machine.is_some() || !one.disk.entries.is_empty();
    let others = (0..world.members.len()).filter(|other| *other != index);
    let others = others.filter(|other| has_log(&world.members[*other]));
    if others.count() == 0 {
        return;
    }
    // What only it has signed must not be lost with it: everyone has heard it.
    let is_heard = world.members[index].disk.entries.iter().all(|entry| {
        let mut others = world.members.iter().enumerate();
        others.all(|(other, member)| other == index || member.disk.entries.contains(entry))
    });
    world.crash(index);
    world.members[index].disk.held.clear();
    world.members[index].disk.rotten.clear();
    if with_log && is_heard {
        world.members[index].disk.entries.clear();
    }
}

/// A block is damaged, of a root of which somebody else has a good copy.
fn rot(world: &mut World, chance: &mut Chance, index: usize) {
    let held: Vec<Cid> = world.members[index].disk.held.keys().copied().collect();
    if held.is_empty() {
        return;
    }
    let root = held[chance.index(held.len())];
    world.members[index].disk.rotten.insert(root);
}

/// Everything is up and hears everything.
fn calm(world: &mut World) {
    world.cuts.clear();
    world.weather = Weather::default();
    for index in 0..world.members.len() {
        world.members[index].disk.is_full = false;
        if world.members[index].machine.is_some() {
            world.space(index);
        }
    }
    // Those with a log first: the others join again with their help.
    for with_log in [true, false] {
        for index in 0..world.members.len() {
            let member = &world.members[index];
            if member.machine.is_none() && member.disk.entries.is_empty() != with_log {
                assert!(revive(world, index), "nobody lets {index} in again");
            }
        }
    }
}

pub(crate) fn root(number: u64) -> Cid {
    let digest = Sha256::digest(number.to_be_bytes());
    let hash = cid::multihash::Multihash::wrap(0x12, &digest).expect("a digest");
    Cid::new_v1(0x70, hash)
}
