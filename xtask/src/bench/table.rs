//! A table of measured figures, their targets, and how they compare.

use super::targets::{Target, target_of};
use crate::console::say;

/// One thing that was measured, once or several times.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) work: String,
    pub(super) unit: String,
    pub(super) figures: Vec<f64>,
}

impl Row {
    /// The middle one; of an even number, the lower of the two in the middle.
    fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }
}

/// The figures of one group.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Adds a figure to its row.
    pub(super) fn add(&mut self, work: &str, unit: &str, figure: f64) {
        match self.0.iter_mut().find(|row| row.work == work && row.unit == unit) {
            Some(row) => row.figures.push(figure),
            None => self.0.push(Row { work: work.to_owned(), unit: unit.to_owned(), figures: vec![figure] }),
        }
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    pub(super) fn show(&self, title: &str) {
        let runs = self.0.iter().map(|row| row.figures.len()).max().unwrap_or_default();
        let title = if runs > 1 { format!("{title}, medians of {runs}") } else { title.to_owned() };
        say(&format!("\n{title:<54}{:>10} {:<8}{:>10}{:>8}", "measured", "", "target", "ratio"));
        for row in &self.0 {
            say(&line(row, target_of(&row.work, &row.unit)));
        }
    }
}

fn line(row: &Row, target: Option<Target>) -> String {
    let measured = row.median();
    let start = format!("{:<54}{:>10} {:<8}", row.work, rounded(measured), row.unit);
    match target {
        None => start.trim_end().to_owned(),
        Some(Target::AtLeast(target)) => {
            format!("{start}{:>10}{:>8.2}", format!("≥ {}", rounded(target)), measured / target)
        }
        Some(Target::AtMost(target)) => {
            format!("{start}{:>10}{:>8.2}", format!("≤ {}", rounded(target)), measured / target)
        }
    }
}

/// Three digits are more than a benchmark knows.
fn rounded(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_median_beside_its_target() {
        let row = Row { work: "work".to_owned(), unit: "MB/s".to_owned(), figures: vec![300.0, 50.0, 100.0] };
        let shown = line(&row, Some(Target::AtLeast(80.0)));
        assert_eq!(
            shown.split_whitespace().collect::<Vec<_>>(),
            ["work", "100", "MB/s", "≥", "80.0", "1.25"]
        );
    }
}
