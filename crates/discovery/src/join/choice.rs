//! The joining rule: of all nodes that bootstrap peers name, those that more than half name.
//!
//! The rule is PeerTube's first one (its architecture page, "join a network"): a newcomer keeps the
//! peers that it asked, and whom more than half of their answers contain. One bootstrap peer that
//! lies among three that do not cannot lead a newcomer anywhere.

use std::collections::{BTreeMap, BTreeSet};

use cidcast_announce::NodeId;

/// Addresses that are kept of one node.
const MAX_ADDRESSES: usize = 8;

/// Somewhere that a node is said to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Who.
    pub node: NodeId,
    /// Where: a multiaddress with `/p2p/…`.
    pub address: String,
}

/// A node that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Who.
    pub node: NodeId,
    /// Where, as most said first; at most 8.
    pub addresses: Vec<String>,
    /// How many of those who answered named it.
    pub votes: usize,
}

/// Those that more than half of the `answers` name, most named first; at most `most`. An answer
/// counts once for a node, however many addresses it has for it. Nodes in `leave_out` (oneself, and
/// who was asked: they are kept anyway) are not among them.
pub fn named_by_most(
    answers: &[Vec<Named>],
    leave_out: &BTreeSet<NodeId>,
    most: usize,
) -> Vec<Chosen> {
    // For each node and address, the answers that have it.
    let mut said: BTreeMap<NodeId, BTreeMap<&str, BTreeSet<usize>>> = BTreeMap::new();
    for (who, answer) in answers.iter().enumerate() {
        for named in answer {
            if !leave_out.contains(&named.node) {
                let addresses = said.entry(named.node).or_default();
                addresses.entry(&named.address).or_default().insert(who);
            }
        }
    }
    let choose = |(node, addresses): (NodeId, BTreeMap<&str, BTreeSet<usize>>)| {
        let voters: BTreeSet<usize> = addresses.values().flatten().copied().collect();
        let votes = voters.len();
        (votes * 2 > answers.len()).then(|| Chosen {
            node,
            addresses: most_said_first(addresses),
            votes,
        })
    };
    let mut chosen: Vec<Chosen> = said.into_iter().filter_map(choose).collect();
    // Stable: those with as many votes stay in the order of their ids.
    chosen.sort_by_key(|one| std::cmp::Reverse(one.votes));
    chosen.truncate(most);
    chosen
}

fn most_said_first(addresses: BTreeMap<&str, BTreeSet<usize>>) -> Vec<String> {
    let mut ranked: Vec<_> = addresses.into_iter().collect();
    ranked.sort_by_key(|(_, voters)| std::cmp::Reverse(voters.len()));
    let texts = ranked.into_iter().map(|(address, _)| address.to_owned());
    texts.take(MAX_ADDRESSES).collect()
}

