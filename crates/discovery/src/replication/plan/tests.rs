//! What every plan keeps to.

use cidcast_catalog::Strategy;
use proptest::prelude::{prop_assert, prop_assert_eq, prop_compose, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LIFETIME: Duration = Duration::from_millis(1_000);

fn publisher(n: u8) -> Publisher {
    cidcast_announce::SigningKey::from_seed([n; 32]).publisher()
}

fn of(by: u8, n: u64) -> AssetOf {
    AssetOf {
        publisher: publisher(by),
        asset: AssetId::from_parts(Timestamp::from_millis(n), u128::from(n)),
    }
}

/// Nobody else has it, nothing is here.
fn candidate(publisher: u8, n: u64, bytes: u64) -> Candidate {
    Candidate {
        of: of(publisher, n),
        announced_at: Timestamp::from_millis(n),
        bytes,
        min_copies: 0,
        max_copies: 10,
        copies: 1,
        views: 0,
        here: None,
    }
}

fn here(candidate: Candidate, since: u64) -> Candidate {
    Candidate {
        here: Some(Here {
            since: Timestamp::from_millis(since),
            bytes: candidate.bytes,
            version: Version::Current,
        }),
        ..candidate
    }
}

fn rule(by: u8, amount: Amount, strategy: Strategy) -> Rule {
    Rule {
        publisher: publisher(by),
        amount,
        strategy,
        min_lifetime: LIFETIME,
    }
}

fn kept(plan: &Plan) -> Vec<AssetOf> {
    plan.keep.iter().map(|kept| kept.of).collect()
}

fn evicted(plan: &Plan) -> Vec<(AssetOf, Cause)> {
    let gone = plan.evict.iter();
    gone.map(|gone| (gone.of, gone.cause)).collect()
}

#[test]
fn each_strategy_takes_first_what_it_is_named_after() {
    let watched = Candidate {
        views: 9,
        ..candidate(1, 1, 10)
    };
    let rare = Candidate {
        copies: 0,
        ..candidate(1, 2, 10)
    };
    let newest = candidate(1, 3, 10);
    let all = [watched, rare, newest];
    for (strategy, expected) in [
        (Strategy::Newest, newest),
        (Strategy::Watched, watched),
        (Strategy::Rare, rare),
    ] {
        let plan = plan(&[rule(1, Amount::All, strategy)], &all, 10, NOW);
        assert_eq!(kept(&plan), [expected.of], "{strategy:?}");
        assert_eq!(plan.keep[0].reason, by_strategy(strategy));
    }
}

#[test]
fn what_has_too_few_copies_comes_before_what_is_newer() {
    let wished = Candidate {
        min_copies: 3,
        ..candidate(1, 1, 10)
    };
    let all = [wished, candidate(1, 2, 10)];
    let plan = plan(&[rule(1, Amount::All, Strategy::Newest)], &all, 10, NOW);
    assert_eq!(kept(&plan), [wished.of]);
    assert_eq!(plan.keep[0].reason, KeepReason::Wish);
}

#[test]
fn no_copy_is_made_beyond_what_the_publisher_wants() {
    let enough = Candidate {
        copies: 4,
        max_copies: 4,
        ..candidate(1, 1, 10)
    };
    let rules = [rule(1, Amount::All, Strategy::Newest)];
    assert_eq!(kept(&plan(&rules, &[enough], 100, NOW)), []);
    let here = here(enough, 0);
    assert_eq!(kept(&plan(&rules, &[here], 100, NOW)), [here.of]);
}

#[test]
fn the_newest_replace_the_oldest_when_their_lifetime_is_over() {
    let rules = [rule(1, Amount::Newest(1), Strategy::Newest)];
    let young = here(candidate(1, 1, 10), NOW.as_millis() - 10);
    let new = candidate(1, 2, 10);
    let soon = plan(&rules, &[young, new], 100, NOW);
    assert_eq!(kept(&soon), [young.of, new.of]);
    let later = plan(&rules, &[young, new], 100, NOW.after(LIFETIME));
    assert_eq!(kept(&later), [new.of]);
    assert_eq!(evicted(&later), [(young.of, Cause::NotWanted)]);
}

#[test]
fn a_minimum_lifetime_outlives_a_smaller_budget() {
    let young = here(candidate(1, 1, 10), NOW.as_millis() - 10);
    let rules = [rule(1, Amount::All, Strategy::Newest)];
    let plan = plan(&rules, &[young, candidate(1, 2, 1)], 5, NOW);
    assert_eq!(kept(&plan), [young.of]);
    assert_eq!(plan.keep[0].reason, KeepReason::Lifetime);
}

#[test]
fn strategies_compete_by_turns_for_one_budget() {
    let rules = [
        rule(1, Amount::All, Strategy::Newest),
        rule(2, Amount::All, Strategy::Watched),
    ];
    let mut all = Vec::new();
    for n in 0..20 {
        all.extend([candidate(1, n, 10), candidate(2, n, 30)]);
    }
    let plan = plan(&rules, &all, 120, NOW);
    let first = kept(&plan)
        .iter()
        .filter(|s| s.publisher == publisher(1))
        .count();
    assert_eq!((first, plan.keep.len()), (6, 8), "60 bytes each");
}

#[test]
fn what_nobody_follows_goes_and_what_is_frozen_stays() {
    let rules = [rule(2, Amount::Frozen, Strategy::Newest)];
    let stranger = here(candidate(1, 1, 10), 0);
    let frozen = here(candidate(2, 1, 10), 0);
    let plan = plan(&rules, &[stranger, frozen, candidate(2, 2, 1)], 100, NOW);
    assert_eq!(evicted(&plan), [(stranger.of, Cause::NotFollowed)]);
    assert_eq!(kept(&plan), [frozen.of]);
    assert_eq!(plan.keep[0].reason, KeepReason::Frozen);
}

#[test]
fn a_new_package_is_fetched_while_the_old_one_is_still_here() {
    let mut old = here(candidate(1, 1, 10), 0);
    old.here = old.here.map(|here| Here {
        version: Version::Outdated,
        ..here
    });
    let rules = [rule(1, Amount::All, Strategy::Newest)];
    let roomy = plan(&rules, &[old], 20, NOW);
    assert_eq!(roomy.keep[0].action, Action::Renew);
    // Without room for both the old one goes first.
    let tight = plan(&rules, &[old], 19, NOW);
    assert_eq!(evicted(&tight), [(old.of, Cause::NoRoom)]);
}

prop_compose! {
    fn any_candidate()(
        of in 1u8..6, n in 0u64..40, bytes in 0u64..50, min_copies in 0u32..4,
        max_copies in 0u32..6, copies in 0u32..6, views in 0u64..5,
        here in proptest::option::of((0u64..3_000, 0u64..50)),
    ) -> Candidate {
        Candidate {
            min_copies, max_copies, copies, views,
            here: here.map(|(age, held)| Here {
                since: Timestamp::from_millis(NOW.as_millis() - age),
                bytes: if held % 4 == 0 { held } else { bytes },
                version: if held % 4 == 0 { Version::Outdated } else { Version::Current },
            }),
            ..candidate(of, n, bytes)
        }
    }
}

prop_compose! {
    fn any_rule()(of in 1u8..5, amount in 0u32..6, size in 0u64..200, strategy in 0u8..3) -> Rule {
        let amount = match amount {
            0 => Amount::Nothing,
            1 => Amount::Newest(u32::try_from(size).unwrap() / 20),
            2 | 3 => Amount::Budget(size),
            4 => Amount::All,
            _ => Amount::Frozen,
        };
        let strategy = match strategy {
            0 => Strategy::Newest,
            1 => Strategy::Watched,
            _ => Strategy::Rare,
        };
        rule(of, amount, strategy)
    }
}

/// One rule for each publisher, and each asset once.
fn any_world() -> impl Generator<Value = (Vec<Rule>, Vec<Candidate>, u64)> {
    let rules = proptest::collection::vec(any_rule(), 0..5);
    let candidates = proptest::collection::vec(any_candidate(), 0..60);
    (rules, candidates, 0u64..600).prop_map(|(rules, candidates, budget)| {
        let rules: BTreeMap<_, _> = rules.into_iter().map(|r| (r.publisher, r)).collect();
        let all: BTreeMap<_, _> = candidates.into_iter().map(|c| (c.of, c)).collect();
        (
            rules.into_values().collect(),
            all.into_values().collect(),
            budget,
        )
    })
}

/// What a kept candidate takes.
fn cost(candidate: &Candidate, action: Action) -> u64 {
    let held = candidate.here.map_or(0, |here| here.bytes);
    match action {
        Action::Stay => held,
        Action::Take => candidate.bytes,
        Action::Renew => held + candidate.bytes,
    }
}

/// Kept candidates with their reasons and costs.
fn costs<'a>(plan: &Plan, all: &'a [Candidate]) -> Vec<(&'a Candidate, KeepReason, u64)> {
    let found = plan.keep.iter().map(|kept| {
        let candidate = all.iter().find(|c| c.of == kept.of).unwrap();
        (candidate, kept.reason, cost(candidate, kept.action))
    });
    found.collect()
}

