//! Who keeps a root: a pure function, so that every member computes the same answer.
//!
//! Weighted rendezvous hashing: each member has a score for each root that depends on nothing
//! else, and the highest keep it. When a member goes, only what it kept moves; when one comes, it
//! takes its share from all others.

use std::collections::HashSet;

use cid::Cid;
use cidcast_announce::NodeId;
use sha2::{Digest, Sha256};

/// A member that could keep a root.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// Its share beside others: any positive number. 0 gets nothing while others can.
    pub weight: f64,
    /// Its value of the tag by which copies are spread.
    pub place: Option<String>,
}

/// The `copies` members that are to keep `root`, best first; fewer if there are not so many. With
/// `place`s, different ones first.
pub fn allocate(root: &Cid, copies: usize, candidates: &[Candidate]) -> Vec<NodeId> {
    let name = root.hash().to_bytes();
    let mut ranked: Vec<(f64, &Candidate)> = candidates
        .iter()
        .map(|candidate| (score(&name, candidate), candidate))
        .collect();
    ranked.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.node.cmp(&second.node)));
    let (mut chosen, mut passed) = (Vec::with_capacity(copies), Vec::new());
    let mut places = HashSet::new();
    for (_, candidate) in ranked {
        let is_new = match &candidate.place {
            Some(place) => places.insert(place.as_str()),
            None => true,
        };
        if is_new && chosen.len() < copies {
            chosen.push(candidate.node);
        } else {
            passed.push(candidate.node);
        }
    }
    let missing = copies.saturating_sub(chosen.len());
    chosen.extend(passed.into_iter().take(missing));
    chosen
}

/// -weight / ln(u), with u even in (0, 1) and fixed for the pair of root and member: the chance to
/// be the highest is as the weight.
fn score(root: &[u8], candidate: &Candidate) -> f64 {
    let digest = Sha256::new()
        .chain_update(b"cidcast-cluster-allocation-v1")
        .chain_update(candidate.node.as_bytes())
        .chain_update(root)
        .finalize();
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(digest) {
        *to = from;
    }
    // 53 bits, and never 0 or 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let even = ((u64::from_be_bytes(first) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    if candidate.weight > 0.0 {
        -candidate.weight / even.ln()
    } else {
        even - 1.0
    }
}