/// In which order a newcomer is told of peers, given in the order of how long they are connected: by
/// turns the one that is connected longest and the one whose key is nearest to the newcomer's.
///
/// The oldest alone would make everybody connect with the same few nodes, until these have no room
/// left. Whoever makes up keys that are near to somebody's gets half of the places at the most. All
/// who know the same peers tell one newcomer of the same ones, so that a majority can name them.
pub(crate) fn by_turns<T>(newcomer: &NodeId, oldest_first: Vec<(NodeId, T)>) -> Vec<T> {
    let distance = |node: &NodeId| -> Vec<u8> {
        let bytes = node.as_bytes().iter().zip(newcomer.as_bytes());
        bytes.map(|(one, other)| one ^ other).collect()
    };
    let mut by_distance: Vec<usize> = (0..oldest_first.len()).collect();
    by_distance.sort_by_cached_key(|at| oldest_first.get(*at).map(|(node, _)| distance(node)));
    let mut left: Vec<Option<T>> = oldest_first.into_iter().map(|(_, of)| Some(of)).collect();
    let mut told = Vec::with_capacity(left.len());
    for (oldest, nearest) in by_distance.into_iter().enumerate() {
        for at in [oldest, nearest] {
            told.extend(left.get_mut(at).and_then(Option::take));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use cidcast_announce::NodeKey;
    use proptest::prelude::*;

    use super::*;

    fn node(n: u8) -> NodeId {
        NodeKey::from_seed([n; 32]).node()
    }

    fn named(n: u8, port: u16) -> Named {
        Named {
            node: node(n),
            address: format!("/ip4/192.0.2.{n}/tcp/{port}/p2p/{}", node(n)),
        }
    }

    fn list(nodes: &[u8]) -> Vec<Named> {
        nodes.iter().map(|n| named(*n, 1)).collect()
    }

    fn chosen(answers: &[Vec<Named>]) -> Vec<NodeId> {
        let chosen = named_by_most(answers, &BTreeSet::new(), usize::MAX);
        chosen.into_iter().map(|one| one.node).collect()
    }

    /// The example of PeerTube's architecture page: pods 1, 2 and 3 are asked, pod 5 is added.
    #[test]
    fn the_seeds_example_comes_out_as_written() {
        let answers = [list(&[2, 3, 4, 5]), list(&[3, 5]), list(&[5])];
        let asked = BTreeSet::from([node(1), node(2), node(3)]);
        let added = named_by_most(&answers, &asked, 10);
        assert_eq!(added.len(), 1);
        assert_eq!((added[0].node, added[0].votes), (node(5), 3));
    }

    #[test]
    fn the_oldest_and_the_nearest_are_told_of_by_turns_and_everybody_once() {
        let peers: Vec<_> = (0..40).map(|n| (node(n), n)).collect();
        let told = by_turns(&node(200), peers.clone());
        let other = by_turns(&node(201), peers);
        assert_eq!((told[0], other[0]), (0, 0), "the oldest");
        assert_ne!(told[..20], other[..20], "not the same for everybody");
        let mut all = told;
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<u8>>());
    }

    #[test]
    fn half_is_not_more_than_half() {
        assert_eq!(chosen(&[list(&[7]), list(&[])]), []);
        assert_eq!(chosen(&[list(&[7]), list(&[7])]), [node(7)]);
        assert_eq!(chosen(&[list(&[7])]), [node(7)]);
        assert_eq!(chosen(&[]), []);
    }

    #[test]
    fn repeating_a_name_does_not_make_it_count_twice() {
        let loud: Vec<Named> = (1..60).map(|port| named(9, port)).collect();
        assert_eq!(chosen(&[loud, list(&[8]), list(&[8])]), [node(8)]);
    }

    #[test]
    fn the_address_that_most_have_comes_first() {
        let answers = [
            vec![named(5, 1), named(5, 2)],
            vec![named(5, 2)],
            vec![named(5, 3)],
        ];
        let kept = named_by_most(&answers, &BTreeSet::new(), 10);
        assert_eq!(kept[0].addresses[0], named(5, 2).address);
        assert_eq!(kept[0].addresses.len(), 3);
    }

    fn any_answers() -> impl Strategy<Value = Vec<Vec<Named>>> {
        let one = prop::collection::vec((0u8..12, 0u16..4), 0..20);
        let answer = one.prop_map(|list| list.iter().map(|(n, port)| named(*n, *port)).collect());
        prop::collection::vec(answer, 0..8)
    }

    proptest! {
        #[test]
        fn exactly_those_that_more_than_half_name_are_kept(answers in any_answers()) {
            let kept: BTreeSet<NodeId> = chosen(&answers).into_iter().collect();
            for n in 0..12 {
                let votes = answers.iter().filter(|answer| {
                    answer.iter().any(|named| named.node == node(n))
                });
                let is_kept = votes.count() * 2 > answers.len();
                prop_assert_eq!(kept.contains(&node(n)), is_kept);
            }
        }

        #[test]
        fn a_minority_of_liars_adds_nobody(
            honest in any_answers(),
            lies in prop::collection::vec(100u8..120, 0..20),
        ) {
            let liars = honest.len().saturating_sub(1) / 2;
            let mut answers = honest;
            for answer in answers.iter_mut().take(liars) {
                *answer = list(&lies);
            }
            let kept: BTreeSet<NodeId> = chosen(&answers).into_iter().collect();
            for lie in lies {
                prop_assert!(!kept.contains(&node(lie)));
            }
        }

        #[test]
        fn the_order_of_the_answers_does_not_matter(answers in any_answers()) {
            let mut reversed = answers.clone();
            reversed.reverse();
            prop_assert_eq!(chosen(&answers), chosen(&reversed));
        }

        #[test]
        fn the_bounds_hold(answers in any_answers(), most in 0usize..6) {
            let kept = named_by_most(&answers, &BTreeSet::new(), most);
            prop_assert!(kept.len() <= most);
            prop_assert!(kept.iter().all(|one| one.addresses.len() <= MAX_ADDRESSES));
        }
    }
}
