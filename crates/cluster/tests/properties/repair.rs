//! Who begins what, and what is let go.

use cid::Cid;
use cidcast_announce::cluster::{ClusterOp, Copies, Entry, MemberSettings, PinSpec, Role};
use cidcast_cluster::{Action, Event, HoldingState, LocalPin, Machine, ProofOutcome};

use crate::stage::{ROOM, Stage, at, begun, let_go, pin, root, settings};

const PINNED: HoldingState = HoldingState::Pinned { bytes: 10 };

/// The roots, of the first hundred, that member 0 is to keep or not, with one copy of each wanted.
fn roots(machine: &Machine, stage: &Stage, mine: bool) -> Vec<Cid> {
    let all = (0..100).map(root);
    let is_mine = |root: &Cid| {
        let allocated = machine.pin(root).unwrap().allocated;
        allocated.contains(&stage.node(0)) == mine
    };
    all.filter(is_mine).collect()
}

fn hundred(copies: u16) -> Vec<ClusterOp> {
    (0..100).map(|number| pin(root(number), copies)).collect()
}

/// What is let go while everyone speaks up, up to a second.
fn gone_by(stage: &Stage, machine: &mut Machine, now: &mut u64, until: u64) -> Vec<Cid> {
    let mut gone = Vec::new();
    while *now < until {
        *now += 5;
        stage.beat_all(machine, at(*now), *now);
        gone.extend(let_go(&machine.handle(at(*now), Event::Tick)));
    }
    gone
}

fn local(root: Cid, state: LocalPin) -> Event {
    Event::Local { root, state }
}

#[test]
fn a_surplus_copy_is_let_go_after_the_others_have_theirs_and_a_delay() {
    let stage = Stage::new(3);
    let mut machine = stage.oriented(at(0));
    stage.sign(0, &mut machine, at(1), hundred(2));
    let surplus = roots(&machine, &stage, false)[0];
    machine.handle(at(1), local(surplus, LocalPin::Pinned { bytes: 10 }));
    // One of the two has it: nothing is let go, ever.
    let held = vec![(surplus, PINNED)];
    stage.tell(&mut machine, at(2), 1, 0, held.clone());
    let mut now = 2;
    assert_eq!(gone_by(&stage, &mut machine, &mut now, 3_000), []);
    stage.tell(&mut machine, at(now), 2, 0, held);
    let delay = settings().trim_delay.as_secs();
    assert_eq!(
        gone_by(&stage, &mut machine, &mut now, 3_000 + delay - 10),
        []
    );
    assert_eq!(
        gone_by(&stage, &mut machine, &mut now, 3_000 + delay + 20),
        [surplus]
    );
}

fn elsewhere(root: Cid, service: &str, kept: bool) -> ClusterOp {
    let service = service.to_owned();
    ClusterOp::Elsewhere {
        root,
        service,
        kept,
    }
}

#[test]
fn a_service_outside_takes_the_place_of_a_member_and_gives_it_back() {
    let stage = Stage::new(3);
    let mut machine = stage.oriented(at(0));
    stage.sign(0, &mut machine, at(1), vec![pin(root(1), 3)]);
    let view = |machine: &Machine| {
        let pin = machine.pin(&root(1)).unwrap();
        (pin.allocated.len(), pin.copies, pin.wanted)
    };
    assert_eq!(view(&machine), (3, 0, 3));
    let say = |machine: &mut Machine, now, service, kept| {
        let ops = vec![elsewhere(root(1), service, kept)];
        stage.sign(0, machine, at(now), ops);
    };
    say(&mut machine, 2, "https://one.example/psa", true);
    assert_eq!(view(&machine), (2, 1, 3));
    // The same again is no second copy; other services are, but one copy stays here.
    say(&mut machine, 3, "https://one.example/psa", true);
    assert_eq!(view(&machine), (2, 1, 3));
    say(&mut machine, 4, "https://two.example/psa", true);
    say(&mut machine, 5, "https://three.example/psa", true);
    assert_eq!(view(&machine), (1, 3, 3));
    assert_eq!(machine.said_elsewhere().len(), 3);
    say(&mut machine, 6, "https://one.example/psa", false);
    say(&mut machine, 7, "https://two.example/psa", false);
    say(&mut machine, 8, "https://three.example/psa", false);
    assert_eq!(view(&machine), (3, 0, 3));
    assert_eq!(machine.said_elsewhere(), []);
}

