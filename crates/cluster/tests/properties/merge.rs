//! What members have signed adds up to the same everywhere.

use std::collections::BTreeMap;

use cid::Cid;
use cidcast_announce::cluster::{ClusterOp, Entry, MemberSettings, PinSpec, Role, Stamp};
use cidcast_announce::{NodeId, NodeKey};
use cidcast_cluster::{Action, Event, Machine};
use cidcast_types::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::stage::{Stage, admit, at, pin, root};

const MEMBERS: u8 = 4;
const HOUR: i64 = 3_600_000;

/// What somebody does, at a member with its own clock, knowing what it knows.
#[derive(Debug, Clone)]
enum Deed {
    Pin(u32, u16),
    Unpin(u32),
    Settle(Index, u32),
    Demote(Index),
    Remove(Index),
    Readmit(Index),
    /// It hears all that another has.
    Hear(Index),
}

fn deeds(with_members: bool) -> impl Strategy<Value = Vec<(Index, Deed)>> {
    let pins = prop_oneof![
        3 => (0_u32..5, 1_u16..4).prop_map(|(root, copies)| Deed::Pin(root, copies)),
        2 => (0_u32..5).prop_map(Deed::Unpin),
        2 => any::<Index>().prop_map(Deed::Hear),
    ];
    let members = prop_oneof![
        1 => (any::<Index>(), 0_u32..1000).prop_map(|(member, weight)| Deed::Settle(member, weight)),
        1 => any::<Index>().prop_map(Deed::Demote),
        1 => any::<Index>().prop_map(Deed::Remove),
        2 => any::<Index>().prop_map(Deed::Readmit),
    ];
    let share = if with_members { 1 } else { 0 };
    let deed = prop_oneof![2 => pins.clone().boxed(), share => members.boxed()];
    let deed = if with_members {
        deed.boxed()
    } else {
        pins.boxed()
    };
    prop::collection::vec((any::<Index>(), deed), 1..40)
}

fn skews() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(-10 * HOUR..10 * HOUR, usize::from(MEMBERS))
}

/// Plays deeds at separate machines; every entry that was signed, and the machines at the end.
fn play(stage: &Stage, deeds: &[(Index, Deed)], skews: &[i64]) -> (Vec<Entry>, Vec<Machine>) {
    let count = stage.keys.len();
    let mut machines: Vec<Machine> = (0..count).map(|who| stage.machine(who, at(0))).collect();
    let mut known: Vec<Vec<Entry>> = vec![stage.entries.clone(); count];
    let mut all = stage.entries.clone();
    for (step, (who, deed)) in (0_u64..).zip(deeds) {
        let who = who.index(count);
        let now = skewed(step, skews[who]);
        let ops = match deed {
            Deed::Hear(of) => {
                let entries = known[of.index(count)].clone();
                let from = stage.node(of.index(count));
                let actions = machines[who].handle(now, Event::Entries { from, entries });
                known[who].extend(persisted(actions));
                continue;
            }
            Deed::Pin(number, copies) => vec![pin(root(*number), *copies)],
            Deed::Unpin(number) => vec![ClusterOp::Unpin {
                root: root(*number),
            }],
            Deed::Settle(member, weight) => vec![ClusterOp::Settle {
                member: stage.node(member.index(count)),
                settings: MemberSettings {
                    weight: *weight,
                    ..MemberSettings::new(Role::Writer)
                },
            }],
            Deed::Demote(member) => vec![ClusterOp::Settle {
                member: stage.node(member.index(count)),
                settings: MemberSettings::new(Role::Follower),
            }],
            Deed::Remove(member) => {
                let member = stage.node(member.index(count));
                let draft = machines[who].remove_member(now, member);
                draft.map(|draft| draft.ops).unwrap_or_default()
            }
            Deed::Readmit(member) => vec![admit(stage.node(member.index(count)))],
        };
        if ops.is_empty() || machines[who].is_removed() {
            continue;
        }
        let Ok(draft) = machines[who].draft(now, ops) else {
            continue; // not a writer by what it knows
        };
        let entry = Entry::sign(&stage.keys[who], draft).unwrap();
        machines[who].handle(now, Event::Signed(entry.clone()));
        known[who].push(entry.clone());
        all.push(entry);
    }
    (all, machines)
}

fn skewed(step: u64, skew: i64) -> Timestamp {
    Timestamp::from_millis(at(step).as_millis().saturating_add_signed(skew))
}

fn persisted(actions: Vec<Action>) -> Vec<Entry> {
    let entries = actions.into_iter().filter_map(|action| match action {
        Action::Persist(entry) => Some(entry),
        _ => None,
    });
    entries.collect()
}

/// Somebody outside, who is given everything in some order, again and again as those who ask are.
fn onlooker(stage: &Stage, entries: &[Entry], batch: usize) -> Machine {
    let key = NodeKey::from_seed([99; 32]);
    let restored = cidcast_cluster::Restored::default();
    let settings = crate::stage::settings();
    let mut machine = Machine::new(key.node(), stage.cluster(), settings, 1, restored, at(0));
    loop {
        let mut news = 0;
        for entries in entries.chunks(batch) {
            let (from, entries) = (stage.node(0), entries.to_vec());
            let actions = machine.handle(at(0), Event::Entries { from, entries });
            news += persisted(actions).len();
        }
        if news == 0 {
            return machine;
        }
    }
}

type Sum = (BTreeMap<NodeId, MemberSettings>, BTreeMap<Cid, PinSpec>);

