use proptest::prelude::*;
use protocol::blob_list::StoredBlob;
use protocol::id::{BlobId, NodeId, StoreId};
use protocol::signature::{PublicKey, SigningKey};

use super::*;
use crate::health::{Intent, shown};
use crate::rebalance;

fn node(number: u8, zone: u8, liveness: NodeState, intent: Intent) -> NodeRow {
    NodeRow {
        key: NodeKey(i64::from(number)),
        id: NodeId::from_bytes([number + 1; 16]).expect("not zero"),
        public_key: PublicKey::of(&SigningKey::from_bytes(&[1; 32])),
        store: StoreId::from_bytes([1; 16]).expect("not zero"),
        store_epoch: 1,
        url: String::new(),
        zone: format!("zone-{zone}"),
        state: shown(liveness, intent, false),
        liveness,
        intent,
        capacity_bytes: 1 << 31,
        used_bytes: 1 << 29,
        free_bytes: 1 << 30,
    }
}

fn up(number: u8, zone: u8) -> NodeRow {
    node(number, zone, NodeState::Up, Intent::Serve)
}

fn holding(nodes: &[u8]) -> Holding {
    let id = BlobId::from_bytes([7; 32]).expect("not zero");
    let blob = PlannedBlob { key: BlobKey(1), blob: StoredBlob { id, size: 5000, generation: 1 }, trims: 0 };
    Holding { blob, needed: true, nodes: nodes.iter().map(|number| NodeKey(i64::from(*number))).collect() }
}

fn group(number: u8) -> GroupId {
    GroupId::from_bytes([number + 1; 16]).expect("not zero")
}

/// What is done about one blob on these nodes, as text.
fn step(nodes: &[NodeRow], holders: &[u8], replicas: usize) -> String {
    let plan = plan(nodes, &[holding(holders)], |_| 0, replicas, &[], || group(0));
    let keys = |nodes: &[&NodeRow]| {
        let mut keys: Vec<_> = nodes.iter().map(|node| node.key.0).collect();
        keys.sort_unstable();
        format!("{keys:?}")
    };
    if let [copying] = &plan.copying[..] {
        let more = if copying.lacks_zone { " and more" } else { "" };
        return format!("copy from {} to {}{more}", copying.source.key.0, keys(&copying.destinations));
    }
    if let [trimming] = &plan.trimming[..] {
        return format!("trim {} while {} have it", trimming.node.key.0, keys(&trimming.keepers));
    }
    match &plan.waiting[..] {
        [(_, waiting)] => format!("{waiting:?}"),
        _ => "nothing".into(),
    }
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let nodes = [up(0, 0), up(1, 1), up(2, 2), up(3, 3)];
    assert_eq!(step(&nodes, &[0, 1, 2], 3), "nothing");
    let unneeded = Holding { needed: false, ..holding(&[0]) };
    assert_eq!(plan(&nodes, &[unneeded], |_| 0, 3, &[], || group(0)).done, [BlobKey(1)]);
}

#[test]
fn a_copy_goes_to_a_zone_that_has_none() {
    let nodes = [up(0, 0), up(1, 1), up(2, 1), up(3, 2)];
    assert_eq!(step(&nodes, &[0, 1], 3), "copy from 0 to [3]");
    assert_eq!(step(&nodes, &[3], 2).split(" to ").next(), Some("copy from 3"));
    // Two copies in one zone are one.
    let both = [up(1, 1), up(2, 1), up(3, 2)];
    assert!(step(&both, &[1, 2], 2).ends_with("to [3]"));
}

#[test]
fn a_node_that_is_down_is_waited_for_unless_there_is_one_copy_left() {
    let down = |number, zone| node(number, zone, NodeState::Down, Intent::Serve);
    let one = [up(0, 0), up(1, 1), down(2, 2), up(3, 3)];
    assert_eq!(step(&one, &[0, 1, 2], 3), "nothing");
    let two = [up(0, 0), down(1, 1), down(2, 2), up(3, 3)];
    assert_eq!(step(&two, &[0, 1, 2], 3), "copy from 0 to [3]");
    // Rather beside a node that is down than nowhere.
    let beside = [up(0, 0), down(1, 1), down(2, 2), up(3, 2)];
    assert_eq!(step(&beside, &[0, 1, 2], 3), "copy from 0 to [3]");
    let nowhere = [up(0, 0), down(1, 1), down(2, 2)];
    assert_eq!(step(&nowhere, &[0, 1, 2], 3), "Zone");
    assert_eq!(step(&nowhere, &[1, 2], 3), "Copy");
    assert_eq!(step(&nowhere, &[0], 1), "nothing", "one copy is all there should be");
}

#[test]
fn a_node_that_is_out_is_replaced() {
    let nodes = [up(0, 0), up(1, 1), node(2, 2, NodeState::Out, Intent::Serve), up(3, 3)];
    assert!(step(&nodes, &[0, 1, 2], 3).ends_with("to [3]"));
    // Only as far as there are zones.
    assert!(step(&nodes, &[0, 2], 4).ends_with("to [1, 3] and more"));
}

#[test]
fn a_node_that_is_drained_is_read_and_replaced() {
    let draining = node(0, 0, NodeState::Up, Intent::Drain);
    assert_eq!(step(&[draining.clone(), up(1, 1)], &[0], 1), "copy from 0 to [1]");
    let nodes = [draining.clone(), up(1, 1), up(2, 2), up(3, 0)];
    assert!(step(&nodes, &[0, 1, 2], 3).ends_with("to [3]"), "another node of its zone");
    assert_eq!(step(&nodes[..3], &[0, 1, 2], 3), "Zone");
    let gone = node(0, 0, NodeState::Up, Intent::Gone);
    assert_eq!(step(&[gone, up(1, 1)], &[0], 1), "Copy");
    assert_eq!(step(&[draining, up(1, 1), up(2, 2), up(3, 3)], &[0, 1, 2, 3], 3), "nothing");
}

