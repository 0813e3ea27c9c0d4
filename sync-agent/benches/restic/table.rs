//! Medians side by side, and how Triplicate's compare with restic's.

use std::collections::BTreeMap;

use crate::STEPS;
use crate::measure::Cost;
use crate::opponents::Kind;

type Column = (&'static str, fn(&Cost) -> f64);

const COLUMNS: [Column; 7] = [
    ("s", |cost| cost.seconds),
    ("CPU s, client", |cost| cost.client_cpu),
    ("CPU s, machine", |cost| cost.machine_cpu),
    ("MB of memory, client", |cost| cost.memory_mb),
    ("MB stored", |cost| cost.stored as f64 / 1e6),
    ("MB over loopback", |cost| cost.sent as f64 / 1e6),
    ("requests to a Dropbox", |cost| cost.requests as f64),
];

/// Costs by step and opponent.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, &'static str), Vec<Cost>>);

impl Table {
    pub(crate) fn add(&mut self, step: &'static str, opponent: &'static str, cost: Cost) {
        self.0.entry((step, opponent)).or_default().push(cost);
    }

    /// One row for each figure of each step, with how Triplicate's compare with those of restic, if it took part.
    pub(crate) fn show(&self, title: &str, programs: &[Kind]) {
        let compared = programs.iter().filter(|kind| matches!(kind, Kind::R1 | Kind::R3));
        let compared: Vec<_> = compared.filter(|_| programs.contains(&Kind::Restic)).copied().collect();
        let mut heads: Vec<_> = programs.iter().map(|kind| kind.name().to_owned()).collect();
        heads.extend(compared.iter().map(|kind| format!("{} / restic", kind.name())));
        println!("\n| {title} | | {} |", heads.join(" | "));
        println!("|---|---|{}", "---|".repeat(heads.len()));
        for step in STEPS {
            for (unit, of) in COLUMNS {
                let figure = |kind: &Kind| self.median(step, kind.name(), of);
                let ratio = |kind: &Kind| figure(kind) / figure(&Kind::Restic);
                let figures = programs.iter().map(figure).chain(compared.iter().map(ratio));
                let figures: Vec<_> = figures.map(|figure| format!("{figure:.2}")).collect();
                println!("| {step} | {unit} | {} |", figures.join(" | "));
            }
        }
    }

    fn median(&self, step: &'static str, opponent: &'static str, of: fn(&Cost) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.0[&(step, opponent)].iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[(figures.len() - 1) / 2]
    }
}
