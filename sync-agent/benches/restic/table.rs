//! Medians side by side, and how Triplicate's compare with restic's.

use std::collections::BTreeMap;

use crate::STEPS;
use crate::measure::Cost;
use crate::opponents::{KINDS, Kind};

type Column = (&'static str, fn(&Cost) -> f64);

const COLUMNS: [Column; 6] = [
    ("s", |cost| cost.seconds),
    ("CPU s, client", |cost| cost.client_cpu),
    ("CPU s, machine", |cost| cost.machine_cpu),
    ("MB of memory, client", |cost| cost.memory_mb),
    ("MB stored", |cost| cost.stored as f64 / 1e6),
    ("MB over loopback", |cost| cost.sent as f64 / 1e6),
];

/// Costs by step and opponent.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, &'static str), Vec<Cost>>);

impl Table {
    pub(crate) fn add(&mut self, step: &'static str, opponent: &'static str, cost: Cost) {
        self.0.entry((step, opponent)).or_default().push(cost);
    }

    pub(crate) fn show(&self, title: &str) {
        let names = KINDS.map(Kind::name);
        println!("\n| {title} | | {} | R=1 / restic | R=3 / restic |", names.join(" | "));
        println!("|---|---|{}", "---|".repeat(names.len() + 2));
        for step in STEPS {
            for (unit, of) in COLUMNS {
                let figures = names.map(|name| self.median(step, name, of));
                let [restic, _, one, three] = figures;
                let figures = figures.map(|figure| format!("{figure:.2}")).join(" | ");
                println!("| {step} | {unit} | {figures} | {:.2} | {:.2} |", one / restic, three / restic);
            }
        }
    }

    fn median(&self, step: &'static str, opponent: &'static str, of: fn(&Cost) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.0[&(step, opponent)].iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[(figures.len() - 1) / 2]
    }
}