#[test]
fn what_a_member_that_is_out_said_of_services_counts_no_longer() {
    let stage = Stage::new(3);
    let mut other = stage.machine(1, at(0));
    let (entry, _) = stage.sign(
        1,
        &mut other,
        at(1),
        vec![
            pin(root(1), 3),
            elsewhere(root(1), "https://one.example", true),
        ],
    );
    let mut machine = stage.oriented(at(0));
    let (from, entries) = (stage.node(1), vec![entry]);
    machine.handle(at(2), Event::Entries { from, entries });
    let pinned = machine.pin(&root(1)).unwrap();
    assert_eq!((pinned.allocated.len(), pinned.copies), (2, 1));
    assert_eq!(
        pinned.elsewhere,
        [(stage.node(1), "https://one.example".to_owned())]
    );
    let removal = ClusterOp::Remove {
        member: stage.node(1),
        last: Some(0),
    };
    stage.sign(0, &mut machine, at(3), vec![removal]);
    let pinned = machine.pin(&root(1)).unwrap();
    assert_eq!((pinned.allocated.len(), pinned.copies), (2, 0));
    assert_eq!(pinned.elsewhere, []);
}

#[test]
fn a_copy_is_kept_while_one_of_the_others_has_failed_a_challenge() {
    let stage = Stage::new(3);
    let mut machine = stage.oriented(at(0));
    stage.sign(0, &mut machine, at(1), hundred(2));
    let surplus = roots(&machine, &stage, false)[0];
    machine.handle(at(1), local(surplus, LocalPin::Pinned { bytes: 10 }));
    for member in [1, 2] {
        stage.tell(&mut machine, at(2), member, 0, vec![(surplus, PINNED)]);
    }
    assert_eq!(machine.pin(&surplus).unwrap().copies, 3);
    let (member, outcome) = (stage.node(1), ProofOutcome::Failed);
    let root = surplus;
    let proof = |outcome| Event::Proof {
        member,
        root,
        outcome,
    };
    let actions = machine.handle(at(3), proof(outcome));
    let accused = Action::Accuse { of: member, root };
    assert!(actions.contains(&accused), "{actions:?}");
    assert_eq!(machine.pin(&surplus).unwrap().copies, 2);
    // The accusation may be lost: it is challenged again, and again told.
    let asked = machine.audit_now(Some(&root), at(4));
    assert!(asked.contains(&Action::Challenge { of: member, root }));
    let again = machine.handle(at(5), proof(ProofOutcome::Failed));
    assert!(again.contains(&accused), "{again:?}");
    let mut now = 5;
    while now < 3_000 {
        now += 5;
        stage.beat_all(&mut machine, at(now), now);
        assert_eq!(let_go(&machine.handle(at(now), Event::Tick)), []);
    }
    machine.handle(at(now), proof(ProofOutcome::Proved { bytes: 10 }));
    assert_eq!(machine.pin(&surplus).unwrap().copies, 3);
}

