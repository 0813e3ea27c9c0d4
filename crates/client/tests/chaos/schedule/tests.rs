use std::collections::BTreeSet;

use super::*;

const SHAPE: Shape = Shape { coordinators: 2, nodes: 5 };

fn rounds() -> impl Iterator<Item = Round> {
    (0..60).flat_map(|seed| (0..4).map(move |number| round(seed, number, SHAPE)))
}

/// How a fault is ended, if the action begins one.
fn end_of(action: Action) -> Option<Action> {
    Some(match action {
        Action::KillNode(node) => Action::StartNode(node),
        Action::StopNode(node) => Action::ContinueNode(node),
        Action::KillCoordinator(place) => Action::StartCoordinator(place),
        Action::StopCoordinator(place) => Action::ContinueCoordinator(place),
        Action::CrashPostgres => Action::StartPostgres,
        Action::Spoil(link, _) => Action::Mend(link),
        _ => return None,
    })
}

#[test]
fn a_seed_says_all_that_happens() {
    for (one, same) in rounds().zip(rounds()) {
        assert_eq!(one, same);
    }
    assert_ne!(round(1, 0, SHAPE), round(2, 0, SHAPE));
    assert_ne!(round(1, 0, SHAPE), round(1, 1, SHAPE));
    assert_ne!(round(1, 1, SHAPE), round(2, 0, SHAPE));
}

#[test]
fn every_fault_ends_within_its_round_and_nothing_fails_twice_at_once() {
    for round in rounds() {
        let mut under_way: Vec<Action> = Vec::new();
        for step in &round.steps {
            if let Some(end) = end_of(step.action) {
                assert!(!under_way.contains(&end), "{round:?}");
                under_way.push(end);
            } else {
                let begun = under_way.iter().position(|end| *end == step.action);
                let begun = begun.unwrap_or_else(|| panic!("nothing began {}: {round:?}", step.action));
                under_way.remove(begun);
            }
        }
        assert_eq!(under_way, [], "{round:?}");
    }
}

#[test]
fn three_nodes_of_five_can_always_be_reached() {
    for round in rounds() {
        let mut away = BTreeSet::new();
        for step in &round.steps {
            match step.action {
                Action::KillNode(node) | Action::StopNode(node) | Action::Spoil(Link::Data(node), _) => {
                    assert!(away.insert(node), "{round:?}");
                }
                Action::StartNode(node) | Action::ContinueNode(node) | Action::Mend(Link::Data(node)) => {
                    away.remove(&node);
                }
                _ => {}
            }
            assert!(away.len() <= NODES_AWAY_MAX, "{round:?}");
        }
    }
}

#[test]
fn every_kind_of_fault_and_damage_comes_up() {
    let name = |action: &Action| format!("{action:?}").split(['(', ' ']).next().map(str::to_owned);
    let faults: BTreeSet<_> = rounds()
        .flat_map(|round| round.steps)
        .filter_map(|step| match step.action {
            Action::Spoil(_, fault) => format!("{fault:?}").split('(').next().map(str::to_owned),
            action => name(&action),
        })
        .collect();
    assert_eq!(faults.len(), 10 + 1 + 7, "{faults:?}");
    let damages: BTreeSet<_> = (0..4).map(|number| format!("{:?}", round(9, number, SHAPE).damage)).collect();
    assert_eq!(damages.len(), 4, "{damages:?}");
}
