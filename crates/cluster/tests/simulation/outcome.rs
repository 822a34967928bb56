//! What has to hold.

use cidcast_announce::cluster::Copies;
use cidcast_cluster::Machine;
use cidcast_types::Cid;

use super::world::World;

/// At every step.
pub(crate) fn at_every_step(world: &World) {
    for (index, member) in world.members.iter().enumerate() {
        let (used, capacity) = (member.disk.used(), member.disk.capacity);
        assert!(
            used <= capacity,
            "member {index} keeps {used} of {capacity}"
        );
    }
}

/// What has not healed yet, if anything.
pub(crate) fn unhealed(world: &World) -> Option<String> {
    let machines: Vec<&Machine> = world
        .members
        .iter()
        .map(|member| member.machine.as_ref().expect("everyone is up"))
        .collect();
    let clock = world.members[0].clock(world.now);
    let settings = |machine: &Machine| {
        let members = machine.members(clock).into_iter();
        members
            .map(|one| (one.node, one.settings))
            .collect::<Vec<_>>()
    };
    let pinset = |machine: &Machine| {
        let mut pins: Vec<_> = machine
            .pinset()
            .map(|(cid, spec)| (cid, spec.clone()))
            .collect();
        pins.sort_by_key(|(cid, _)| *cid);
        pins
    };
    let first = *machines.first()?;
    for (index, machine) in machines.iter().enumerate() {
        if settings(machine) != settings(first) {
            return Some(format!("{index} sees other members"));
        }
        if pinset(machine) != pinset(first) {
            return Some(format!("{index} sees another pinset"));
        }
    }
    let pins = pinset(first);
    let stray = world
        .members
        .iter()
        .enumerate()
        .find_map(|(index, member)| {
            let is_pinned = |root: &&Cid| pins.iter().any(|(cid, _)| cid == *root);
            let stray = member.disk.held.keys().find(|root| !is_pinned(root));
            stray.map(|root| format!("{index} keeps {root}, which is not pinned"))
        });
    stray.or_else(|| {
        pins.iter()
            .find_map(|(root, spec)| short(world, &machines, root, spec.copies))
    })
}

/// What is missing for one root.
fn short(world: &World, machines: &[&Machine], root: &Cid, copies: Copies) -> Option<String> {
    let members = || world.members.iter().enumerate();
    let holders: Vec<usize> = members()
        .filter(|(_, member)| member.disk.has_copy(root))
        .map(|(index, _)| index)
        .collect();
    let is_anywhere = members().any(|(_, member)| member.disk.has(root));
    if !is_anywhere {
        return None; // every disk that had it is lost
    }
    for (index, machine) in machines.iter().enumerate() {
        let seen = machine.pin(root)?.copies;
        if seen != holders.len() {
            let members = machine.pin(root)?.members;
            return Some(format!(
                "{index} counts {seen} copies of {root}, not {holders:?}: {members:#?}"
            ));
        }
    }
    let draining = |index: usize| {
        let node = world.members[index].node;
        let members = machines[0].members(world.members[0].clock(world.now));
        members
            .iter()
            .any(|one| one.node == node && one.settings.draining)
    };
    let size = world.sizes.get(root).copied().unwrap_or(0);
    // Whoever has room for it, with what is on its way to it.
    let able = members().filter(|(index, member)| {
        let room = member.disk.free() >= size + 3 * world.settings.reserve;
        !draining(*index) && (room || holders.contains(index))
    });
    let able = able.count();
    let wanted = match copies {
        Copies::Everywhere => able,
        Copies::Between { max, .. } => usize::from(max),
    };
    if holders.len() < wanted.min(able) {
        return Some(format!(
            "{root}: {holders:?} have it, {able} could, {wanted} should: {:#?}",
            machines[0].pin(root).map(|pin| pin.members)
        ));
    }
    let is_counted = matches!(copies, Copies::Between { .. });
    let too_many = is_counted && holders.len() > wanted && able >= wanted;
    too_many.then(|| {
        format!(
            "{root}: {holders:?} have it, {wanted} should: {:#?}",
            machines[0].pin(root).map(|pin| pin.members)
        )
    })
}