#[test]
fn who_has_just_started_begins_nothing_before_it_has_heard_of_the_others() {
    let stage = Stage::new(3);
    let mut founder = stage.machine(0, at(0));
    let (entry, _) = stage.sign(0, &mut founder, at(1), hundred(1));
    let mut stage = stage;
    stage.entries.push(entry);
    let mut machine = stage.machine(0, at(10));
    let (capacity, free) = (ROOM, ROOM);
    let mut actions = machine.handle(at(10), Event::Space { capacity, free });
    actions.extend(machine.handle(at(10), Event::Tick));
    actions.extend(machine.handle(at(11), Event::Beat(stage.beat(1, 1, 0))));
    assert_eq!(begun(&actions), []);
    assert_eq!(machine.health(at(11)).pins, 100);
    let actions = machine.handle(at(12), Event::Beat(stage.beat(2, 1, 0)));
    let begun_now = begun(&actions);
    assert_eq!(begun_now.len(), settings().parallel_pins);
    let mine = roots(&machine, &stage, true);
    assert!(begun_now.iter().all(|root| mine.contains(root)));
    assert!((15..55).contains(&mine.len()), "{}", mine.len());
}

#[test]
fn who_does_not_speak_up_is_not_waited_for_past_the_deadline() {
    let stage = Stage::new(3);
    let mut machine = stage.machine(0, at(0));
    let (capacity, free) = (ROOM, ROOM);
    machine.handle(at(0), Event::Space { capacity, free });
    let (_, actions) = stage.sign(0, &mut machine, at(1), hundred(1));
    assert_eq!(begun(&actions), []);
    let actions = machine.handle(at(31), Event::Tick);
    assert_eq!(begun(&actions).len(), settings().parallel_pins);
}

#[test]
fn the_fewest_copies_come_first_then_the_highest_priority() {
    let stage = Stage::new(2);
    let mut machine = stage.oriented(at(0));
    let spec = |priority| PinSpec {
        priority,
        ..PinSpec::new(Copies::Everywhere)
    };
    let pin = |number, priority| ClusterOp::Pin {
        root: root(number),
        spec: Box::new(spec(priority)),
    };
    // The first four take the places.
    let ops = (0..4).map(|number| pin(number, 255)).collect();
    let (_, actions) = stage.sign(0, &mut machine, at(1), ops);
    assert_eq!(begun(&actions).len(), 4);
    let ops = vec![pin(4, 255), pin(5, 1), pin(6, 200)];
    stage.sign(0, &mut machine, at(2), ops);
    stage.tell(&mut machine, at(3), 1, 0, vec![(root(4), PINNED)]);
    let mut order = Vec::new();
    for number in 0..3 {
        let done = local(root(number), LocalPin::Pinned { bytes: 10 });
        order.extend(begun(&machine.handle(at(4), done)));
    }
    assert_eq!(order, [root(6), root(5), root(4)]);
}

#[test]
fn nothing_is_begun_for_which_there_is_no_room_and_it_is_when_there_is() {
    let stage = Stage::new(2);
    let mut machine = stage.oriented(at(0));
    let big = HoldingState::Pinned { bytes: 900 };
    stage.sign(
        0,
        &mut machine,
        at(1),
        vec![pin(root(1), 2), pin(root(2), 2)],
    );
    // Begun before anyone knew how large they are; then the store says that they are gone.
    for number in [1, 2] {
        machine.handle(at(2), local(root(number), LocalPin::Gone));
    }
    let (capacity, free) = (ROOM, 500);
    machine.handle(at(3), Event::Space { capacity, free });
    let held = vec![(root(1), big), (root(2), big)];
    stage.tell(&mut machine, at(3), 1, 0, held);
    for number in [1, 2] {
        machine.handle(at(4), local(root(number), LocalPin::Gone));
    }
    let state = |machine: &Machine| machine.health(at(5)).running;
    assert_eq!(state(&machine), 0);
    // Enough for one of them, with the reserve.
    let free = 1_200;
    let actions = machine.handle(at(5), Event::Space { capacity, free });
    assert_eq!(begun(&actions).len(), 1);
    let free = 300;
    let actions = machine.handle(at(6), Event::Space { capacity, free });
    assert_eq!(begun(&actions), []);
    assert_eq!(state(&machine), 1);
}

