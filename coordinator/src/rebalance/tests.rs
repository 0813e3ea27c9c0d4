use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn fill(used_bytes: u64, capacity_bytes: u64) -> Fill {
    Fill { used_bytes, capacity_bytes, free_bytes: capacity_bytes.saturating_sub(used_bytes) }
}

fn moves(fills: &[Fill]) -> Vec<(&'static str, &'static str, u64)> {
    let fills = NAMES.into_iter().zip(fills.iter().copied()).collect();
    plan(&fills, 10, u64::MAX)
        .iter()
        .map(|between| (name(between.from), name(between.to), between.bytes))
        .collect()
}

fn name(of: &str) -> &'static str {
    NAMES.into_iter().find(|name| *name == of).expect("one of ours")
}

#[test]
fn zones_that_differ_by_ten_percent_are_left_alone() {
    assert_eq!(moves(&[fill(50, 100), fill(40, 100), fill(45, 100)]), []);
    assert_eq!(moves(&[fill(0, 100), fill(0, 1000)]), []);
    assert_eq!(moves(&[fill(100, 100)]), []);
    assert_eq!(moves(&[]), []);
}

#[test]
fn the_fullest_gives_to_the_emptiest_until_both_are_equal() {
    assert_eq!(moves(&[fill(51, 100), fill(40, 100)]), [("a", "b", 5)]);
    // By their capacity, not by what they hold.
    assert_eq!(moves(&[fill(40, 100), fill(100, 1000)]), [("a", "b", 27)]);
    assert_eq!(
        moves(&[fill(600, 1000), fill(0, 1000), fill(450, 1000)]),
        [("a", "b", 300), ("c", "b", 225), ("a", "c", 75)]
    );
}

#[test]
fn a_zone_without_room_gets_nothing() {
    let read_only = Fill { free_bytes: 0, ..fill(0, 1000) };
    assert_eq!(moves(&[fill(900, 1000), read_only]), []);
    let little = Fill { free_bytes: 7, ..fill(0, 1000) };
    assert_eq!(moves(&[fill(900, 1000), little]), [("a", "b", 7)]);
}

#[test]
fn a_round_moves_no_more_than_it_may() {
    let fills = BTreeMap::from([("a", fill(1000, 1000)), ("b", fill(0, 1000))]);
    assert_eq!(plan(&fills, 10, 64)[0].bytes, 64);
    assert_eq!(fit([30, 40, 30, 4], 64), [0, 2, 3]);
    assert_eq!(spread_percent(&fills), 100);
    assert_eq!(spread_percent(&BTreeMap::new()), 0);
}

/// Blobs as the cluster has them: their size, and the zones that have a copy.
struct Model {
    capacities: Vec<u64>,
    blobs: Vec<(u32, BTreeSet<usize>)>,
}

impl Model {
    fn fills(&self) -> BTreeMap<&'static str, Fill> {
        let used = |zone: usize| -> u64 {
            let here = self.blobs.iter().filter(|(_, zones)| zones.contains(&zone));
            here.map(|(size, _)| u64::from(*size)).sum()
        };
        let fills = self.capacities.iter().enumerate();
        fills.map(|(zone, capacity)| (NAMES[zone], fill(used(zone), *capacity))).collect()
    }

    /// One round, as the job does it; false if nothing moved.
    fn round(&mut self) -> bool {
        for between in plan(&self.fills(), 10, 10_000) {
            let [from, to] = [between.from, between.to]
                .map(|name| NAMES.iter().position(|other| *other == name).expect("one of ours"));
            let movable: Vec<_> = (0..self.blobs.len())
                .filter(|blob| self.blobs[*blob].1.contains(&from) && !self.blobs[*blob].1.contains(&to))
                .collect();
            let fitting = fit(movable.iter().map(|blob| self.blobs[*blob].0), between.bytes);
            for place in &fitting {
                let zones = &mut self.blobs[movable[*place]].1;
                zones.insert(to);
                zones.remove(&from);
            }
            if !fitting.is_empty() {
                return true;
            }
        }
        false
    }

    /// Falls with every move that makes zones more even.
    fn unevenness(&self) -> f64 {
        let number = |bytes: u64| f64::from(u32::try_from(bytes).expect("small"));
        self.fills().values().map(|fill| number(fill.used_bytes).powi(2) / number(fill.capacity_bytes)).sum()
    }
}

proptest! {
    #[test]
    fn rounds_end_and_leave_no_blob_that_would_help_and_every_blob_in_as_many_zones(
        capacities in prop::collection::vec(50_000_u64..1_000_000, 2..=5),
        blobs in prop::collection::vec((100_u32..3000, prop::collection::btree_set(0_usize..5, 1..4)), 0..80),
    ) {
        let zones = capacities.len();
        let blobs: Vec<_> = blobs
            .into_iter()
            .map(|(size, in_zones)| (size, in_zones.into_iter().map(|zone| zone % zones).collect()))
            .collect();
        let mut model = Model { capacities, blobs };
        let copies: Vec<_> = model.blobs.iter().map(|(_, zones)| zones.len()).collect();
        let mut rounds = 0;
        let mut before = model.unevenness();
        while model.round() {
            let now = model.unevenness();
            prop_assert!(now < before, "a round makes zones more even: {before} to {now}");
            before = now;
            rounds += 1;
            prop_assert!(rounds <= 1000, "it ends");
        }
        let after: Vec<_> = model.blobs.iter().map(|(_, zones)| zones.len()).collect();
        prop_assert_eq!(after, copies);
        for between in plan(&model.fills(), 10, u64::MAX) {
            let [from, to] = [between.from, between.to]
                .map(|name| NAMES.iter().position(|other| *other == name).expect("one of ours"));
            let stuck = model.blobs.iter().all(|(size, zones)| {
                u64::from(*size) > between.bytes || !zones.contains(&from) || zones.contains(&to)
            });
            prop_assert!(stuck, "{between:?} could go on");
        }
    }
}