fn sum(machine: &Machine) -> Sum {
    let members = machine.members(at(0)).into_iter();
    let members = members.map(|member| (member.node, member.settings));
    let pins = machine.pinset().map(|(root, spec)| (root, spec.clone()));
    (members.collect(), pins.collect())
}

/// The model: of each root the operation with the latest stamp, then author, then number.
fn model(entries: &[Entry]) -> BTreeMap<Cid, PinSpec> {
    type Place = (Stamp, NodeId, u64);
    let mut latest: BTreeMap<Cid, (Place, Option<PinSpec>)> = BTreeMap::new();
    for entry in entries {
        let place = (entry.at(), entry.author(), entry.seq());
        for op in entry.ops() {
            let (root, spec) = match op {
                ClusterOp::Pin { root, spec } => (*root, Some((**spec).clone())),
                ClusterOp::Unpin { root } => (*root, None),
                _ => continue,
            };
            let before = latest.get(&root);
            if before.is_none_or(|(before, _)| *before < place) {
                latest.insert(root, (place, spec));
            }
        }
    }
    let pins = latest.into_iter();
    pins.filter_map(|(root, (_, spec))| Some((root, spec?)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pins_are_those_of_the_model(
        (deeds, skews) in (deeds(false), skews()),
        order in any::<u64>(),
        batch in 1_usize..8,
    ) {
        let stage = Stage::new(MEMBERS);
        let (mut entries, _) = play(&stage, &deeds, &skews);
        let expected = model(&entries);
        shuffle(&mut entries, order);
        let seen = onlooker(&stage, &entries, batch);
        prop_assert_eq!(sum(&seen).1, expected);
    }

    #[test]
    fn members_and_pins_do_not_depend_on_the_order(
        (deeds, skews) in (deeds(true), skews()),
        orders in prop::collection::vec(any::<u64>(), 3),
        batch in 1_usize..8,
    ) {
        let stage = Stage::new(MEMBERS);
        let (mut entries, mut machines) = play(&stage, &deeds, &skews);
        let expected = sum(&onlooker(&stage, &entries, entries.len()));
        for order in orders {
            shuffle(&mut entries, order);
            // Twice each, as when an answer arrives twice.
            let twice: Vec<Entry> = entries.iter().chain(&entries).cloned().collect();
            prop_assert_eq!(sum(&onlooker(&stage, &twice, batch)), expected.clone());
        }
        // Those that were there all the time come to the same, whatever they have seen before.
        for machine in &mut machines {
            for _ in 0..entries.len() {
                let (from, entries) = (stage.node(0), entries.clone());
                machine.handle(at(0), Event::Entries { from, entries });
            }
            let is_over = machine.is_removed();
            prop_assert!(is_over || sum(machine) == expected);
        }
        // And so does who starts again with what it had.
        let restored = cidcast_cluster::Restored { entries: entries.clone(), held: Vec::new() };
        let again = Machine::new(
            NodeKey::from_seed([99; 32]).node(),
            stage.cluster(),
            crate::stage::settings(),
            2,
            restored,
            at(0),
        );
        prop_assert_eq!(sum(&again), expected);
    }
}

fn shuffle(entries: &mut [Entry], seed: u64) {
    let mut state = seed | 1;
    for last in (1..entries.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (last as u64 + 1)).unwrap();
        entries.swap(last, other);
    }
}

#[test]
fn a_command_wins_over_what_its_author_has_seen_whatever_the_clocks_say() {
    let stage = Stage::new(2);
    let mut ahead = stage.machine(0, at(0));
    let mut behind = stage.machine(1, at(0));
    let ten_hours = 36_000;
    let (entry, _) = stage.sign(0, &mut ahead, at(ten_hours), vec![pin(root(1), 1)]);
    let from = stage.node(0);
    let entries = vec![entry];
    behind.handle(at(0), Event::Entries { from, entries });
    let ops = vec![ClusterOp::Unpin { root: root(1) }];
    let (entry, _) = stage.sign(1, &mut behind, at(0), ops);
    let from = stage.node(1);
    let entries = vec![entry];
    ahead.handle(at(ten_hours), Event::Entries { from, entries });
    assert_eq!(ahead.pinset().count(), 0);
    assert_eq!(behind.pinset().count(), 0);
}

#[test]
fn nothing_counts_that_a_member_signs_after_its_removal_even_with_an_early_time() {
    let stage = Stage::new(3);
    let mut founder = stage.machine(0, at(100));
    let mut removed = stage.machine(1, at(100));
    let mut witness = stage.machine(2, at(100));
    let draft = founder.remove_member(at(100), stage.node(1)).unwrap();
    let removal = Entry::sign(&stage.keys[0], draft).unwrap();
    founder.handle(at(100), Event::Signed(removal.clone()));
    // It does not know yet, and its clock is behind: by time alone this would be before.
    let (late, _) = stage.sign(1, &mut removed, at(50), vec![pin(root(1), 1)]);
    let from = stage.node(1);
    let given = |entry: &Entry| Event::Entries {
        from,
        entries: vec![entry.clone()],
    };
    // One has it before it hears of the removal, the other after.
    witness.handle(at(101), given(&late));
    assert_eq!(witness.pinset().count(), 1);
    witness.handle(at(102), given(&removal));
    founder.handle(at(102), given(&late));
    assert_eq!(witness.pinset().count(), 0);
    assert_eq!(founder.pinset().count(), 0);
    assert_eq!(sum(&witness), sum(&founder));
    removed.handle(at(103), given(&removal));
    assert!(removed.is_removed());
}
