//! Which nodes get a group of blobs, and which are read first: pure functions of the group and the nodes.
//!
//! Weighted rendezvous hashing (Schindelhauer and Schomaker 2005; the logarithmic form): each candidate's score is
//! `-weight / ln(u)` with `u` in (0, 1) from a hash of group and candidate, and the highest scores win. Groups
//! spread in proportion to the weights, and a candidate that comes or goes moves only the groups that it wins or
//! had won. Zones are drawn first, then a node in each, so that copies never share a zone.

use std::collections::BTreeMap;

use protocol::digest::sha256;
use protocol::id::{GroupId, NodeId};

/// A node that may get blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: NodeId,
    /// What fails together.
    pub zone: String,
    /// Free bytes above the reserve; a node with none gets nothing.
    pub weight: u64,
}

/// The places in `candidates` of the chosen nodes, best first: at most `replicas`, each in a zone of its own.
pub fn choose(group: &GroupId, candidates: &[Candidate], replicas: usize) -> Vec<usize> {
    let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0) {
        zones.entry(&candidate.zone).or_default().push(index);
    }
    let mut drawn: Vec<(f64, usize)> = zones
        .iter()
        .filter_map(|(zone, members)| {
            let weight = members.iter().map(|index| candidates[*index].weight).fold(0, u64::saturating_add);
            let node_score = |index: &usize| {
                score(group, b"node", candidates[*index].node.as_bytes(), candidates[*index].weight)
            };
            let best = members.iter().max_by(|a, b| node_score(a).total_cmp(&node_score(b)))?;
            Some((score(group, b"zone", zone.as_bytes(), weight), *best))
        })
        .collect();
    drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
    drawn.into_iter().take(replicas).map(|(_, index)| index).collect()
}

/// Where a node stands among those that hold a group; the highest is read first, so that reads spread evenly.
pub fn reading_score(group: &GroupId, node: &NodeId) -> f64 {
    score(group, b"read", node.as_bytes(), 1)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "53 random bits and a weight need no more precision than f64 has"
)]
fn score(group: &GroupId, what: &[u8], name: &[u8], weight: u64) -> f64 {
    let hash = sha256(&[b"triplicate/placement/", what, group.as_bytes(), name]);
    let bits = u64::from_be_bytes(*hash.first_chunk().expect("32 bytes hold 8"));
    // The middle of one of 2^53 equal parts of (0, 1): never 0 or 1.
    let u = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -(weight as f64) / u.ln()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn group(number: u32) -> GroupId {
        let hash = sha256(&[&number.to_be_bytes()]);
        GroupId::from_slice(&hash[..16]).expect("not zero")
    }

    fn candidate(number: u8, zone: u8, weight: u64) -> Candidate {
        let node = NodeId::from_bytes([number + 1; 16]).expect("not zero");
        Candidate { node, zone: format!("zone-{zone}"), weight }
    }

    /// How often each of the candidates is among the chosen, of 10,000 groups.
    fn shares(candidates: &[Candidate], replicas: usize) -> Vec<u32> {
        let mut counts = vec![0; candidates.len()];
        for number in 0..10_000 {
            for index in choose(&group(number), candidates, replicas) {
                counts[index] += 1;
            }
        }
        counts
    }

    proptest! {
        #[test]
        fn copies_are_in_distinct_zones_and_as_many_as_possible(
            nodes in prop::collection::vec((0_u8..5, 0_u64..3), 0..12),
            replicas in 1_usize..6,
            number: u32,
        ) {
            let candidates: Vec<_> =
                (0..).zip(&nodes).map(|(number, (zone, weight))| candidate(number, *zone, *weight)).collect();
            let usable: BTreeSet<_> = candidates.iter().filter(|c| c.weight > 0).map(|c| &c.zone).collect();
            let chosen = choose(&group(number), &candidates, replicas);
            let zones: BTreeSet<_> = chosen.iter().map(|index| &candidates[*index].zone).collect();
            prop_assert_eq!(zones.len(), chosen.len());
            prop_assert_eq!(chosen.len(), replicas.min(usable.len()));
            prop_assert!(chosen.iter().all(|index| candidates[*index].weight > 0));
        }

        #[test]
        fn the_order_of_the_candidates_does_not_matter(number: u32, turn in 0_usize..6) {
            let candidates: Vec<_> = (0..6).map(|n| candidate(n, n, u64::from(n) + 1)).collect();
            let mut turned = candidates.clone();
            turned.rotate_left(turn);
            let nodes = |list: &[Candidate]| {
                choose(&group(number), list, 3).into_iter().map(|index| list[index].node).collect::<Vec<_>>()
            };
            prop_assert_eq!(nodes(&candidates), nodes(&turned));
        }

        #[test]
        fn a_node_that_leaves_moves_only_what_it_had(number: u32, gone in 0_u8..6) {
            let all: Vec<_> = (0..6).map(|n| candidate(n, n, 1)).collect();
            let rest: Vec<_> = all.iter().filter(|c| c.node != all[usize::from(gone)].node).cloned().collect();
            let nodes = |list: &[Candidate]| {
                choose(&group(number), list, 3).into_iter().map(|index| list[index].node).collect::<BTreeSet<_>>()
            };
            let (before, after) = (nodes(&all), nodes(&rest));
            let stayed = before.intersection(&after).count();
            let expected = if before.contains(&all[usize::from(gone)].node) { 2 } else { 3 };
            prop_assert_eq!(stayed, expected);
        }
    }

    #[test]
    fn a_node_that_joins_takes_its_share() {
        let four: Vec<_> = (0..4).map(|n| candidate(n, n, 1)).collect();
        let five: Vec<_> = (0..5).map(|n| candidate(n, n, 1)).collect();
        let moved = (0..10_000)
            .filter(|number| choose(&group(*number), &four, 1) != choose(&group(*number), &five, 1))
            .count();
        assert!((1800..2200).contains(&moved), "a fifth of the groups moves: {moved}");
    }

    #[test]
    fn groups_spread_in_proportion_to_the_weights() {
        let equal = shares(&(0..4).map(|n| candidate(n, n, 7)).collect::<Vec<_>>(), 3);
        assert!(equal.iter().all(|count| (7300..7700).contains(count)), "three quarters each: {equal:?}");
        let heavy = shares(&[candidate(0, 0, 1), candidate(1, 1, 1), candidate(2, 2, 2)], 1);
        assert!((4800..5200).contains(&heavy[2]), "half of the weight, half of the groups: {heavy:?}");
        let in_zone = shares(&[candidate(0, 0, 1), candidate(1, 0, 3), candidate(2, 1, 4)], 1);
        assert!((3550..3950).contains(&in_zone[1]), "three quarters of its zone's half: {in_zone:?}");
    }
}