#[test]
fn who_comes_back_is_counted_with_what_it_has_and_moves_nothing() {
    let stage = Stage::new(3);
    let mut machine = stage.oriented(at(0));
    stage.sign(0, &mut machine, at(1), hundred(1));
    let theirs: Vec<Cid> = roots(&machine, &stage, false);
    let of = |member: usize| -> Vec<(Cid, HoldingState)> {
        let node = stage.node(member);
        let kept = theirs
            .iter()
            .filter(|root| machine.pin(root).unwrap().allocated.contains(&node));
        kept.map(|root| (*root, PINNED)).collect()
    };
    let kept = [of(1), of(2)];
    let mine = roots(&machine, &stage, true);
    for (member, kept) in [1, 2].into_iter().zip(kept) {
        stage.tell(&mut machine, at(2), member, 0, kept);
    }
    for root in &mine {
        machine.handle(at(2), local(*root, LocalPin::Pinned { bytes: 10 }));
    }
    // This one was cut off from everyone, for an hour; nothing could be fetched.
    let lost = machine.handle(at(4_000), Event::Tick);
    assert_eq!(begun(&lost).len(), settings().parallel_pins);
    // They are back: what they have is theirs, at once, and nothing more is begun.
    stage.beat_all(&mut machine, at(4_001), 2);
    let wanted = machine.health(at(4_001));
    assert_eq!((wanted.queued, wanted.without_copy), (0, 0));
    assert_eq!(roots(&machine, &stage, true), mine);
}

#[test]
fn a_draining_member_keeps_what_it_has_until_others_do() {
    let stage = Stage::new(2);
    let mut machine = stage.oriented(at(0));
    stage.sign(0, &mut machine, at(1), vec![pin(root(1), 2)]);
    machine.handle(at(2), local(root(1), LocalPin::Pinned { bytes: 10 }));
    let draft = machine
        .settle_member(at(3), stage.node(0), |settings: &mut MemberSettings| {
            settings.draining = true;
            settings.role = Role::Writer;
        })
        .unwrap();
    let entry = Entry::sign(&stage.keys[0], draft).unwrap();
    machine.handle(at(3), Event::Signed(entry));
    let mut now = 3;
    assert_eq!(gone_by(&stage, &mut machine, &mut now, 2_000), []);
    stage.tell(&mut machine, at(now), 1, 0, vec![(root(1), PINNED)]);
    assert_eq!(gone_by(&stage, &mut machine, &mut now, 2_030), [root(1)]);
}

#[test]
fn a_member_that_lost_its_log_signs_nothing_before_it_has_it_back() {
    let stage = Stage::new(2);
    let mut machine = stage.machine(1, at(0));
    let (entry, _) = stage.sign(1, &mut machine, at(1), vec![pin(root(1), 1)]);
    let mut founder = stage.machine(0, at(0));
    let entries = vec![entry.clone()];
    let from = stage.node(1);
    founder.handle(at(2), Event::Entries { from, entries });
    // Started anew, with the same key.
    let mut again = stage.machine(1, at(10));
    let actions = founder.handle(at(10), Event::Tick);
    let beat = actions.into_iter().find_map(|action| match action {
        Action::Beat { draft, .. } => Some(draft),
        _ => None,
    });
    let beat = cidcast_announce::cluster::Heartbeat::sign(&stage.keys[0], beat.unwrap()).unwrap();
    let asked = again.handle(at(11), Event::Beat(beat));
    let (of, author) = (stage.node(0), stage.node(1));
    let from = 0;
    assert!(asked.contains(&Action::AskEntries { of, author, from }));
    let early = again.draft(at(12), vec![pin(root(2), 1)]);
    assert_eq!(early, Err(cidcast_cluster::CommandError::CatchingUp));
    let entries = vec![entry];
    again.handle(at(13), Event::Entries { from: of, entries });
    assert_eq!(again.draft(at(14), vec![pin(root(2), 1)]).unwrap().seq, 1);
}