#[test]
fn full_and_silent_nodes_get_nothing() {
    let full = NodeRow { free_bytes: 4999, ..up(1, 1) };
    let suspect = node(2, 2, NodeState::Suspect, Intent::Serve);
    let read_only = node(3, 3, NodeState::ReadOnly, Intent::Serve);
    assert_eq!(step(&[up(0, 0), full, suspect, read_only], &[0], 2), "Zone");
}

#[test]
fn with_each_attempt_another_source_is_asked_and_suspects_last() {
    let nodes = [node(0, 0, NodeState::Suspect, Intent::Serve), up(1, 1), up(2, 2), up(3, 3)];
    let sources = [0, 1, 2, 3].map(|attempt| {
        let plan = plan(&nodes, &[holding(&[0, 1, 2])], |_| attempt, 4, &[], || group(0));
        plan.copying[0].source.key.0
    });
    assert_eq!(sources.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!((sources[2], sources[3]), (0, sources[0]));
}

#[test]
fn of_too_many_copies_the_one_of_the_fullest_node_goes() {
    let fuller = NodeRow { used_bytes: 1 << 30, ..up(1, 1) };
    let nodes = [up(0, 0), fuller, up(2, 2), up(3, 3)];
    assert_eq!(step(&nodes, &[0, 1, 2, 3], 3), "trim 1 while [0, 2, 3] have it");
    // But first where two are in one zone.
    let nodes = [up(0, 0), nodes[1].clone(), up(2, 2), up(3, 2)];
    assert_eq!(step(&nodes, &[0, 1, 2, 3], 3), "trim 2 while [0, 1, 3] have it");
    let silent = [up(0, 0), up(1, 1), up(2, 2), node(3, 3, NodeState::Suspect, Intent::Serve)];
    assert_eq!(step(&silent, &[0, 1, 2, 3], 3), "Node", "those that are to keep it must be heard");
}

#[test]
fn a_copy_moves_by_being_made_in_the_emptier_zone_first() {
    let used = |number, used_bytes| NodeRow { used_bytes, ..up(number, number) };
    let nodes = [used(0, 1 << 30), used(1, 1 << 28), used(2, 1 << 29), used(3, 0)];
    let moves = rebalance::plan(&fills(&nodes), 10, u64::MAX);
    let step = |holders: &[u8]| {
        let plan = plan(&nodes, &[holding(holders)], |_| 0, 3, &moves, || group(0));
        let to =
            |copying: &Copying<'_>| copying.destinations.iter().map(|node| node.key.0).collect::<Vec<_>>();
        (
            plan.copying.iter().flat_map(to).collect::<Vec<_>>(),
            plan.trimming.iter().map(|t| t.node.key.0).collect(),
        )
    };
    let nothing: Vec<i64> = vec![];
    assert_eq!(step(&[0, 1, 2]), (vec![3], nothing.clone()), "it goes to the emptiest");
    assert_eq!(step(&[0, 1, 2, 3]), (nothing.clone(), vec![0]), "and then leaves the fullest");
    assert_eq!(step(&[1, 2, 3]), (nothing.clone(), nothing), "what is well placed stays");
    assert_eq!(step(&[0, 3]).0.len(), 1, "what lacks a copy gets one");
}

proptest! {
    #[test]
    fn plans_never_share_a_zone_nor_lower_what_there_is(
        nodes in prop::collection::vec((0_u8..5, 0_usize..5, 0_usize..3), 1..12),
        holders in prop::collection::btree_set(0_u8..12, 0..6),
        replicas in 1_usize..5,
        number in 0_u8..200,
    ) {
        const STATES: [NodeState; 5] =
            [NodeState::Up, NodeState::ReadOnly, NodeState::Suspect, NodeState::Down, NodeState::Out];
        const INTENTS: [Intent; 3] = [Intent::Serve, Intent::Drain, Intent::Gone];
        let nodes: Vec<_> = (0..)
            .zip(&nodes)
            .map(|(number, (zone, state, intent))| node(number, *zone, STATES[*state], INTENTS[*intent]))
            .collect();
        let holders: Vec<_> = holders.into_iter().filter(|holder| usize::from(*holder) < nodes.len()).collect();
        let plan = plan(&nodes, &[holding(&holders)], |_| 0, replicas, &[], || group(number));
        let found = plan.copying.len() + plan.trimming.len() + plan.done.len() + plan.waiting.len();
        prop_assert_eq!(found, 1);
        let holds = |node: &NodeRow| holders.iter().any(|holder| i64::from(*holder) == node.key.0);
        let staying = zones(nodes.iter().filter(|node| holds(node) && node.is_live() && node.is_kept()));
        for copying in &plan.copying {
            prop_assert!(copying.source.is_live() && holds(copying.source));
            let new = zones(copying.destinations.iter().copied());
            prop_assert_eq!(new.len(), copying.destinations.len());
            prop_assert!(new.is_disjoint(&staying) && staying.len() + new.len() <= replicas.max(2));
            prop_assert!(copying.destinations.iter().all(|node| node.state == NodeState::Up && !holds(node)));
        }
        for trimming in &plan.trimming {
            let kept = zones(trimming.keepers.iter().copied());
            prop_assert_eq!((kept.len(), trimming.keepers.len()), (replicas, replicas));
            prop_assert!(trimming.keepers.iter().all(|node| node.is_kept() && node.is_live() && holds(node)));
            prop_assert!(trimming.keepers.iter().all(|node| node.key != trimming.node.key));
        }
    }
}