fn is_protected(reason: KeepReason) -> bool {
    matches!(reason, KeepReason::Lifetime | KeepReason::Frozen)
}

proptest! {
    #[test]
    fn nothing_is_taken_above_the_budget((rules, all, budget) in any_world()) {
        let plan = plan(&rules, &all, budget, NOW);
        let costs = costs(&plan, &all);
        let total: u64 = costs.iter().map(|(_, _, cost)| cost).sum();
        let stays: u64 = costs.iter().filter(|(c, r, _)| is_protected(*r) && c.here.is_some())
            .map(|(c, _, _)| c.here.unwrap().bytes).sum();
        prop_assert_eq!(total, plan.bytes);
        prop_assert!(total <= budget.max(stays), "{} of {}", total, budget);
        for rule in &rules {
            if let Amount::Budget(limit) = rule.amount {
                let own = costs.iter().filter(|(c, ..)| c.of.publisher == rule.publisher);
                let (total, stays) = own.fold((0, 0), |(total, stays), (c, reason, cost)| {
                    let held = c.here.map_or(0, |here| here.bytes);
                    (total + cost, stays + if is_protected(*reason) { held } else { 0 })
                });
                prop_assert!(total <= limit.max(stays));
            }
        }
    }

    #[test]
    fn nothing_goes_before_its_minimum_lifetime((rules, all, budget) in any_world()) {
        let plan = plan(&rules, &all, budget, NOW);
        for gone in &plan.evict {
            let candidate = all.iter().find(|c| c.of == gone.of).unwrap();
            let is_followed = rules.iter().any(|r| r.publisher == gone.of.publisher);
            let is_young = candidate.here.unwrap().since.after(LIFETIME) > NOW;
            prop_assert!(!is_young || !is_followed);
        }
    }

    #[test]
    fn a_wished_copy_is_left_out_only_for_want_of_room((rules, all, budget) in any_world()) {
        let plan = plan(&rules, &all, budget, NOW);
        let kept = kept(&plan);
        let first: u64 = costs(&plan, &all).iter()
            .filter(|(_, reason, _)| is_protected(*reason) || *reason == KeepReason::Wish)
            .map(|(_, _, cost)| cost).sum();
        for rule in rules.iter().filter(|rule| rule.amount == Amount::All) {
            for wished in all.iter().filter(|c| c.of.publisher == rule.publisher) {
                let is_wished = wished.copies < wished.min_copies.min(wished.max_copies);
                if is_wished && !kept.contains(&wished.of) {
                    let held = wished.here.map_or(wished.bytes, |here| match here.version {
                        Version::Current => here.bytes,
                        Version::Outdated => here.bytes + wished.bytes,
                    });
                    prop_assert!(first + held > budget);
                }
            }
        }
    }

    #[test]
    fn what_is_here_is_either_kept_or_evicted((rules, all, budget) in any_world()) {
        let plan = plan(&rules, &all, budget, NOW);
        let (kept, gone) = (kept(&plan), evicted(&plan));
        for candidate in &all {
            let stays = kept.iter().filter(|s| **s == candidate.of).count();
            let goes = gone.iter().filter(|(s, _)| *s == candidate.of).count();
            prop_assert!(stays + goes <= 1);
            prop_assert!(candidate.here.is_none() || stays + goes == 1);
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        (rules, all, budget) in any_world(), turn in 0usize..60,
    ) {
        let expected = plan(&rules, &all, budget, NOW);
        let mut turned = all.clone();
        turned.rotate_left(turn.min(all.len()));
        turned.reverse();
        let reversed: Vec<Rule> = rules.iter().rev().copied().collect();
        prop_assert_eq!(plan(&reversed, &turned, budget, NOW), expected);
    }

    #[test]
    fn carrying_a_plan_out_changes_nothing_in_the_next(
        (rules, all, budget) in any_world(), lifetime in 0u64..2,
    ) {
        let lifetime = Duration::from_millis(lifetime);
        let rules: Vec<Rule> = rules.into_iter()
            .map(|rule| Rule { min_lifetime: lifetime, ..rule }).collect();
        let all: Vec<Candidate> = all.into_iter().map(|c| match c.here {
            Some(here) if here.version == Version::Outdated => Candidate { here: None, ..c },
            _ => c,
        }).collect();
        let first = plan(&rules, &all, budget, NOW);
        let held: BTreeSet<AssetOf> = kept(&first).into_iter().collect();
        let carried: Vec<Candidate> = all.into_iter().map(|c| Candidate {
            here: held.contains(&c.of).then(|| c.here.unwrap_or(Here {
                since: NOW, bytes: c.bytes, version: Version::Current,
            })),
            ..c
        }).collect();
        let second = plan(&rules, &carried, budget, NOW);
        prop_assert_eq!(second.keep.iter().map(|k| k.of).collect::<BTreeSet<_>>(), held);
        prop_assert!(second.evict.is_empty());
        prop_assert!(second.keep.iter().all(|kept| kept.action == Action::Stay));
    }
}
