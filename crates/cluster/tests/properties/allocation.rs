//! Who is to keep what.

use std::collections::{BTreeMap, HashSet};

use cidcast_announce::{NodeId, NodeKey};
use cidcast_cluster::{Candidate, allocate};
use proptest::prelude::*;

use crate::stage::root;

fn members(weights: &[u32]) -> Vec<Candidate> {
    let members = (1..).zip(weights).map(|(seed, weight)| Candidate {
        node: NodeKey::from_seed([seed; 32]).node(),
        weight: f64::from(*weight),
        place: None,
    });
    members.collect()
}

fn shares(roots: u32, copies: usize, members: &[Candidate]) -> BTreeMap<NodeId, usize> {
    let mut shares = BTreeMap::new();
    for number in 0..roots {
        for node in allocate(&root(number), copies, members) {
            *shares.entry(node).or_insert(0) += 1;
        }
    }
    shares
}

#[test]
fn only_the_share_of_a_lost_member_moves() {
    let all = members(&[100, 100, 100, 100, 100, 100]);
    for lost in 0..all.len() {
        let (mut moved, mut owned) = (0, 0);
        let mut rest = all.clone();
        let gone = rest.remove(lost).node;
        for number in 0..500 {
            let before: HashSet<_> = allocate(&root(number), 3, &all).into_iter().collect();
            let after: HashSet<_> = allocate(&root(number), 3, &rest).into_iter().collect();
            let new = after.difference(&before).count();
            assert_eq!(new, usize::from(before.contains(&gone)), "root {number}");
            moved += new;
            owned += usize::from(before.contains(&gone));
        }
        assert_eq!(moved, owned);
        // Its share of 500 x 3 copies among 6 is 250.
        assert!((200..300).contains(&moved), "{moved}");
    }
}

#[test]
fn shares_are_as_the_weights() {
    let all = members(&[100, 200, 300, 400]);
    let shares = shares(4000, 1, &all);
    for (member, expected) in all.iter().zip([400, 800, 1200, 1600]) {
        let share = shares.get(&member.node).copied().unwrap_or(0);
        assert!(
            share.abs_diff(expected) < expected / 5,
            "{share} of {expected}"
        );
    }
}

#[test]
fn without_weight_a_member_gets_nothing_while_others_can() {
    let all = members(&[0, 100, 100]);
    let shares = shares(200, 2, &all);
    assert_eq!(shares.get(&all[0].node), None);
    assert_eq!(allocate(&root(1), 3, &all).len(), 3);
}

proptest! {
    #[test]
    fn copies_are_at_different_places_while_there_are_enough(
        places in prop::collection::vec(0_u8..4, 1..9),
        copies in 1_usize..5,
        number in 0_u32..1000,
    ) {
        let mut all = members(&vec![100; places.len()]);
        for (member, place) in all.iter_mut().zip(&places) {
            member.place = Some(place.to_string());
        }
        let chosen = allocate(&root(number), copies, &all);
        let nodes: HashSet<_> = chosen.iter().collect();
        prop_assert_eq!(nodes.len(), chosen.len(), "nobody twice");
        prop_assert_eq!(chosen.len(), copies.min(places.len()));
        let used: HashSet<_> = all
            .iter()
            .filter(|member| chosen.contains(&member.node))
            .map(|member| &member.place)
            .collect();
        let there_are: HashSet<_> = places.iter().collect();
        prop_assert_eq!(used.len(), copies.min(there_are.len()));
    }

    #[test]
    fn the_order_in_which_members_are_listed_does_not_matter(
        shuffled in Just(members(&[50, 100, 100, 200, 300])).prop_shuffle(),
        copies in 1_usize..5,
        number in 0_u32..1000,
    ) {
        let listed = members(&[50, 100, 100, 200, 300]);
        let (a, b) = (allocate(&root(number), copies, &listed), allocate(&root(number), copies, &shuffled));
        prop_assert_eq!(a, b);
    }
}
